"""A network trained off-chip: weights programmed once into noisy devices, then left to age (aihwkit's noise models)."""

from __future__ import annotations

import importlib
import math
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from neurohw.crossbar.aihwkit.versions import REMEDY_COMMAND, fitting_torch
from neurohw.crossbar.base import OuterProducts, StateDict, SynapseArray, Writes
from neurohw.errors import EnvironmentMismatch, InputError, NeurohwError

_NOISE = "aihwkit.inference.noise"
_LEAST_READOUT = 1e-4  # aihwkit's floor of a compensation readout


@dataclass(frozen=True)
class NoiseModel:
    """One of aihwkit's phenomenological models of programming and ageing.

    Args:
        name: neurohw's name.
        module, attribute: where aihwkit has it.
        description: one line; source: what aihwkit's docstring names.
        ageing: what is drawn at a new age: "fresh" read noise (the drift coefficients are kept), the "kept" relaxation
            noise of this array at another strength, or the deviations of "programming" themselves, enlarged.
        youngest: seconds before which the model says nothing; younger cells are as programmed.
        oldest: seconds after which it says nothing; older cells stay as they are then.
        tabulated: the spread is known at single ages only and is interpolated between them, linearly in log time.
        defaults: options that aihwkit's constructor needs to be right.
    """

    name: str
    module: str
    attribute: str
    description: str
    source: str
    ageing: Literal["fresh", "kept", "programming"] = "fresh"
    youngest: float = 0.0
    oldest: float = math.inf
    tabulated: bool = False
    defaults: Mapping[str, Any] = field(default_factory=dict)


_MODELS = (
    NoiseModel(
        "pcm-like",
        f"{_NOISE}.pcm",
        "PCMLikeNoiseModel",
        "a pair of phase-change devices: programming noise, drift, 1/f noise",
        "Nandakumar et al., ICECS 2019, 8964852",
    ),
    NoiseModel(
        "custom-drift-pcm-like",
        f"{_NOISE}.pcm",
        "CustomDriftPCMLikeNoiseModel",
        "the same with a table of drift coefficients (option custom_drift_model)",
        "Li et al., AEM 2023, 10.1002/aelm.202201190",
    ),
    NoiseModel(
        "state-independent",
        f"{_NOISE}.custom",
        "StateIndependentNoiseModel",
        "constant programming noise, drift independent of the conductance",
        "generic",
    ),
    NoiseModel(
        "hermes",
        f"{_NOISE}.hermes",
        "HermesNoiseModel",
        "phase-change devices of the HERMES chip (option num_devices: 1 or 2)",
        "Le Gallo et al., Nat. Electron. 2023, s41928-023-01010-1",
    ),
    NoiseModel(
        "reram-wan2022",
        f"{_NOISE}.reram",
        "ReRamWan2022NoiseModel",
        "a pair of ReRAM devices: spread at 1 s, 1 day and 2 days",
        "Wan et al., Nature 2022, s41586-022-04992-8",
        ageing="programming",
        youngest=1.0,
        oldest=2 * 86400.0,
        tabulated=True,
        defaults={"g_max": 40.0},  # its polynomials are in microsiemens of 40; aihwkit's 25 would overstate them
    ),
    NoiseModel(
        "reram-cmo",
        f"{_NOISE}.reram",
        "ReRamCMONoiseModel",
        "one CMO/HfOx device a weight: relaxation and read noise (option acceptance_range: 0.2 or 2 %)",
        "Falcone et al., IBM Research Zurich",
        ageing="kept",
        youngest=1.0,
    ),
)

NOISE_MODELS: dict[str, NoiseModel] = {model.name: model for model in _MODELS}


