"""The behavioural parameters that a netlist implies: measured by ngspice, fitted, and how well the law then does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from neurohw.circuits.analog_parameters import BOLTZMANN, CHARGE
from neurohw.circuits.characteristics import DecisionTimes, Mismatch, Numbers, Transfer
from neurohw.circuits.resolution_fit import ResolutionFit, fit_resolution
from neurohw.errors import InputError, NeurohwError
from neurohw.transistors.homeostasis_netlist import HomeostasisNetlist, HomeostasisStep, homeostasis_step
from neurohw.transistors.kwta_measurements import (
    Outputs,
    Simulator,
    at_current,
    dc_transfer,
    decide,
    decision_times,
    monte_carlo,
)
from neurohw.transistors.kwta_netlist import MOST_COMPETITORS, KWTANetlist

DIFFERENCES = np.geomspace(0.005, 0.5, 13)  # two decades
_CLEAR = np.geomspace(1e-3, 0.3, 31)  # where the differences are looked for that make outputs clear
_MARGIN = 1.5  # a clear winner carries this much more than I_lim / 4, a clear loser this much less


@dataclass(frozen=True)
class Effort:
    """What is measured.

    Args:
        differences: relative, [points].
        sizes: numbers of competitors besides the netlist's own, relative to it; k stays.
        currents: unit currents besides the netlist's own, relative to it.
        chips: of the Monte Carlo.
        cases: random inputs decided, uniform between 20 % and 180 % of the unit current.
    """

    differences: tuple[float, ...] = tuple(DIFFERENCES.tolist())
    sizes: tuple[int, ...] = (2,)
    currents: tuple[float, ...] = (0.5, 2.0)
    chips: int = 20
    cases: int = 100


@dataclass(frozen=True)
class Agreement:
    """Random cases: the winners by the behavioural law against the netlist's.

    Args:
        inputs: A, [cases, n].
        winners: the netlist's, [cases, n].
        resolution: the least relative gap that the law says is told apart.
        gaps: (I_(k) - I_(k+1)) / I_(k) of each case, [cases].
        agrees: whether the netlist chose exactly the k largest, [cases].
    """

    inputs: Numbers
    winners: NDArray[np.bool_]
    resolution: float
    gaps: Numbers
    agrees: NDArray[np.bool_]

    @property
    def resolved(self) -> int:
        """The number of cases whose gap exceeds the resolution."""
        return int((self.gaps > self.resolution).sum())

    @property
    def fraction(self) -> float:
        """The share of agreeing cases among the resolved ones (nan without any)."""
        return float(self.agrees[self.gaps > self.resolution].mean()) if self.resolved else float("nan")


@dataclass(frozen=True)
class Characterisation:
    """A netlist, measured, and the behavioural parameters that it implies.

    Args:
        netlist, homeostasis_netlist: what was measured.
        required: separation that makes the outputs clear, V.
        transfers, times: measured; the netlist's own size and current come first.
        fit: the law fitted to them, with its residuals (law / circuit - 1).
        mismatch: input-referred errors.
        agreement: random cases without mismatch.
        static_power: supply voltage times supply current, mean over the random cases, W.
        homeostasis: step, charge injection and leak.
    """

    netlist: KWTANetlist
    homeostasis_netlist: HomeostasisNetlist
    required: float
    transfers: tuple[Transfer, ...]
    times: tuple[DecisionTimes, ...]
    fit: ResolutionFit
    mismatch: Mismatch
    agreement: Agreement
    static_power: float
    homeostasis: HomeostasisStep

    @property
    def gain_mismatch(self) -> float:
        """Standard deviation of the inputs' relative error (n - 1 of n degrees of freedom per chip)."""
        offsets = self.mismatch.offsets
        return float(np.sqrt((offsets**2).sum() / (offsets.shape[0] * (offsets.shape[1] - 1))))

    @property
    def resolution(self) -> float:
        """The least relative difference told apart at rest, at the netlist's own size and current."""
        return self.agreement.resolution

    @property
    def winners_found(self) -> NDArray[np.int64]:
        """The number of winners in each random case, [cases]."""
        counts: NDArray[np.int64] = self.agreement.winners.sum(1)
        return counts

    def decision_seconds(self, difference: float) -> float:
        """Return how long the law takes to tell a relative difference apart, s."""
        own = self.netlist
        return float(self.fit.resolution.decision_time(difference, own.unit_current, self.required, own.n, own.k))


