"""Designs: points that fill ranges of several keys evenly, where a grid would take too many."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from neurohw.studies.ranges import KeyRange
from neurohw.validation import Wrong
from neurohw.values import LARGEST_SEED

_MOST_KEYS = 21_201  # dimensions of Sobol's sequence in SciPy


class Design(BaseModel):
    """Points spread over ranges.

    Args:
        kind: "sobol", Sobol's sequence, scrambled: a power of 2 of points, and twice as many keep those that there
            were; or "latin-hypercube": any number of points, each key's range cut into as many parts, each used once.
        points: how many.
        seed: of the scrambling, or of the hypercube.
        keys: dotted key -> its range.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["sobol", "latin-hypercube"]
    points: Annotated[int, Field(strict=True, ge=1)]
    seed: Annotated[int, Field(strict=True, ge=0, le=LARGEST_SEED)] = 0
    keys: Annotated[dict[str, KeyRange], Field(min_length=1, max_length=_MOST_KEYS)]

    @model_validator(mode="after")
    def _balanced(self) -> Design:
        if self.kind == "sobol" and self.points & (self.points - 1):
            below = 1 << (self.points.bit_length() - 1)
            raise Wrong(
                "points", f"got {self.points}; allowed of a Sobol design: powers of 2, as {below} or {2 * below}"
            )
        return self

    def samples(self) -> list[dict[str, Any]]:
        """Return the values of the keys at each point."""
        from scipy.stats import qmc  # here: it takes a second

        kind = {"sobol": qmc.Sobol, "latin-hypercube": qmc.LatinHypercube}[self.kind]
        shares = kind(len(self.keys), rng=np.random.default_rng(self.seed)).random(self.points)
        return [{key: known.at(share) for (key, known), share in zip(self.keys.items(), row, strict=True)}
                for row in shares.tolist()]  # fmt: skip
