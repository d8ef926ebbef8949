"""The benchmarks by name, one question each, and how they are run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib import import_module
from typing import Any

from neurohw.bench.rounds import Figure
from neurohw.errors import InputError

Rows = Sequence[dict[str, Any] | Figure]

BENCHMARKS: dict[str, str] = {
    "throughput": "training speed against the plain method and against the bare matrix products",
    "cnn": "training speed of a convolutional network against torch's layers and autograd",
    "arrays": "what our code adds to aihwkit's bare tile calls",
    "analog": "the analog engine against aihwkit, the bare product and ideal arrays",
    "card": "training and pulsed updates on a GPU beside its bare products; nothing without one",
    "chips": "16 seeds of a small network over one: an epoch of training, evaluation included",
    "sequential": "learning one image after the other, 784-500, against the plain method: 4,000 images a second",
    "batches": "a batch written at once against its samples one by one, law by law and device by device",
    "transfers": "learning curves of Tiki-Taka, its kin and one-sided pairs on both engines",
    "wires": "the solver of IR drop: time, Kirchhoff's residual, and the fast approximation's error",
    "erasure": "what balanced updates leave of the weights of every device, by contrast",
    "nudging": "noise of EP's contrast against nudging strength and read noise",
    "flicker": "what held and re-read inputs of EP feel of white and of 1/f noise",
    "target": "the analog target circuit with every non-ideality on, against torch.topk",
    "netlist": "the behavioural law of the kWTA against ngspice: separation, decision time, winners",
    "spiking": "overlap of the spiking target's winners with the ideal one's, against time and rate",
    "stdp": "STDP clustering, ms a sample, against the engine in torch and the network in Brian2",
    "sweeps": "what a second process brings to a sweep, and what a point costs beside its training",
    "meter": "what counting events for the energy account costs in time",
    "anchors": "nJ of a product on published chips, against our low and high",
    "deep-stdp": "the cost of clustering in Deep-STDP, in its authors' own estimate",
    "fit": "whether the fit of a device tells the truth: twenty sets of pulse trains, ten of known truth",
    "attribution": "whether the cause that costs most is named: twenty devices, each made bad in one way",
    "published": "the committed records against what is expected of them: published values, or those of earlier runs",
}  # answered by the function of that name in the module of that name


SPEED = (
    "throughput",
    "cnn",
    "arrays",
    "analog",
    "card",
    "chips",
    "target",
    "stdp",
    "meter",
)  # these answer with figures of speed


def chosen(names: Iterable[str]) -> list[str]:
    """Return the benchmarks of these names, in their order here; all of them where none is named.

    Raises:
        InputError: there is no benchmark of that name.
    """
    wanted = list(names)
    for name in wanted:
        if name not in BENCHMARKS:
            raise InputError(f"bench: there is no benchmark {name!r}; allowed: {', '.join(BENCHMARKS)}")
    return [name for name in BENCHMARKS if name in (wanted or BENCHMARKS)]


def measured(name: str) -> Rows:
    """Run a benchmark."""
    name = name.replace("-", "_")
    rows: Rows = getattr(import_module(f"neurohw.bench.{name}"), name)()
    return rows
