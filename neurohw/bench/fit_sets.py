"""Twenty sets of pulse trains for `neurohw bench fit`: ten of known truth, ten in the shapes of published devices.

Sets of published devices are numbers only, each with its source; where nobody published the numbers, the set is a
look-alike and says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from neurohw.devices import laws
from neurohw.devices.characterise import staircase
from neurohw.devices.response import Cells, PulseResponse
from neurohw.fitting.measurements import PulseTrains

G_MIN, G_MAX = 10e-6, 50e-6  # of the sets of known truth, S
FINE = ("good", "usable with care")
SPREADS: dict[str, Any] = {"step_dtod": 0.2, "asymmetry_dtod": 0.05, "w_max_dtod": 0.1, "w_min_dtod": 0.1}
COMMON: dict[str, Any] = {**SPREADS, "step_ctoc": 0.3, "asymmetry": 0.2, "w_max": 1.0, "w_min": -1.0}


@dataclass(frozen=True)
class KnownSet:
    """Trains with what is known of them.

    Args:
        name, source: what it is and where it is from.
        trains: as a user would have them.
        expected: the levels of the verdict that are right.
        law, cells: what made the trains; None where nobody knows.
        read_noise: S, of what made them.
    """

    name: str
    source: str
    trains: PulseTrains
    expected: tuple[str, ...]
    law: PulseResponse | None = None
    cells: Cells | None = None
    read_noise: float = 0.0


def known_sets() -> list[KnownSet]:
    """Return the ten sets of known truth."""
    curve: dict[str, Any] = {"A_up": 0.1, "A_down": 0.15, "gamma_up": 2.0, "gamma_down": 1.5, "a": 1.0, "b": 0.0}
    tables: dict[str, Any] = {"table_up": (1.5, 1.2, 1.0, 0.7, 0.3), "table_down": (0.2, 0.5, 1.0, 1.2, 1.5), **COMMON}
    slopes: dict[str, Any] = {
        "gamma_up": 0.6,
        "gamma_down": 0.4,
        "gamma_up_dtod": 0.1,
        "gamma_down_dtod": 0.1,
        **COMMON,
    }
    upwards = {**COMMON, "asymmetry": 0.0, "w_min_dtod": 0.02}
    good = ("good",)
    soft = laws.SoftBounds(step=0.04, **COMMON)
    return [
        _made("constant, hard bounds", laws.ConstantStep(step=0.05, **COMMON), good, 0.02),
        _made("linear, additive noise", laws.LinearStep(step=0.05, additive_noise=True, **slopes), good, 0.01),
        _made("soft bounds", soft, good, 0.02),
        _made("soft bounds, gaps", soft, good, 0.01, pulses=120, gaps=True),
        _made("soft bounds, half seen", laws.SoftBounds(step=0.02, **COMMON), FINE, 0.005, pulses=50, start=-0.6),
        _made("constant, ends unseen", laws.ConstantStep(step=0.012, **COMMON), FINE, 0.002, pulses=50, start=-0.5),
        _made("exponential", laws.ExponentialStep(step=0.06, **curve, **COMMON), good, 0.01),
        _made("power, unequal counts", laws.PowerStep(step=0.08, gamma=1.5, **COMMON), good, 0.01, unequal=True),
        _made("table, additive noise", laws.PiecewiseStep(step=0.05, additive_noise=True, **tables), good, 0.01),
        _made("potentiation only", laws.SoftBounds(step=0.08, **upwards), FINE, 0.01, pulses=60, down=False),
    ]  # fmt: skip


def _made(
    name: str,
    law: PulseResponse,
    expected: tuple[str, ...],
    noise: float,
    pulses: int = 80,
    start: float | None = None,
    down: bool = True,
    gaps: bool = False,
    unequal: bool = False,
    devices: int = 20,
    cycles: int = 3,
) -> KnownSet:
    """Simulate trains.

    Args:
        name, law, expected: see `KnownSet`.
        noise: of a read, over g_max - g_min.
        pulses: in each direction; down: whether there are depressing ones.
        start: weight at which every cycle begins; where the last one ended unless given.
        gaps: one pulse in three is read, and one read in ten is lost.
        unequal: trains end anywhere in their last third.
        devices, cycles: how many.
    """
    rng = np.random.default_rng(1)
    reset = start is not None or not down
    generator = torch.Generator().manual_seed(1)
    stairs = staircase(law, devices, pulses, pulses if down else 0, cycles, generator, start=start, reset=reset)
    cells = law.draw((devices,), torch.Generator().manual_seed(1))
    share = (stairs.weights[:, :, 1:] - law.w_min) / (law.w_max - law.w_min)
    share = share + noise * rng.standard_normal(share.shape)
    up = np.broadcast_to(stairs.polarity > 0, share.shape).copy()
    valid = np.ones_like(up)
    if gaps:
        valid = (np.arange(share.shape[2]) % 3 == 0) & (rng.random(share.shape) > 0.1)
        valid[:, :, 0] = True
    if unequal:
        length = rng.integers(2 * share.shape[2] // 3, share.shape[2], (devices, cycles))
        valid = np.arange(share.shape[2]) < length[:, :, None]
    siemens = G_MIN + (G_MAX - G_MIN) * share
    trains = stacked(siemens, up, valid, name)
    return KnownSet(name, "simulated", trains, expected, law, cells, noise * (G_MAX - G_MIN))


def stacked(siemens: np.ndarray, up: np.ndarray, valid: np.ndarray, name: str) -> PulseTrains:
    """Return trains; what was not read keeps the value read last."""
    last = np.maximum.accumulate(np.where(valid, np.arange(valid.shape[2]), 0), axis=2)
    siemens = np.take_along_axis(siemens, last, axis=2)
    return PulseTrains(siemens, up, valid, tuple(str(i + 1) for i in range(len(siemens))), f"{name}.csv")


def published_sets() -> list[KnownSet]:
    """Return the ten sets in the shapes of published devices."""
    chen = "parameters of Chen, Peng and Yu, IEDM 2017 and TCAD 2018 (10.1109/TCAD.2018.2789723), Table I"
    curves = {  # g_min, g_max (S), pulses up and down, curvature of both, spread of a cycle over the range
        "Ag:a-Si": (3.08e-9, 38.5e-9, 97, 100, 2.4, -4.88, 0.035),
        "TaOx/TiO2": (100e-9, 200e-9, 102, 102, 1.85, -1.79, 0.01),
        "PCMO": (6.36e-9, 43.5e-9, 50, 50, 3.68, -6.76, 0.01),
        "AlOx/HfO2": (13.4e-6, 59.2e-6, 40, 40, 1.94, -0.61, 0.05),
        "EpiRAM": (0.246e-6, 12.3e-6, 64, 64, 0.5, -0.5, 0.02),
        "HZO FeFET": (39.7e-9, 1.79e-6, 32, 32, 1.75, 1.46, 0.005),
    }
    sets = [
        KnownSet(name, f"curves of NeuroSim with {chen}", _neurosim(name, *numbers), FINE)
        for name, numbers in curves.items()
    ]
    return [*sets, _ramps(), _gong(), _look_alike("abrupt set", _abrupt), _look_alike("two levels, at random", _random)]


def _neurosim(
    name: str, low: float, high: float, ups: int, downs: int, bend_up: float, bend_down: float, spread: float
) -> PulseTrains:
    """Return five cycles of one device: G = B (1 - exp(-P / A)) + g_min, each pulse with a spread.

    The bend is taken for pulses / A, near NeuroSim's label of nonlinearity, and both branches are saturating.
    """
    rng, trains = np.random.default_rng(2), []
    for _ in range(5):
        g, train = low, []
        for pulses, bend, sign in ((ups, abs(bend_up), 1), (downs, abs(bend_down), -1)):
            for _ in range(pulses):
                full = (high - low) / (1 - np.exp(-bend))
                far = low + full - g if sign > 0 else g - (high - full)
                g = g + sign * far * (1 - np.exp(-bend / pulses)) + spread * (high - low) / 10 * rng.standard_normal()
                g = min(max(g, low), high)
                train.append(g)
        trains.append(train)
    siemens = np.array(trains)[None]
    up = np.broadcast_to(np.arange(ups + downs) < ups, siemens.shape).copy()
    return stacked(siemens, up, np.ones_like(up), name)


_SET = (  # uS, pulses 1, 4, 7, ... 31 of ramps 2 to 5
    (161.110, 161.320, 161.763, 162.336, 162.948, 163.549, 164.343, 164.999, 165.739, 166.455, 167.350),
    (161.719, 161.960, 162.335, 162.871, 163.448, 164.032, 164.789, 165.437, 166.155, 166.933, 167.658),
    (161.975, 162.291, 162.547, 163.201, 163.801, 164.328, 165.075, 165.927, 166.591, 167.286, 168.088),
    (162.316, 162.547, 163.001, 163.583, 164.051, 164.791, 165.485, 166.230, 166.921, 167.718, 168.584),
)
_RESET = (
    (245.041, 244.331, 242.947, 241.561, 240.113, 238.386, 236.695, 234.851, 233.084, 231.155, 229.360),
    (245.868, 244.991, 243.892, 242.408, 240.939, 239.249, 237.479, 235.500, 233.605, 231.745, 229.805),
    (246.035, 245.261, 244.006, 242.553, 240.974, 239.420, 237.598, 235.754, 233.743, 232.002, 230.116),
    (246.101, 245.311, 244.075, 242.712, 241.141, 239.429, 237.816, 235.919, 234.063, 232.306, 230.243),
)


def _ramps() -> KnownSet:
    """Return the beginnings of set and of reset ramps, one pulse in three read: the middle is never seen."""
    reads = np.array([*_SET, *_RESET])[None] * 1e-6
    siemens, valid = np.repeat(reads, 3, axis=2), np.zeros((1, 8, 33), bool)
    valid[:, :, ::3] = True
    up = np.broadcast_to((np.arange(8) < 4)[None, :, None], valid.shape).copy()
    source = "set.csv and reset.csv of CrossSim's example of lookup tables, github.com/sandialabs/cross-sim"
    return KnownSet("TaOx ramps, ends only", source, stacked(siemens, up, valid, "ramps"), FINE)


_GONG_UP = """
-84 -84 -93 -84 -87 -96 -107 -101 -99 -56 -78 -96 -93 -69 -104 -96 -113 -99 -103 -100 -97 -83 -76 -52 -78 -70 -78 -71
-79 -107 -99 -69 -66 -103 -128 -103 -114 -111 -92 -89 -91 -92 -100 -84 -96 -96 -82 -67 -80 -93 -58 -87 -62 -64 -57 -59
-68 -79 -62 -66 -72 -46 -84 -54 -47 -52 -74 -79 -97 -72 -71 -56 -71 -61 -80 -70 -39 -78 -62 -76 -66 -59 -53 -69 -74 -73
-72 -70 -33 -22 -49 -54 -42 -60 -46 -63 -60 -51 -57 -31"""
_GONG_DOWN = """
77 77 83 106 94 98 101 113 112 106 117 122 101 90 100 136 94 67 90 103 99 106 88 94 81 83 77 47 74 62 90 98 93 79 79 72
44 60 53 77 41 57 71 56 59 69 36 79 99 83 66 61 63 57 38 52 61 22 82 41 68 30 49 42 57 32 16 10 24 61 53 42 22 40 26 39
28 27 26 36 41 26 34 32 27 33 11 -8 10 3 24 58 47 37 49 48 28 26 2 23"""


def _gong() -> KnownSet:
    """Return the first hundred pulses up and the first hundred down of one ReRAM, in hundredths of a weight."""
    weights = np.array([[float(x) for x in text.split()] for text in (_GONG_UP, _GONG_DOWN)]) / 100
    siemens = 13e-6 + 9e-6 * weights[None]
    up = np.broadcast_to(np.array([True, False])[None, :, None], siemens.shape).copy()
    source = "gong_et_al.csv of IBM's aihwkit, of Gong et al., Nat. Commun. 2018 (s41467-018-04485-1); siemens assumed"
    return KnownSet("ReRAM, noisy ends", source, stacked(siemens, up, np.ones_like(up), "gong"), FINE)


def _look_alike(name: str, train: Callable[[np.random.Generator, int], np.ndarray]) -> KnownSet:
    """Return ten devices, three cycles of 40 pulses up and 40 down, that no law of small steps describes."""
    rng = np.random.default_rng(3)
    share = np.array([[train(rng, 40) for _ in range(3)] for _ in range(10)])
    up = np.broadcast_to(np.arange(80) < 40, share.shape).copy()
    siemens = 5e-6 + 95e-6 * share * (1 + 0.02 * rng.standard_normal(share.shape))
    source = "look-alike, simulated: no numbers are published"
    return KnownSet(name, source, stacked(siemens, up, np.ones_like(up), name), ("does not describe this data",))


def _abrupt(rng: np.random.Generator, pulses: int) -> np.ndarray:
    """Return a filament that closes at one pulse, and opens by and by."""
    at, low, high = rng.integers(5, 30), rng.uniform(0.02, 0.08), rng.uniform(0.8, 1.0)
    closing = np.where(np.arange(pulses) < at, low, high)
    opening = low + (high - low) * np.exp(-np.arange(pulses) / rng.uniform(5, 10))
    return np.concatenate([closing, opening])


def _random(rng: np.random.Generator, pulses: int) -> np.ndarray:
    """Return a cell that hops between two levels, whatever the pulses."""
    return np.where(np.cumsum(rng.random(2 * pulses) < 0.1) % 2, 0.9, 0.15)
