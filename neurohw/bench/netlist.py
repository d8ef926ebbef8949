"""How well does the behavioural law describe a kWTA on transistors? The law against ngspice, and who wins."""

from __future__ import annotations

from typing import Any

from neurohw.transistors.behaviour import Effort, characterise
from neurohw.transistors.kwta_netlist import KWTANetlist
from neurohw.units import readable

GOAL_RESIDUAL, GOAL_AGREEMENT = 0.15, 0.99
_RESOLVED = 0.8  # of random cases, at least


def netlist(n: int = 32, k: int = 4, resolved_cases: int = 1000, seed: int = 1) -> list[dict[str, Any]]:
    """Return the largest residuals of the law over two decades of input difference, and the agreement on winners.

    Args:
        n, k: of the netlist.
        resolved_cases: random cases whose gap exceeds the stated resolution, about; ngspice decides each.
        seed: of the cases.

    Raises:
        NgspiceError: ngspice is absent or fails.
    """
    study = characterise(KWTANetlist(n, k), seed, effort=Effort(cases=round(resolved_cases / _RESOLVED)))
    rows = []
    for transfer, times, *residuals in zip(
        study.transfers, study.times, study.fit.separation, study.fit.seconds, strict=True
    ):
        circuit = f"{transfer.k} of {transfer.n}, {readable(transfer.current, 'A')}"
        over = f"differences of {100 * times.difference.min():g} to {100 * times.difference.max():g} %"
        for quantity, residual in zip(("separation", "decision time"), residuals, strict=True):
            worst = float(abs(residual).max())
            rows.append(_row(circuit, f"law over ngspice less 1, {quantity}", over, worst, GOAL_RESIDUAL))
    agreement = study.agreement
    circuit = f"{k} of {n}, {readable(study.netlist.unit_current, 'A')}"
    over = f"{agreement.resolved} random cases with gaps above {100 * study.resolution:.3g} %"
    rows.append(_row(circuit, "share in which the winners agree", over, agreement.fraction, GOAL_AGREEMENT))
    return rows


def _row(circuit: str, quantity: str, over: str, measured: float, goal: float) -> dict[str, Any]:
    return {"circuit": circuit, "quantity": quantity, "over": over, "measured": measured, "goal": goal}
