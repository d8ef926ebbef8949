"""What Optuna decides: where the next trial lies, and which is given up."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from neurohw.studies.search.file import Pruning, SamplerName

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler

_RANDOM_FIRST = 10  # trials before TPE takes sides


def draws(
    study: Study, space: Mapping[str, BaseDistribution], sampler: SamplerName, seed: int
) -> Iterator[dict[str, Any]]:
    """Yield places for the next trial: further ones where the first does not fit; the study itself is not changed.

    They follow from the study's trials and the seed: a search that went on after an interrupt draws what it would have
    drawn.
    """
    import optuna

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        copy = optuna.create_study(directions=study.directions)
        copy.add_trials(trials := study.get_trials(deepcopy=False))
        number = len(trials)
        attempt = 0
        while True:
            copy.sampler = _sampler(sampler, int(np.random.SeedSequence([seed, number, attempt]).generate_state(1)[0]))
            trial = copy.ask(dict(space))
            yield trial.params
            copy.tell(trial, state=optuna.trial.TrialState.FAIL)
            attempt += 1


def pruner(pruning: Pruning) -> BasePruner:
    """Return which trials are given up."""
    import optuna

    startup, warmup = pruning.startup_trials, pruning.warmup_epochs
    if pruning.kind == "median":
        return optuna.pruners.MedianPruner(startup, warmup)
    if pruning.kind == "percentile":
        return optuna.pruners.PercentilePruner(pruning.percentile, startup, warmup)
    if pruning.kind == "successive-halving":
        return optuna.pruners.SuccessiveHalvingPruner(min_resource=max(1, warmup), reduction_factor=3)
    return optuna.pruners.NopPruner()


def _sampler(name: SamplerName, seed: int) -> BaseSampler:
    import optuna

    if name == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    return optuna.samplers.TPESampler(seed=seed, multivariate=True, n_startup_trials=_RANDOM_FIRST)
