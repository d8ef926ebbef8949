"""Values as the files of runs hold them: what a number or a text may be."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

LONGEST = 100_000  # characters of a text
LARGEST_SEED = 2**63 - 1
MOST = 1e60  # of any number in SI units: sums and squares of such are finite

Text = Annotated[str, Field(strict=True, max_length=LONGEST)]
Number = Annotated[float, Field(strict=True, ge=-MOST, le=MOST, allow_inf_nan=False)]
Amount = Annotated[float, Field(strict=True, ge=0, le=MOST, allow_inf_nan=False)]
Whole = Annotated[int, Field(strict=True, ge=0, lt=2**63)]
Count = Annotated[int, Field(strict=True, ge=1, lt=2**63)]
