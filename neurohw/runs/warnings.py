"""What a run says of its own configuration: reads that are rounded, devices that drift, a change midway."""

from __future__ import annotations

import math

from neurohw.circuits.analog_parameters import TargetParameters
from neurohw.circuits.neuron import neuron
from neurohw.config import DeepSTDPExperiment, OnChipExperiment, STDPExperiment
from neurohw.config.hardware import has_devices
from neurohw.crossbar.aihwkit.programmed import find_noise_model
from neurohw.crossbar.remedies import CELLS, WRITINGS
from neurohw.devices.tables import NO_DESCRIPTION
from neurohw.networks.base import Network
from neurohw.runs.circuit import circuit_parameters
from neurohw.runs.hardware import device_model

_FEW_BITS = 5
_LONG_SAMPLE = 1.0  # s
_FORGOTTEN = 0.1  # of a threshold in a batch; half of it was no loss in accuracy, twice of it ten points (digits)
_HOMEOSTASIS = "a target.gamma above 0 (without homeostasis few outputs may win every image)"
_SIGMOID = (
    'network.neurons that end in "sigmoid", with training.loss = "cross-entropy" (a {} that is 0 for all images of a '
    "class passes no error on, and never learns again)"
)
_RESTARTED = (
    "; each write restarts the drift of a cell (retention.{} = {:g}) and not that of its reference, which single "
    "devices do not outrun: pairs (hardware.cell differential, one-sided) and hardware.writing agad lose less"
)


def rounded_products(experiment: OnChipExperiment, network: Network) -> list[str]:
    """Return a warning where reads of ideal arrays multiply in less precision than float32."""
    hardware = experiment.hardware
    if (
        has_devices(hardware.backend)
        or hardware.precision == "float32"
        or all(layer.array.exact for layer in network.layers)
    ):
        return []
    return [f'hardware.precision = "{hardware.precision}": reads are products in bfloat16, of 8 significant '
            "bits, an approximation of ideal ones"]  # fmt: skip


def other_versions(before: dict[str, str], now: dict[str, str], epochs: int) -> list[str]:
    """Return a warning where a run goes on with other threads, packages or code than it was begun with.

    Args:
        before, now: name -> version, commit or number of threads; nothing is said of names that `before` lacks.
        epochs: that are done.
    """
    changed = [f"{name} {now.get(name)} (before: {value})" for name, value in before.items() if now.get(name) != value]
    if not changed:
        return []
    return [
        f"went on after epoch {epochs} with {', '.join(changed)}: its last bits are not those of a run in one piece"
    ]


def single_devices_drift(experiment: OnChipExperiment) -> str:
    """Return what drift does to devices that learn one by one, less a reference; nothing where there are none."""
    drift = _drift_of_single_devices(experiment)
    return _RESTARTED.format(*drift) if drift else ""


def misfits(experiment: OnChipExperiment) -> list[str]:
    """Return a warning where the device was fitted to measurements that it does not describe."""
    device = device_model(experiment.hardware)
    verdict = device.measured.verdict if device else None
    if device is None or verdict is None or not verdict.startswith(NO_DESCRIPTION):
        return []
    return [f"{device.name} {verdict}: what it was fitted to behaves otherwise, and so may its network"]


def forgetful_thresholds(experiment: OnChipExperiment) -> list[str]:
    """Return a warning where a tenth of a threshold or more leaks away in a batch's time."""
    parameters, seconds = circuit_parameters(experiment), experiment.hardware.step_seconds
    leak = parameters.homeostasis.leak_seconds if isinstance(parameters, TargetParameters) else None
    learns = experiment.training.mode != "supervised" and experiment.network.weights is None
    if leak is None or not (experiment.target.gamma and learns):
        return []
    lost = -math.expm1(-seconds / leak)
    if lost < _FORGOTTEN:
        return []
    return [f"hardware.step_seconds: the circuit's thresholds lose {100 * lost:.0f} % in a batch of {seconds:g} s "
            f"(homeostasis.leak_seconds = {leak:g}), and forget who has won; the time that the chip takes for a batch, "
            "if it is less, loses less"]  # fmt: skip


def slow_samples(experiment: DeepSTDPExperiment | STDPExperiment) -> list[str]:
    """Return a warning where devices age for longer than any chip takes for the steps of a sample."""
    seconds = experiment.hardware.step_seconds * experiment.stdp.timesteps
    if seconds < _LONG_SAMPLE or not ages(experiment):
        return []
    return [f"hardware.step_seconds: {experiment.hardware.device} ages {seconds:g} s in each sample of "
            f"{experiment.stdp.timesteps} steps that is learnt from, which takes a chip some milliseconds; "
            "hardware.step_seconds says how long a step is"]  # fmt: skip


