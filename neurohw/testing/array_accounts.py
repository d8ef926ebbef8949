"""What every synapse array must say truly of itself, so that its energy can be accounted."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from neurohw.clock import Clock
from neurohw.crossbar.base import OuterProducts, Product, SynapseArray, Writes
from neurohw.errors import NeurohwError
from neurohw.metering.array_meter import ArrayMeter, ArraySettings
from neurohw.metering.ledger import EnergyLedger

MakeArray = Callable[[Tensor], SynapseArray]
_FEW = 200  # pulses, of which the number is too random to compare
_COUNTED = 0.25  # relative difference of pulses counted and expected; one crossbar forgotten of two makes 0.5


class ArrayAccountConformance:
    """What the account takes from an array: its devices, conductances, pulses, and the trains that write it.

    A subclass gives the fixture `make_array`, a function that makes an array of initial weights [n_post, n_pre].

    Attributes:
        shape: (n_post, n_pre) of the arrays tested.
        weight_scale: initial weights are uniform within +- this; keep it well within the device's range.
        dtype: what the array computes in.
        can_update: False where the array refuses.
        update_size: largest |dW| that a call asks for.
        replays: its draws can be seeded (aihwkit's cannot).
    """

    shape: tuple[int, int] = (6, 5)
    weight_scale: float = 0.2
    dtype: torch.dtype = torch.float32
    can_update: bool = True
    update_size: float = 0.004
    replays: bool = True

    @pytest.fixture
    def generator(self) -> torch.Generator:
        """Return the generator of the test's data."""
        return torch.Generator().manual_seed(20240229)

    @pytest.fixture
    def weights(self, generator: torch.Generator) -> Tensor:
        """Return initial weights."""
        return (torch.rand(self.shape, generator=generator, dtype=self.dtype) * 2 - 1) * self.weight_scale

    @pytest.fixture
    def array(self, make_array: MakeArray, weights: Tensor) -> SynapseArray:
        """Return a fresh array."""
        return make_array(weights)

    def test_its_tiles_cover_it(self, array: SynapseArray) -> None:
        for parts, size in zip((array.tiles.rows, array.tiles.columns), self.shape, strict=True):
            assert [i for part in parts for i in range(part.start, part.stop)] == list(range(size))

    def test_its_anatomy_is_possible(self, array: SynapseArray) -> None:
        anatomy = array.anatomy
        assert anatomy.devices >= anatomy.on_line >= 1
        if anatomy.trains is not None:
            trains, driving = anatomy.trains, anatomy.trains.driving
            assert min(trains.output_scale, trains.gain, driving.granularity) > 0
            assert trains.length >= 1
            assert 1 <= driving.crossbars <= anatomy.devices
            assert driving.crossbars == 1 or not driving.pair

    def test_its_conductances_are_those_of_its_devices(self, array: SynapseArray) -> None:
        """As many as make the weights; what is on the lines of a read, and what is hidden, is all there is.

        A reference column conducts in reads only, and a row in transposed ones, so their sums differ.
        """
        devices, anatomy, lines = array.conductances(), array.anatomy, array.line_conductances()
        assert (lines is None) == (not devices)
        if lines is None:
            return
        assert sum(bank.numel() for bank in devices.values()) == pytest.approx(anatomy.devices * math.prod(self.shape))
        assert [len(line) for line in lines] == [self.shape[1], self.shape[0]]
        assert min(float(bank.min()) for bank in devices.values()) >= 0
        on_inputs, on_outputs = (float(line.double().sum()) for line in lines)
        if anatomy.reference != "column":
            assert on_inputs == pytest.approx(on_outputs, rel=1e-4)
            whole = sum(float(bank.double().sum()) for bank in devices.values())
            assert on_inputs + array.hidden_conductance() == pytest.approx(whole, rel=1e-4)
        assert array.hidden_conductance() >= 0
        assert not array.hidden_conductance() or anatomy.devices > anatomy.on_line

    def test_looking_at_it_changes_nothing(self, array: SynapseArray) -> None:
        before = {name: tensor.clone() for name, tensor in array.state_dict().items()}
        for bank in (*array.conductances().values(), *array.writes().values(), *(array.line_conductances() or ())):
            bank.zero_()
        assert (array.anatomy, array.tiles, array.readouts) == (array.anatomy, array.tiles, 0)
        after = array.state_dict()
        assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())

    def test_it_counts_the_pulses_that_it_says_it_counts(self, make_array: MakeArray) -> None:
        """Of all devices, hidden ones included, as many as it tells the caller."""
        if not self.can_update:
            return
        array = make_array(torch.zeros(self.shape, dtype=self.dtype))
        writes = self._written(array)
        assert (writes.pulses_up is not None) == (writes.pulses_down is not None) == array.anatomy.counted
        if array.writes():
            pulses = sum(float(bank.double().sum()) for bank in array.writes().values())
            assert pulses == (writes.pulses_up or 0) + (writes.pulses_down or 0)

    def test_its_trains_give_the_pulses_that_it_counts(self, make_array: MakeArray) -> None:
        """Expected of the trains that it declares, on as many crossbars as it says get them; one by one apart."""
        if not self.can_update:
            return
        array = make_array(torch.zeros(self.shape, dtype=self.dtype))
        trains = array.anatomy.trains
        if trains is None or trains.serial or not array.anatomy.counted:
            return
        ledger = EnergyLedger()
        meter = ArrayMeter(array, ledger, Clock(), "W", ArraySettings.of(array))
        writes = Writes.total(self._written(array, meter) for _ in range(10))
        alone = writes.serial.cell_pulses + writes.serial.column_pulses
        given = (writes.pulses_up or 0) + (writes.pulses_down or 0) - alone
        events = ledger.counts()["W"]["inference"]
        expected = events.get("pulses_up", 0.0) + events.get("pulses_down", 0.0)
        if expected > _FEW:
            assert given == pytest.approx(expected, rel=_COUNTED)

    def test_it_refuses_digital_changes_where_updates_go_to_hidden_cells(self, array: SynapseArray) -> None:
        if array.anatomy.transfers:
            with pytest.raises(NeurohwError):
                array.increment(torch.zeros(self.shape, dtype=self.dtype))

    def _written(self, array: SynapseArray, meter: ArrayMeter | None = None) -> Writes:
        """Update an array, and return what it says of that; tell a meter as if the array could not count."""
        generator = torch.Generator().manual_seed(7)
        post, pre = (torch.randn(4, n, generator=generator, dtype=self.dtype).clamp(-2, 2) / 2 for n in self.shape)
        products = OuterProducts((Product(post, pre),), self.update_size)
        writes = array.update(products, 1.0)
        if meter is not None:
            meter.updated(products, 1.0, Writes())
        return writes
