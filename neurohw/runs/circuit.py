"""From a configuration to its target circuit: what is asked of it, what it is made of."""

from __future__ import annotations

from typing import Any

from neurohw.circuits.kinds import CIRCUITS
from neurohw.circuits.library import load_circuit
from neurohw.circuits.target import TargetCircuit, TargetRule
from neurohw.config import OnChipExperiment
from neurohw.errors import InputError
from neurohw.networks.rules import LEARNING_RULES
from neurohw.seeding import Streams


def build_circuit(experiment: OnChipExperiment, streams: Streams, n_classes: int) -> TargetCircuit:
    """Return the target circuit of the output layer.

    Raises:
        InputError: a circuit file or a parameter that does not fit, or a time constant where no time passes.
    """
    kind, parameters = CIRCUITS[experiment.target.circuit], circuit_parameters(experiment)
    given = dict(parameters.flat()) if kind.timed else {}
    if timed := [key for key in sorted(kind.timed) if given[key] is not None and not experiment.hardware.step_seconds]:
        raise InputError(f"hardware.step_seconds: got 0; {timed[0]} of target.model {experiment.target.model!r} needs "
                         "the time of a batch")  # fmt: skip
    rule, ties = target_rule(experiment, n_classes), experiment.target.ties
    return kind.circuit_class().built(rule, parameters, ties, streams)


def target_rule(experiment: OnChipExperiment, n_classes: int) -> TargetRule:
    """Return what is asked of the target circuit."""
    target = experiment.target
    return TargetRule(
        n_out=experiment.network.layers[-1],
        k=target.k,
        gamma=target.gamma,
        activity_target=activity_target(experiment),
        average=target.average,
        eta=target.eta,
        average_of=target.average_of,
        smoothing=target.smoothing,
        n_classes=n_classes,
    )


def circuit_parameters(experiment: OnChipExperiment) -> Any:
    """Return what the target circuit is made of: its file's, and the experiment's own on top; None: of nothing.

    Raises:
        InputError: no such circuit, or a parameter that it cannot have.
    """
    target = experiment.target
    kind = CIRCUITS[target.circuit]
    if kind.parameters is None:
        return None
    try:
        base = kind.ideal() if target.model is None else load_circuit(target.model, target.circuit)
    except InputError as error:
        raise InputError(f"target.model: {error}") from None
    try:
        return base.with_values(target.parameters)
    except InputError as error:
        raise InputError(f"target.parameters: {error}") from None


def activity_target(experiment: OnChipExperiment) -> float:
    """Return T: k/n_out (paper); of the code by the rule, which multiplies by 1 - p_out, or divides (EP)."""
    frequency = experiment.target.k / experiment.network.layers[-1]
    if experiment.target.activity_target == "paper" or not experiment.training.dropout:
        return frequency
    return LEARNING_RULES[experiment.network.rule].frequency(frequency, 1 - experiment.training.dropout[-1])