def ages(experiment: OnChipExperiment | DeepSTDPExperiment | STDPExperiment) -> bool:
    """Return whether time alone would move the weights of the experiment's devices."""
    device = device_model(experiment.hardware)
    if device is None or not has_devices(experiment.hardware.backend):
        return False
    return device.retention_parameters().ages


def ages_without_change(experiment: OnChipExperiment) -> list[str]:
    """Return a warning where the network is evaluated at ages, and nothing is known of what time does to its device."""
    seconds, off_chip = experiment.evaluation.age_seconds, experiment.hardware.off_chip
    if not seconds:
        return []
    if off_chip is not None:
        return _older_than_known(off_chip, max(seconds))
    device = device_model(experiment.hardware)
    if ages(experiment) or (device is not None and device.retention_parameters().read_noise_1f):
        return []
    return [f"evaluation.age_seconds: device {experiment.hardware.device} has no [retention], so that nothing ages: "
            "what differs between ages is noise"]  # fmt: skip


def _older_than_known(off_chip: str, age: float) -> list[str]:
    """Return a warning where a noise model says nothing of an age this high, s."""
    oldest = find_noise_model(off_chip).oldest
    if age <= oldest:
        return []
    return [f"evaluation.age_seconds: {off_chip} was measured up to {oldest:g} s, nothing is known of later ages: its "
            "devices stay as they are then"]  # fmt: skip


def without_a_cause(experiment: OnChipExperiment) -> str:
    """Return what to try where a network answers no better than chance and nothing that was counted says why."""
    devices, learns = has_devices(experiment.hardware.backend), experiment.network.weights is None
    tries: list[str] = []
    if _no_homeostasis(experiment):
        tries.append(_HOMEOSTASIS)
    if _dying_outputs(experiment):
        tries.append(_SIGMOID.format(experiment.network.neurons[-1]))
    if learns and experiment.target.circuit in ("analog", "spiking") and experiment.training.mode != "supervised":
        tries.append('target.circuit = "ideal", which tells whether the target circuit errs too much')
    if learns:
        tries.append("a training.learning_rate ten times larger, or ten times smaller")
    if devices:
        tries.append("a smaller hardware.weight_range (read noise and converter steps grow with it)")
        if experiment.hardware.adc_bits and experiment.hardware.adc_bits < _FEW_BITS:
            tries.append(
                f"more hardware.adc_bits (now {experiment.hardware.adc_bits}), a smaller hardware.output_bound"
            )
    if devices and learns and experiment.network.rule == "ep" and experiment.ep.contrast != "difference":
        tries.append('ep.contrast = "difference" (steps up and down of most devices are unlike)')
    if devices and learns and experiment.hardware.writing == "pulses":
        tries.append('hardware.writing = "mixed-precision" or "tiki-taka-v2"')
    return "; nothing that was counted says why" + (f": try {', '.join(tries)}" if tries else "")


def lost_classes(experiment: OnChipExperiment) -> str:
    """Return what to try where a network recognises some classes and others hardly ever."""
    tries: list[str] = []
    if experiment.training.mode == "unsupervised" and experiment.network.weights is None:
        tries.append("more outputs (the last of network.layers), since none stands for them")
    if _dying_outputs(experiment):
        tries.append(_SIGMOID.format(experiment.network.neurons[-1]))
    if _no_homeostasis(experiment):
        tries.append(_HOMEOSTASIS)
    return f": try {', '.join(tries)}" if tries else ""


def _dying_outputs(experiment: OnChipExperiment) -> bool:
    """Return whether labels are learnt by outputs that may come to be 0 for good."""
    network = experiment.network
    labels = experiment.training.mode != "unsupervised" and network.weights is None
    return labels and network.rule == "bp" and neuron(network.neurons[-1]).dies


def _no_homeostasis(experiment: OnChipExperiment) -> bool:
    """Return whether outputs learn from the winners of a target circuit whose thresholds stay at 0."""
    e = experiment
    targets = e.training.mode != "supervised" and e.network.rule in ("bp", "ep") and e.target.circuit != "pseudo-label"
    return targets and e.target.gamma == 0 and e.network.weights is None


def _drift_of_single_devices(experiment: OnChipExperiment) -> tuple[str, float] | None:
    """Return the first number of the law by which devices age that learn one by one, each less a reference.

    None: others, or none whose law counts from the write.
    """
    section, device = experiment.hardware, device_model(experiment.hardware)
    if section.backend != "analog" or device is None or WRITINGS[section.writing].follows_drift:
        return None
    by_itself = section.reference == "none" or (device.signed and section.reference is None)
    paired = CELLS[section.cell].paired or device.sided == 1
    retention = device.retention_parameters()
    law = None if by_itself or paired else retention.law
    return None if law is None else (law.keys[0], getattr(retention, law.keys[0]))
