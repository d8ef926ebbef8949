"""What does the target circuit cost to simulate, with every non-ideality on? Against `torch.topk` on the same data."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from neurohw.bench.rounds import ROUNDS, Figure, in_rounds
from neurohw.circuits.analog_parameters import TargetParameters
from neurohw.circuits.analog_target import AnalogTarget
from neurohw.circuits.target import IdealTarget, TargetCircuit, TargetRule

EVERYTHING: dict[str, Any] = {
    "inputs.gain_mismatch": 0.05,
    "inputs.offset": 2e-10,
    "inputs.common_current": 1e-9,
    "inputs.rectified": True,
    "decision.comparator_noise": 1e-10,
    "decision.seconds": 5e-5,
    "decision.early_voltage": 2.4,
    "decision.ceiling": 0.44,
    "decision.separation": 0.1,
    "decision.cell_delay": 1e-9,
    "decision.bias_mismatch": 0.05,
    "homeostasis.step_mismatch": 0.1,
    "homeostasis.bits": 8,
    "homeostasis.range": 1.0,
    "homeostasis.rounding": "stochastic",
    "homeostasis.leak_seconds": 100.0,
    "homeostasis.charge_injection": 1e-15,
    "homeostasis.injection_mismatch": 0.1,
    "homeostasis.thermal_noise": True,
    "levels.low_error": 0.01,
    "levels.high_error": -0.01,
    "levels.mismatch": 0.01,
}
GOAL = "<= 10"


def target(batch: int = 256, n_out: int = 2000, k: int = 5, rounds: int = 2 * ROUNDS) -> list[Figure]:
    """Return the time of one decision with its update of the thresholds, over `torch.topk`'s.

    Args:
        batch, n_out, k: of the decisions.
        rounds: of timing.
    """
    outputs = torch.rand(batch, n_out, generator=torch.Generator().manual_seed(0))
    errors = TargetParameters().with_values(EVERYTHING)
    soft = errors.with_values({"decision.output": "current", "decision.separation": 0.0})
    circuits: dict[str, TargetCircuit] = {"ideal": IdealTarget(TargetRule(n_out, k, 0.5))}
    for name, parameters in (("analog, no error", TargetParameters()), ("analog, everything on", errors),
                             ("analog, everything on, soft outputs", soft)):  # fmt: skip
        chip, noise = (torch.Generator().manual_seed(seed) for seed in (1, 2))
        circuits[name] = AnalogTarget(TargetRule(n_out, k, 0.5), parameters, chip=chip, generator=noise)
    calls: dict[str, Any] = {name: _decision(circuit, outputs) for name, circuit in circuits.items()}
    timed = in_rounds({**calls, "topk": partial(torch.topk, outputs, k)}, rounds)
    size = f"{k} of {n_out}, batch {batch}"
    return [timed.figure(f"{name}, {size}: over topk", name, "topk", GOAL) for name in circuits]


def _decision(circuit: TargetCircuit, outputs: torch.Tensor) -> Any:
    return partial(circuit, outputs, circuit.initial(), seconds=1e-3)
