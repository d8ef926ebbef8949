"""What arrays say of themselves to the account, of every back-end and every remedy."""

from __future__ import annotations

from typing import Any

import pytest

from neurohw.crossbar.aihwkit.rpu_config import COMPOUNDS
from neurohw.crossbar.build import build_array
from neurohw.crossbar.remedies import CELLS, WRITINGS, names
from neurohw.devices.library import load_device
from neurohw.testing import ArrayAccountConformance, MakeArray

ANALOG: dict[str, dict[str, Any]] = {
    **{
        f"{cell} + {writing}": {"device": "ecram", "cell": cell, "writing": writing}
        for cell in CELLS
        for writing in WRITINGS
    },
    "falling significance": {"device": "ecram", "remedy": "several-cells", "remedy_parameters": {"base": 4.0}},
    "pcm": {"device": "pcm", "remedy": "one-sided"},
    "pcm, mixed precision": {"device": "pcm", "remedy": "mixed-precision"},
    "pcm, transfers": {"device": "pcm", "cell": "one-sided", "writing": "tiki-taka-v2"},
    "column": {"device": "taox_hfox", "reference": "column"},
    "hidden column": {"device": "taox_hfox", "reference": "column", "remedy": "agad"},
    "tiles": {"device": "taox_hfox", "remedy": "tiki-taka", "tile": (10, 20)},
}
AIHWKIT: dict[str, dict[str, Any]] = {
    **{remedy: {"device": "ecram", "remedy": remedy} for remedy in names() if remedy in COMPOUNDS},
    "pcm": {"device": "pcm", "remedy": "one-sided"},
    "tiles": {"device": "ecram", "tile": (10, 20)},
}


class TestAnalog(ArrayAccountConformance):
    shape = (24, 20)
    update_size = 0.02

    @pytest.fixture(params=ANALOG)
    def make_array(self, request: pytest.FixtureRequest) -> MakeArray:
        return lambda weights: build_array("analog", weights, **ANALOG[request.param])


class TestAihwkit(ArrayAccountConformance):
    shape = (24, 20)

    @pytest.fixture(params=AIHWKIT)
    def make_array(self, request: pytest.FixtureRequest) -> MakeArray:
        given = AIHWKIT[request.param]
        model = load_device(given["device"])
        return lambda weights: build_array("aihwkit", weights, **{**given, "device": model})
