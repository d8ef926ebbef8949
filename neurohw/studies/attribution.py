"""Attribution: how much of the gap to ideal arrays each non-ideality of the hardware costs, what two cost together, and
what regains it.

With v(S) the accuracy where only the causes S are left in, the cost of cause i by Shapley (1953) is its mean loss
v(S) - v(S + i) over all orders in which causes come in. Orders are sampled, each with a seed of its own; along an order
the costs add up to v(none) - v(all), so that the costs add up to the mean gap, whatever the sample. Every other order
is the reverse of the one before it (antithetic sampling, Mitchell et al. 2022, JMLR 23(43)): each two causes then come
in both ways, and what they cost together is halved exactly. Of six orders three are the same one, begun at its first,
second and last third, and three are their reverses: each cause comes early, midway and late as often as the others. For
where most is lost midway (accuracy that falls to chance), an order and its reverse agree, and intervals of orders at
random would cover the truth 3 times in 4. Fewer than six seeds lack that (three: 3 to 8 times in 10), and where all is
lost at a single step of every order, six cover it 4 to 9 times in 10 (`sudden`).
What is left at v(none), the devices' finite steps and bounds, is said beside them.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from pathlib import Path

import torch
from scipy import stats

from neurohw.config import OnChipExperiment
from neurohw.errors import InputError
from neurohw.runs.files import locked, writable_folder
from neurohw.seeding import Streams
from neurohw.studies.causes import Cause, Change, causes_of, changes_for, on_ideal_arrays, with_change
from neurohw.studies.execution.local import local
from neurohw.studies.game import Game, Subset

SEEDS = 6  # and orders in which causes come in
_TURNS = 3  # of an order, each with its reverse
_PAIRED = 3  # of the largest causes, each two of which are tried together
_CONFIDENCE = 0.95
_ENOUGH = 0.5  # of the largest cause's cost, that a change must regain


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds with its 95 % interval (Student's t); nan where there is one seed."""

    mean: float
    half: float

    @staticmethod
    def of(values: Sequence[float]) -> Estimate:
        """Return the estimate from one value per seed."""
        n = len(values)
        if n < 2:
            return Estimate(values[0], math.nan)
        width = stats.t.ppf(0.5 + _CONFIDENCE / 2, n - 1) * statistics.stdev(values) / math.sqrt(n)
        return Estimate(statistics.mean(values), float(width))

    @property
    def clear(self) -> bool:
        """Whether it is told from zero."""
        return abs(self.mean) > self.half

    @property
    def negative(self) -> Estimate:
        """What is gained, of what is lost."""
        return Estimate(-self.mean, self.half)

    def points(self) -> str:
        """Return it in points of accuracy."""
        return f"{100 * self.mean:.1f}" + ("" if math.isnan(self.half) else f" ± {100 * self.half:.1f}")


@dataclass(frozen=True)
class Share:
    """What one cause costs, in accuracy.

    Args:
        cause: which.
        cost: by Shapley.
        alone: lost where it is the only one; regained: where it is the only one that is taken away.
    """

    cause: Cause
    cost: Estimate
    alone: Estimate
    regained: Estimate


@dataclass(frozen=True)
class Attribution:
    """What a network loses on its hardware, and to what.

    Args:
        metric: which accuracy.
        ideal, bare, actual: on ideal arrays, with all causes taken away, as configured.
        gap: ideal less actual; left: ideal less bare, what steps and bounds cost.
        shares: the largest first; they add up to bare less actual.
        together: names of two causes -> what both cost beyond the sum of each alone.
        changes: what was tried against the largest cause, the cheapest first, and what it regains.
        seeds: of every number here.
        sudden: whether most of bare less actual is lost at one step of most orders, and not always at the same cause:
            then most costs are nothing or all of it, and a few orders miss which.
    """

    metric: str
    ideal: Estimate
    bare: Estimate
    actual: Estimate
    gap: Estimate
    left: Estimate
    shares: tuple[Share, ...]
    together: Mapping[tuple[str, str], Estimate] = field(default_factory=dict)
    changes: tuple[tuple[Change, Estimate], ...] = ()
    seeds: int = SEEDS
    sudden: bool = False

    def cheapest(self) -> tuple[Change, Estimate] | None:
        """Return the first change that regains at least half of what the largest cause costs; None: none does."""
        least = _ENOUGH * max(self.shares[0].cost.mean, 0.0) if self.shares else math.inf
        return next((found for found in self.changes if found[1].clear and found[1].mean >= least), None)


