"""What an account answers: energy by component and phase, time, area, wear, and how sure all that is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from neurohw.energy.facts import TRAINING_PHASES, RunFacts
from neurohw.energy.latency import Latency
from neurohw.energy.lifetime import Lifetime
from neurohw.energy.prices import Item
from neurohw.energy.ranges import PROVENANCES, Figure, Range
from neurohw.energy.schedule import Schedule


@dataclass(frozen=True)
class EnergyBreakdown:
    """The account of a run; joules, seconds and square metres, low / nominal / high.

    Args:
        items: every line.
        macs: multiply-accumulates of the arrays' reads, by phase.
        facts: of the run.
        latency: of the run.
        simulated_seconds: of the run, all phases.
        area: by part, m2.
        cells_used: share of the built cells that hold weights.
        lifetimes: of the arrays whose writes were counted.
        table, device: what it was accounted with.
        schedule: what was taken for granted.
    """

    items: tuple[Item, ...]
    macs: dict[str, float]
    facts: RunFacts
    latency: Latency
    simulated_seconds: float
    area: dict[str, Range]
    cells_used: float
    lifetimes: tuple[Lifetime, ...]
    table: str
    device: str
    schedule: Schedule

    @property
    def total(self) -> Range:
        """Energy of the run, J."""
        return self.of(*{item.phase for item in self.items})

    def of(self, *phases: str) -> Range:
        """Return the energy of some phases, J."""
        return Range.total(item.energy for item in self.items if item.phase in phases)

    def by(self, key: Callable[[Item], Any]) -> dict[Any, Range]:
        """Return the energy by a property of the items, the largest nominal first."""
        energies: dict[Any, Range] = {}
        for item in self.items:
            energies[key(item)] = energies.get(key(item), Range.of(0.0)) + item.energy
        return dict(sorted(energies.items(), key=lambda pair: -pair[1].nominal))

    def by_component(self) -> dict[str, Range]:
        """Return the energy by component."""
        return self.by(lambda item: item.component)

    def by_phase(self) -> dict[str, Range]:
        """Return the energy by phase."""
        return self.by(lambda item: item.phase)

    @property
    def seconds(self) -> Range:
        """How long the chip is on: busy, or as long as its simulated time where standby runs over that."""
        if self.schedule.standby != "simulated":
            return self.latency.total
        return Range.highest([self.latency.total, Range.of(self.simulated_seconds)])

    @property
    def per_inference(self) -> Range | None:
        """Energy of an inferred image, J; None where none was inferred."""
        return self.of("inference") / self.facts.inferred if self.facts.inferred else None

    @property
    def per_training_image(self) -> Range | None:
        """Energy of a training image, J: all phases of training; association and inference left out."""
        return self.of(*TRAINING_PHASES) / self.facts.trained if self.facts.trained else None

    @property
    def per_epoch(self) -> Range | None:
        """Energy of an epoch of training, J."""
        return self.of(*TRAINING_PHASES) / self.facts.epochs if self.facts.epochs else None

    @property
    def average_power(self) -> Range | None:
        """Energy over the time that the chip is on, W; None where it took none.

        Low over low, nominal over nominal, high over high: what makes a run slow makes it cost more as well.
        """
        seconds = self.seconds
        if not seconds.low:
            return None
        each = [getattr(self.total, bound) / getattr(seconds, bound) for bound in ("low", "nominal", "high")]
        return Range(min(each), each[1], max(each))

    def tops_per_watt(self, *phases: str) -> Range | None:
        """Return 1e12 operations per joule of some phases: 2 per multiply-accumulate of the arrays' reads.

        Every step of EP's relaxation counts as operations; see `useful_tops_per_watt`.
        """
        energy = self.of(*phases)
        operations = 2 * sum(self.macs.get(phase, 0.0) for phase in phases)
        return Range.of(operations / 1e12).over(energy) if operations and energy.low else None

    @property
    def latency_of_an_image(self) -> Range | None:
        """Seconds for an image to be inferred, whatever overlaps with the images before and after it."""
        time = self.latency.phases.get("inference")
        return time / self.facts.inferred if time and self.facts.inferred else None

    @property
    def useful_tops_per_watt(self) -> Range | None:
        """1e12 useful operations per joule of inference: 2 per weight and image, or position in it.

        However often the arrays are read for it.
        """
        energy = self.of("inference")
        operations = 2 * sum(a.weights * a.vectors for a in self.facts.arrays.values()) * self.facts.inferred
        return Range.of(operations / 1e12).over(energy) if operations and energy.low else None

    def provenance_shares(self) -> dict[str, float]:
        """Return the shares of the nominal energy whose figures are published, scaled, assumed; a product's is that
        of its weakest figure."""
        total = self.total.nominal
        by = self.by(lambda item: item.provenance)
        return {p: by[p].nominal / total if p in by and total else 0.0 for p in PROVENANCES}

    @property
    def assumed_share(self) -> float:
        """The share of the nominal energy in which an assumed figure is a factor."""
        return self.provenance_shares()["assumed"]

    def assumed(self) -> dict[str, float]:
        """Return the assumed figures that were used, and the share of the nominal energy each is a factor of."""
        total = self.total.nominal or 1.0
        shares: dict[str, float] = {}
        for item in self.items:
            for figure in dict.fromkeys(item.figures):
                if figure.provenance == "assumed":
                    shares[figure.key] = shares.get(figure.key, 0.0) + item.energy.nominal / total
        return dict(sorted(shares.items(), key=lambda pair: -pair[1]))

    def sources(self) -> dict[str, Figure]:
        """Return every figure that was used, by key."""
        return {figure.key: figure for item in self.items for figure in item.figures}

    def uncounted(self) -> list[str]:
        """Return what the run could not count, as in "W1 pulses": its energy is missing from every figure here."""
        return [f"{name} {what}" for name, array in self.facts.arrays.items() for what in array.uncounted]

    @property
    def widest(self) -> str | None:
        """The component that dominates the spread: the largest high less low; None for an empty account."""
        spreads = {name: energy.spread for name, energy in self.by_component().items()}
        return max(spreads, key=lambda name: spreads[name], default=None)