class ProgrammedArray(SynapseArray):
    """Weights written once with programming noise; reads are exact products with the weights as they are by now.

    The matrix's largest |weight| (its range, for single-device models) is mapped to g_max. Everything is kept as
    conductances: aihwkit's own `apply_drift_noise` maps the noisy weights anew and so changes their scale. What
    single-device models subtract from a conductance is aihwkit's constant number.

    Args:
        weights: [n_post, n_pre], programmed at once.
        noise_model: a name from `NOISE_MODELS`.
        drift_compensation: rescale the outputs by the mean |weight| at programming over that of now (one digital
            factor, as aihwkit's GlobalDriftCompensation; its readout is taken as exact).
        generator: CPU generator of the draws; the same state gives the same devices.
        options: of aihwkit's model (`g_max`, `prog_noise_scale`, `read_noise_scale`, `drift_scale`, ...).
        present: which weights have devices, [n_post, n_pre]; None: all of them.

    Raises:
        InputError: an unknown model or option, or a generator that is not on the CPU.
    """

    exact = True

    def __init__(
        self,
        weights: Tensor,
        noise_model: str = "pcm-like",
        drift_compensation: bool = True,
        generator: torch.Generator | None = None,
        options: Mapping[str, Any] | None = None,
        present: Tensor | None = None,
    ) -> None:
        self.present = present
        self.shape = (weights.shape[0], weights.shape[1])
        self.dtype, self.device = weights.dtype, weights.device
        self._kind = find_noise_model(noise_model)
        self._model = _load(self._kind, dict(options or {}))
        self._table: dict[float, list[float]] = getattr(self._model, "coeff_dic", {})
        self._compensates = drift_compensation
        self._generator = torch.Generator().manual_seed(0) if generator is None else generator
        if self._generator.device.type != "cpu":
            raise InputError(f"the programming generator must be on the CPU, but is on {self._generator.device}")
        self.program(weights)

    def read(self, pre: Tensor, times: int = 1) -> Tensor:
        """Return pre W^T, [B, n_post]."""
        return pre @ self._weights.t()

    def read_transposed(self, post: Tensor, times: int = 1) -> Tensor:
        """Return post W, [B, n_pre]."""
        return post @ self._weights

    def update(self, products: OuterProducts, rate: float) -> Writes:
        """Refuse: this array is not for learning."""
        raise NeurohwError("a programmed array cannot be updated: it holds a network trained off-chip")

    def increment(self, delta: Tensor) -> Writes:
        """Refuse: this array is not for learning."""
        raise NeurohwError("a programmed array cannot be incremented: it holds a network trained off-chip")

    def program(self, weights: Tensor) -> Writes:
        """Write with fresh programming noise and fresh drift coefficients; the age starts at 0."""
        target = weights.detach().to("cpu", torch.float32, copy=True)
        conductances, mapping = self._model.g_converter.convert_to_conductances(target)
        self._paired = isinstance(conductances, list)
        targets = torch.stack(conductances) if self._paired else conductances.unsqueeze(0)
        if not torch.isfinite(targets).all():
            raise NeurohwError("weights that are all equal, or not finite, cannot be mapped to conductances")
        self._mapping = dict(mapping)
        self._seed = torch.randint(2**62, (1,), generator=self._generator)
        with _seeded(self._seed):
            self._programmed = self._each(self._model.apply_programming_noise_to_conductance, targets)
            self._coefficients = self._each(self._model.generate_drift_coefficients, targets)
        self._age = torch.zeros((), dtype=torch.float64)
        self._readout = self._as_weights(self._programmed).abs().mean()
        self._settle(self._programmed)
        return Writes()

    def elapse(self, seconds: float) -> None:
        """Age: the programmed realisation drifts or relaxes to the new age, with its accumulated noise."""
        if seconds == 0.0:
            return
        self._age += seconds
        age = self._age.item()
        if age < self._kind.youngest:
            return
        if self._kind.tabulated:
            self._model.coeff_dic = self._table | {age: _interpolated(self._table, age)}
        with _seeded(self._ageing_seed()):
            aged = [
                self._model.apply_drift_noise_to_conductance(g.clone(), coefficient.clone(), age)
                for g, coefficient in zip(self._programmed, self._coefficients, strict=True)
            ]
        self._settle(torch.stack(aged))

    def snapshot(self) -> Tensor:
        """Return the weights now, drift compensation included."""
        return self._weights.clone()

    def state_dict(self) -> StateDict:
        """Return the conductances, their coefficients and mapping, the weights now, the age and the generator."""
        state = {
            "weights": self._weights.clone(),
            "programmed": self._programmed.clone(),
            "coefficients": self._coefficients.clone(),
            "readout": self._readout.clone(),
            "age": self._age.clone(),
            "seed": self._seed.clone(),
            "generator": self._generator.get_state(),
        }
        scales = {name: value for name, value in self._mapping.items() if isinstance(value, Tensor)}
        return state | {f"mapping.{name}": value.clone() for name, value in scales.items()}

    def load_state_dict(self, state: StateDict) -> None:
        """Restore the devices: they age from here as the saved ones would have."""
        self._weights.copy_(state["weights"])
        self._programmed, self._coefficients = state["programmed"].clone(), state["coefficients"].clone()
        self._readout, self._age, self._seed = (state[k].clone() for k in ("readout", "age", "seed"))
        self._mapping |= {k.removeprefix("mapping."): v.clone() for k, v in state.items() if k.startswith("mapping.")}
        self._generator.set_state(state["generator"])

    @contextmanager
    def compensating(self, how: str) -> Iterator[None]:
        """Rescale outputs by "global" or "none" whenever time passes within, however it was made.

        Raises:
            InputError: another one.
        """
        if how not in ("none", "global"):
            raise InputError(f"compensation: got {how!r}; allowed: none, global")
        before, self._compensates = self._compensates, how == "global"
        try:
            yield
        finally:
            self._compensates = before

    def _reseed(self, seed: int) -> None:
        self._generator.manual_seed(seed)

    def _ageing_seed(self) -> Tensor:
        if self._kind.ageing == "fresh":
            return torch.randint(2**62, (1,), generator=self._generator)
        return self._seed if self._kind.ageing == "programming" else self._seed + 1

    def _each(self, draw: Any, conductances: Tensor) -> Tensor:
        return torch.stack([draw(g.clone()) for g in conductances])

    def _as_weights(self, conductances: Tensor) -> Tensor:
        given = list(conductances) if self._paired else conductances[0]
        converted: Tensor = self._model.g_converter.convert_back_to_weights(given, self._mapping)
        return converted if self.present is None else converted * self.present.to(converted.device)

    def _settle(self, conductances: Tensor) -> None:
        weights = self._as_weights(conductances)
        if self._compensates:
            now = weights.abs().mean().clamp(min=_LEAST_READOUT)
            weights = weights * (self._readout.clamp(min=_LEAST_READOUT) / now)
        self._weights = weights.to(self.device, self.dtype)