def characterise(
    netlist: KWTANetlist,
    seed: int,
    *,
    homeostasis: HomeostasisNetlist | None = None,
    effort: Effort | None = None,
    simulator: Simulator | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Characterisation:
    """Measure a netlist with ngspice and fit the behavioural law.

    Args:
        netlist: the kWTA.
        seed: of mismatch and random cases.
        homeostasis: the homeostasis cell; None is the default one with T = k / n.
        effort: what is measured.
        simulator: how ngspice is started.
        progress: told what comes next.

    Raises:
        InputError: k = n, or an effort out of range.
        NgspiceError: ngspice is absent, failed or hung.
    """
    effort, simulator = effort or Effort(), simulator or Simulator()
    cell = homeostasis or HomeostasisNetlist(
        supply=netlist.supply, activity_target=netlist.k / netlist.n, temperature=netlist.temperature
    )
    if effort.cases < 1 or effort.chips < 1:
        raise InputError(f"effort: got {effort.chips} chips and {effort.cases} cases; allowed: at least 1 of each")
    mismatch_draws, case_draws = (np.random.default_rng([seed, stream]) for stream in (0, 1))
    required = required_separation(netlist, simulator)
    transfers, times = [], []
    for one in _variants(netlist, effort):
        progress(f"transfer and decision times: {one.n} competitors, {one.unit_current:g} A")
        transfers.append(dc_transfer(one, effort.differences, simulator))
        times.append(decision_times(one, effort.differences, required, simulator))
    fit = fit_resolution(transfers, times, BOLTZMANN * netlist.temperature / CHARGE, biased=True)
    progress(f"mismatch: {effort.chips} chips")
    mismatch = monte_carlo(netlist, effort.chips, mismatch_draws, simulator)
    progress(f"winners: {effort.cases} random cases")
    inputs = random_inputs(netlist, effort.cases, case_draws)
    decided = decide(netlist, inputs, simulator=simulator)
    resolution = float(fit.resolution.resolvable(netlist.unit_current, None, required, netlist.n, netlist.k))
    progress("homeostasis")
    return Characterisation(
        netlist=netlist,
        homeostasis_netlist=cell,
        required=required,
        transfers=tuple(transfers),
        times=tuple(times),
        fit=fit,
        mismatch=mismatch,
        agreement=agreement(inputs, decided, netlist.k, resolution),
        static_power=netlist.supply * float(decided.supply_current.mean()),
        homeostasis=homeostasis_step(cell, simulator),
    )


def required_separation(netlist: KWTANetlist, simulator: Simulator | None = None) -> float:
    """Return the separation that makes the outputs clear in the hardest case, V.

    Clear: each of the k winners carries more than 1.5 I_lim / 4 and each other less than I_lim / 4 / 1.5.

    Raises:
        NeurohwError: no difference up to 30 % makes them clear (the bias does not find k winners).
    """
    transfer = dc_transfer(netlist, _CLEAR, simulator)
    shares = transfer.outputs / (netlist.limiter_current / 4)
    clear = (shares[:, 0] >= _MARGIN) & (shares[:, 1] <= 1 / _MARGIN)
    if not clear.any():
        raise NeurohwError(
            f"the netlist does not tell {netlist.k} winners of {netlist.n}: outputs at a difference of "
            f"{_CLEAR[-1]:.0%} are {shares[-1, 0]:.2g} and {shares[-1, 1]:.2g} times I_lim / 4"
        )
    return float(transfer.separation[int(np.argmax(clear))])


def random_inputs(netlist: KWTANetlist, cases: int, generator: np.random.Generator) -> Numbers:
    """Draw inputs, uniform between 20 % and 180 % of the unit current, A, [cases, n]."""
    shares: Numbers = generator.uniform(0.2, 1.8, (cases, netlist.n))
    return netlist.unit_current * shares


def agreement(inputs: Numbers, decided: Outputs, k: int, resolution: float) -> Agreement:
    """Compare the netlist's winners with the k largest inputs."""
    ordered = -np.sort(-inputs, axis=1)
    largest = inputs >= ordered[:, k - 1 : k]
    gaps = (ordered[:, k - 1] - ordered[:, k]) / ordered[:, k - 1]
    return Agreement(inputs, decided.winners, resolution, gaps, (largest == decided.winners).all(1))


def _variants(netlist: KWTANetlist, effort: Effort) -> Sequence[KWTANetlist]:
    """Return the netlist, and those of other sizes and currents that are within its ranges."""
    sizes = [replace(netlist, n=s * netlist.n) for s in effort.sizes if s * netlist.n <= MOST_COMPETITORS]
    scaled = []
    for factor in effort.currents:
        with suppress(InputError):  # a current out of the netlist's range
            scaled.append(at_current(netlist, factor * netlist.unit_current))
    return [netlist, *sizes, *(one for one in scaled if one != netlist)]
