"""Known conductances, and files that hold them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

GOOD = "pulse,polarity,conductance_S\n" + "".join(
    f"{i},{1 if i < 15 else -1},{i if i < 15 else 30 - i}e-6\n" for i in range(1, 30)
)
RNG = np.random.default_rng(3)
G = 1e-6 * (5 + np.concatenate([np.linspace(0, 12, 20), np.linspace(11.5, 1, 20)]) + RNG.normal(0, 0.1, (2, 40)))
UP = np.arange(40) < 20  # both of G's devices: 20 pulses up, 20 down
UP_DOWN = "up20,down20"


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def table(path: Path, separator: str = ",", decimal: str = ".", **columns: object) -> Path:
    pd.DataFrame(columns).to_csv(path, sep=separator, decimal=decimal, index=False)
    return path


def up_words(up: np.ndarray = UP) -> list[str]:
    return ["LTP" if u else "LTD" for u in up]
