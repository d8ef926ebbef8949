"""Public conformance suites: subclass one, supply what it asks for, and pytest runs every test on your own part."""

import pytest

pytest.register_assert_rewrite("neurohw.testing.arrays", "neurohw.testing.circuits", "neurohw.testing.devices")

from neurohw.testing.arrays import MakeArray, SynapseArrayConformance  # noqa: E402
from neurohw.testing.circuits import TargetCircuitConformance  # noqa: E402
from neurohw.testing.devices import DeviceModelConformance  # noqa: E402

__all__ = ["DeviceModelConformance", "MakeArray", "SynapseArrayConformance", "TargetCircuitConformance"]