def find_noise_model(name: str) -> NoiseModel:
    """Return the noise model called `name`.

    Raises:
        InputError: there is none of that name.
    """
    try:
        return NOISE_MODELS[name]
    except KeyError:
        raise InputError(f"unknown noise model {name!r}; allowed: {', '.join(NOISE_MODELS)}") from None


def _load(kind: NoiseModel, options: dict[str, Any]) -> Any:
    """Return aihwkit's model with the options."""
    try:
        model = getattr(importlib.import_module(kind.module), kind.attribute)
    except (ImportError, OSError) as error:
        raise EnvironmentMismatch(
            f"aihwkit cannot be imported: {error}. {fitting_torch()[1]}: {REMEDY_COMMAND}"
        ) from error
    try:
        return model(**{**kind.defaults, **options})
    except (TypeError, ValueError, AssertionError) as error:
        raise InputError(f"options of noise model {kind.name!r}: {error}") from error


@contextmanager
def _seeded(seed: Tensor) -> Iterator[None]:
    """Draw from `seed` inside: aihwkit's models use torch's global generator, which is put back afterwards."""
    with torch.random.fork_rng(devices=[]), torch.no_grad(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Using a non-tuple sequence", category=UserWarning)
        warnings.filterwarnings("ignore", message="__array_wrap__ must accept", category=DeprecationWarning)
        torch.default_generator.manual_seed(int(seed.item()))
        yield


def _interpolated(table: Mapping[float, list[float]], age: float) -> list[float]:
    """Return the coefficients at an age: linear in log time between two tabulated ages, constant beyond the ends."""
    before = max((t for t in table if t <= age), default=min(table))
    after = min((t for t in table if t >= age), default=max(table))
    if before == after:
        return table[before]
    share = math.log(age / before) / math.log(after / before)
    return [(1 - share) * a + share * b for a, b in zip(table[before], table[after], strict=True)]
