"""How well does the behavioural law describe a kWTA on transistors? The law against ngspice, and who wins."""

from __future__ import annotations

from typing import Any

from neurohw.circuits.characterise import Effort, characterise
from neurohw.circuits.netlist import KWTANetlist

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
    found = characterise(KWTANetlist(n, k), seed, effort=Effort(cases=round(resolved_cases / _RESOLVED)))
    rows = []
    for transfer, times, separation, seconds in zip(
        found.transfers, found.times, found.fit.separation, found.fit.seconds, strict=True
    ):
        rows.append(
            {
                "n": transfer.n,
                "k": transfer.k,
                "current_nA": 1e9 * transfer.current,
                "from_percent": 100 * float(times.difference.min()),
                "to_percent": 100 * float(times.difference.max()),
                "separation_residual": float(abs(separation).max()),
                "time_residual": float(abs(seconds).max()),
                "goal": GOAL_RESIDUAL,
            }
        )
    agreement = found.agreement
    rows.append(
        {
            "n": n,
            "k": k,
            "current_nA": 1e9 * found.netlist.unit_current,
            "resolution_percent": 100 * found.resolution,
            "cases": agreement.resolved,
            "agreement": agreement.fraction,
            "goal": GOAL_AGREEMENT,
        }
    )
    return rows
