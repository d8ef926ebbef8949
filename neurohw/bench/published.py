"""Do the committed records agree with what was published, or measured before?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from neurohw.runs.collection import find_records
from neurohw.shipping import shipped
from neurohw.studies.expected import agreements


def published(folder: Path | None = None) -> list[dict[str, Any]]:
    """Return every expectation that records at or below `folder` speak to, in per cent.

    Args:
        folder: of records; the source tree's `reports` unless given.

    Returns:
        Rows; none where there is no such folder (an installed package carries no reports).
    """
    folder = folder or shipped("experiments").parent / "reports"
    if not folder.is_dir():
        return []
    return [
        {
            "experiment": a.expected.of(a.name),
            "metric": a.expected.what,
            "epoch": a.expected.epoch,
            "measured": 100 * a.mean,
            "std": "" if a.std is None else f"{100 * a.std:.2f}",
            "seeds": a.n,
            "expected": 100 * a.expected.value,
            "expected std": "" if a.expected.std is None else f"{100 * a.expected.std:.2f}",
            "runs": a.expected.n,
            "allowed": "" if a.allowed is None else f"{100 * a.allowed:.2f}",
            "agrees": a.verdict,
            "source": a.expected.source,
        }
        for a in agreements(find_records([folder]))
    ]
