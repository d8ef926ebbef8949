"""Public conformance suites: subclass one, supply what it asks for, and pytest runs every test on your own part."""

import pytest

pytest.register_assert_rewrite(
    *(f"neurohw.testing.{suite}" for suite in ("array_accounts", "arrays", "circuits", "devices"))
)

from neurohw.testing.array_accounts import ArrayAccountConformance, MakeArray  # noqa: E402
from neurohw.testing.arrays import SynapseArrayConformance  # noqa: E402
from neurohw.testing.circuits import TargetCircuitConformance  # noqa: E402
from neurohw.testing.devices import DeviceModelConformance  # noqa: E402

__all__ = [
    "ArrayAccountConformance",
    "DeviceModelConformance",
    "MakeArray",
    "SynapseArrayConformance",
    "TargetCircuitConformance",
]