def attribute(
    experiment: OnChipExperiment,
    folder: Path,
    seeds: int = SEEDS,
    jobs: int = 1,
    tell: Callable[[str], None] = lambda line: None,
    metric: str | None = None,
    try_changes: bool = True,
) -> Attribution:
    """Run an experiment with its causes left in one by one, and return what each costs; finished runs are only read.

    Args:
        experiment: on devices.
        folder: of the runs, each in a folder of its own.
        seeds: 0 to seeds - 1, each with an order of its own in which causes come in.
        jobs: local processes.
        tell: gets a line whenever some runs are done.
        metric: which accuracy; the network's own read-out unless given.
        try_changes: whether to look for what regains the largest cost.

    Raises:
        InputError: an experiment without devices.
        NeurohwError: a run failed.
    """
    if seeds < 1:
        raise InputError(f"seeds: got {seeds}; allowed: at least 1")
    every = range(seeds)
    with locked(writable_folder(folder)), closing(local(jobs)) as executor:
        game = Game.of(experiment, metric, folder, executor, tell)
        chains = [_chain([cause.name for cause in game.causes], order) for order in every]
        singles = [frozenset({cause.name}) for cause in game.causes]
        wanted = {(subset, seed) for seed, chain in enumerate(chains) for subset in chain}
        wanted |= {(subset, seed) for seed in every for single in singles for subset in (single, game.all - single)}
        game.play(wanted, "causes, in turn and by themselves")
        shares = sorted((_share(game, cause, chains) for cause in game.causes), key=lambda s: -s.cost.mean)
        together = _together(game, [share.cause.name for share in shares[:_PAIRED]], every)
        ideal = game.played(on_ideal_arrays(experiment), every, "ideal arrays")
        actual = [game.accuracy[game.all, seed] for seed in every]
        changes = _changed(game, shares[0], actual) if shares and try_changes else ()
    bare = [game.accuracy[frozenset(), seed] for seed in every]
    return Attribution(
        game.metric, Estimate.of(ideal), Estimate.of(bare), Estimate.of(actual), _less(ideal, actual),
        _less(ideal, bare), tuple(shares), together, changes, seeds, _sudden(game, chains),
    )  # fmt: skip


def runs_needed(experiment: OnChipExperiment, seeds: int) -> int:
    """Return how many runs an attribution takes, at most."""
    causes = causes_of(experiment)
    n = len(causes)
    tried = max((len(changes_for(cause, experiment)) for cause in causes), default=0)
    return seeds * (1 + n + 1 + 2 * n + math.comb(min(n, _PAIRED), 2) + tried)


def _chain(names: Sequence[str], order: int) -> list[Subset]:
    """Return the sets of causes along an order, from none to all.

    Odd orders are the reverse of the one before; every `_TURNS` even ones are turns of one another.
    """
    turned = Streams(order // 2 // _TURNS).generator("order of causes")
    mixed = torch.randperm(len(names), generator=turned).tolist()
    first = round(order // 2 % _TURNS * len(names) / _TURNS)
    mixed = mixed[first:] + mixed[:first]
    if order % 2:
        mixed.reverse()
    return [frozenset(names[i] for i in mixed[:length]) for length in range(len(names) + 1)]


def _share(game: Game, cause: Cause, chains: Sequence[Sequence[Subset]]) -> Share:
    value, single, every = game.accuracy, frozenset({cause.name}), range(len(chains))
    losses = []
    for seed, chain in enumerate(chains):
        before = max((subset for subset in chain if cause.name not in subset), key=len)
        losses.append(value[before, seed] - value[before | single, seed])
    alone = [value[frozenset(), seed] - value[single, seed] for seed in every]
    regained = [value[game.all - single, seed] - value[game.all, seed] for seed in every]
    return Share(cause, Estimate.of(losses), Estimate.of(alone), Estimate.of(regained))


def _sudden(game: Game, chains: Sequence[Sequence[Subset]]) -> bool:
    """Return whether one step of most orders takes more than half of what they lose, not always by the same cause."""
    falls = []
    for seed, chain in enumerate(chains):
        lost = {after - before: game.accuracy[before, seed] - game.accuracy[after, seed]
                for before, after in pairwise(chain)}  # fmt: skip
        largest = max(lost, key=lost.__getitem__, default=frozenset[str]())
        if lost and 2 * lost[largest] > sum(lost.values()):
            falls.append(largest)
    return 2 * len(falls) > len(chains) and len(set(falls)) > 1


def _together(game: Game, names: Sequence[str], seeds: range) -> dict[tuple[str, str], Estimate]:
    """Return what each two causes cost beyond the sum of each alone."""
    pairs = list(combinations(names, 2))
    game.play([(frozenset(pair), seed) for pair in pairs for seed in seeds], "two causes together")
    value, found = game.accuracy, {}
    for a, b in pairs:
        both = [value[frozenset({a}), seed] + value[frozenset({b}), seed] - value[frozenset(), seed]
                - value[frozenset({a, b}), seed] for seed in seeds]  # fmt: skip
        found[a, b] = Estimate.of(both)
    return found


def _changed(game: Game, largest: Share, actual: Sequence[float]) -> tuple[tuple[Change, Estimate], ...]:
    """Return what is regained of the largest cost, where it is a clear one; settings that do not fit are left out."""
    found = []
    for change in changes_for(largest.cause, game.experiment) if largest.cost.clear and largest.cost.mean > 0 else ():
        try:
            changed = with_change(game.experiment, change)
        except InputError:
            continue
        if changed != game.experiment:
            found.append((change, _less(game.played(changed, range(len(actual)), change.name), actual)))
    return tuple(found)


def _less(a: Sequence[float], b: Sequence[float]) -> Estimate:
    return Estimate.of([x - y for x, y in zip(a, b, strict=True)])
