"""The analog engine: the public suite up the ladder, from every non-ideality at zero to the remedies.

Everything is seeded, so a test that passes once passes always on the same kind of machine.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest
import torch
from torch import Tensor

from neurohw.crossbar.analog import AnalogArray
from neurohw.crossbar.base import OuterProducts, Product
from neurohw.crossbar.device_population import DevicePopulation
from neurohw.crossbar.periphery import PulseScheme, ReadPath
from neurohw.crossbar.remedies import WRITINGS, Remedy, names
from neurohw.crossbar.wires import Wires
from neurohw.devices.laws import ConstantStep, SoftBounds
from neurohw.devices.library import load_device
from neurohw.devices.retention import Retention
from neurohw.errors import Diverged
from neurohw.testing import MakeArray, SynapseArrayConformance

PERFECT = ReadPath.perfect()
EVEN: dict[str, Any] = {
    "step_dtod": 0.0, "asymmetry_dtod": 0.0, "w_max_dtod": 0.0, "w_min_dtod": 0.0,
}  # fmt: skip
CERTAIN: dict[str, Any] = {**EVEN, "step_ctoc": 0.0}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def population(law: type = SoftBounds, **parameters: Any) -> DevicePopulation:
    return DevicePopulation(law(**parameters))


def uniform(*shape: int, scale: float = 0.2, seed: int = 3) -> Tensor:
    return (torch.rand(*shape, generator=seeded(seed)) * 2 - 1) * scale


class TestEveryNonIdealityAtZero(SynapseArrayConformance):
    """Deterministic counts of tiny certain steps through perfect reads: the ideal array within a step."""

    update_gain = (0.99, 1.01)
    program_tolerance = 0.02

    @pytest.fixture
    def make_array(self) -> MakeArray:
        device = population(ConstantStep, **CERTAIN, step=1e-5, w_max=1.0, w_min=-1.0)
        pulses = PulseScheme(length=10_000, kind="deterministic")
        return lambda weights: AnalogArray(weights, device, read_path=PERFECT, pulses=pulses, generator=seeded())


class TestSoftBounds(SynapseArrayConformance):
    shape = (24, 20)
    read_sigma = 0.07
    update_gain = (0.8, 1.2)
    program_tolerance = 0.1

    @pytest.fixture
    def make_array(self) -> MakeArray:
        return lambda weights: AnalogArray(weights, population(), generator=seeded())


class _Remedy(SynapseArrayConformance):
    shape = (24, 20)
    remedy = "none"
    update_gain = (0.7, 1.3)
    program_tolerance = 0.2
    updates = 40
    law: type = SoftBounds
    parameters: Mapping[str, Any] = MappingProxyType({})

    @pytest.fixture
    def make_array(self) -> MakeArray:
        return lambda weights: AnalogArray(
            weights, population(self.law, step=0.0005), self.remedy, read_path=PERFECT, generator=seeded(),
            remedy_parameters=self.parameters,
        )  # fmt: skip


class TestSeveralCells(_Remedy):
    remedy = "several-cells"


class TestReferenceCell(_Remedy):
    remedy = "reference-cell"


class TestReferenceArray(_Remedy):
    reference = "array"

    @pytest.fixture
    def make_array(self) -> MakeArray:
        device = DevicePopulation(
            ConstantStep(step=0.0005), Retention(drift_nu=0.01, drift_nu_dtod=0.002), zero=-0.7, siemens=1e-6
        )
        return lambda weights: AnalogArray(
            weights, device, read_path=PERFECT, generator=seeded(), wire_resistance=Wires(1e-3, 1e-3),
            reference=self.reference,
        )  # fmt: skip


class TestReferenceColumn(TestReferenceArray):
    reference = "column"


class TestDifferential(_Remedy):
    remedy = "differential"


class TestOneSided(_Remedy):
    remedy = "one-sided"
    law = ConstantStep  # pulses are counted with the step half-way, which soft bounds have only there


class TestMixedPrecision(_Remedy):
    remedy = "mixed-precision"


class TestTikiTaka(_Remedy):
    """The product of each update is read once in 20 updates, 3 times on average in 120, at the fast array's 0.01.

    So 0.03 of it at most: the fast array's soft bounds take about half.
    """

    remedy = "tiki-taka"
    parameters: Mapping[str, Any] = MappingProxyType({"fast_rate": 0.01})
    can_increment = False
    update_gain = (0.01, 0.03)
    updates = 120


class TestTikiTakaVersionTwo(TestTikiTaka):
    """Each column is read 12 times, and a cell gets a pulse of 0.0005 a read at most: 0.006, where 0.2 is asked for."""

    remedy = "tiki-taka-v2"
    update_gain = (0.01, 0.1)
    parameters: Mapping[str, Any] = MappingProxyType({"memory": 60.0})


class TestChoppedTikiTaka(TestTikiTakaVersionTwo):
    remedy = "chopped-tiki-taka"


class TestAgad(TestTikiTakaVersionTwo):
    remedy = "agad"
    parameters: Mapping[str, Any] = MappingProxyType({"memory": 60.0, "chop": 0.5})


@pytest.mark.parametrize("remedy", ["none", "differential"])
def test_weights_of_any_layout_are_written_alike(remedy: str) -> None:
    weights, other, change = (uniform(7, 5, seed=seed) for seed in (1, 2, 3))
    arrays = []
    for turn in (lambda w: w, lambda w: w.t().contiguous().t()):
        array = AnalogArray(turn(weights), population(), remedy, PERFECT, generator=seeded())
        array.increment(turn(change))
        array.program(turn(other))
        arrays.append(array.snapshot())
    assert torch.equal(*arrays)


@pytest.mark.parametrize("remedy", ["none", "differential"])
def test_reads_of_either_layout_are_equal_and_see_every_change(remedy: str) -> None:
    """Neuron after neuron, as a relaxation reads, from a copy of the weights that no change may leave behind."""
    array = AnalogArray(uniform(7, 5), population(), remedy, PERFECT, generator=seeded())
    post, pre = uniform(3, 7, seed=1), uniform(3, 5, seed=2)
    saved = array.state_dict()

    def check() -> None:
        for read, values in ((array.read, pre), (array.read_transposed, post)):
            turned = read(values.t().contiguous().t())
            assert not turned.is_contiguous()
            torch.testing.assert_close(turned, read(values))
        torch.testing.assert_close(array.read_transposed(post.t().contiguous().t()), post @ array.snapshot())

    check()
    array.update(OuterProducts((Product(post, pre),), 1.0), 0.5)
    check()
    array.program(uniform(7, 5, seed=4))
    check()
    array.load_state_dict(saved)
    check()


# changes that no device can follow


@pytest.mark.parametrize("remedy", [name for name in names() if not WRITINGS[Remedy.of(name).writing].transfers])
@pytest.mark.parametrize("increments", ["open-loop", "verified"])
def test_changes_far_beyond_the_range_end_at_the_bounds(remedy: str, increments: str) -> None:
    """Adam at a rate of 1e4: steps of 1e7 granularities end, at the last weight that the device can take."""
    array = AnalogArray(torch.zeros(4, 5), load_device("ecram"), remedy, PERFECT, generator=seeded(),
                        increments=increments)  # fmt: skip
    for size in (1e4,) if remedy == "one-sided" else (1e4, -1e30):
        array.increment(torch.full((4, 5), size))
        end = array.snapshot()
        array.increment(torch.full((4, 5), size))
        assert (end * size > 0).all()
        torch.testing.assert_close(array.snapshot(), end, rtol=0, atol=0.05)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("remedy", ["none", "mixed-precision"])
def test_what_is_not_finite_is_refused_and_changes_nothing(remedy: str, value: float) -> None:
    array = AnalogArray(uniform(4, 5), load_device("ecram"), remedy, PERFECT, generator=seeded())
    before, wrong = array.snapshot(), torch.zeros(4, 5)
    wrong[1, 2] = value
    for write in (array.increment, array.program):
        with pytest.raises(Diverged, match="not finite"):
            write(wrong)
    ones = torch.ones(1, 4), torch.ones(1, 5)
    for post, pre, rate in ((ones[0] * value, ones[1], 1.0), (ones[0], ones[1] * value, 1.0), (*ones, value)):
        with pytest.raises(Diverged, match="not finite"):
            array.update(OuterProducts((Product(post, pre),), 1.0), rate)
    assert torch.equal(array.snapshot(), before)
