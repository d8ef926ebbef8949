"""From names to aihwkit's rpu_config: device presets, read paths, pulse trains, and the remedies for poor devices."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

from neurohw.crossbar.aihwkit.api import aihwkit_api, set_field
from neurohw.crossbar.aihwkit.presets import DevicePreset, device_preset
from neurohw.crossbar.aihwkit.translation import to_aihwkit
from neurohw.crossbar.anatomy import Anatomy, Trains
from neurohw.crossbar.periphery import PulseScheme, ReadPath, converter_step
from neurohw.crossbar.remedies import CELLS, PLAIN, Remedy
from neurohw.devices.model import DeviceModel
from neurohw.errors import InputError

_CELLS: int = CELLS["several-cells"].parameters["devices"]
_DRIFT_FIELDS = {"drift_nu": "nu", "drift_t0": "t_0", "drift_nu_dtod": "nu_dtod"}


@dataclasses.dataclass(frozen=True)
class Cell:
    """What a remedy builds from.

    Args:
        name: of the device.
        device: makes one device with its overrides, as often as asked.
        read: makes the read path of transfers and refreshes, the array's own forward path.
        pulses: makes the update parameters of transfers and refreshes.
    """

    name: str
    device: Callable[[], Any]
    read: Callable[[], Any]
    pulses: Callable[..., Any]


@dataclasses.dataclass(frozen=True)
class Compound:
    """What aihwkit makes of a remedy.

    Args:
        build: makes aihwkit's device (a single one or a compound) from the cell.
        rate_gain: factor on the learning rate that makes the visible weight move by the whole product.
        noise_power: variance of a weight whose devices have independent noise of variance 1 each.
        devices: that make a weight, hidden ones included.
        summed: products go to a digital sum, whose whole steps are pulsed.
        transfers: updates go to a hidden fast array and reach the visible weight through transfers.
        paired: two devices that only potentiate make a weight.
        referred: weights are what devices differ from a device of their own, in aihwkit itself.
        reference: what is subtracted from devices besides, see `neurohw.crossbar.reference`; None: nothing.
    """

    build: Callable[[Cell], Any]
    rate_gain: float = 1.0
    noise_power: float = 1.0
    devices: int = 2
    summed: bool = False
    transfers: bool = False
    paired: bool = False
    referred: bool = False
    reference: str | None = None

    def for_device(self, source: DevicePreset | DeviceModel) -> Compound:
        """Return what it is of such devices: one whose weights are conductances is less a device of its own.

        aihwkit's weights are signed by themselves and have no such device: its noise is added to that of the weight.
        """
        if not isinstance(source, DeviceModel) or source.signed or self.paired or self.referred:
            return self
        devices = self.devices + (2 if self.transfers else 1)
        return dataclasses.replace(self, noise_power=self.noise_power + 1, devices=devices, reference="array")

    @property
    def unseen(self) -> bool:
        """Whether visible cells are pulsed from within aihwkit, which tells nobody how often."""
        return self.transfers or self.summed

    def anatomy(self, path: ReadPath, trains: Trains | None) -> Anatomy:
        """Return what it makes of devices.

        Args:
            path: of reads.
            trains: of devices that are written one by one; None: not known.
        """
        if trains is not None:
            driving = dataclasses.replace(trains.driving, pair=self.paired)
            trains = dataclasses.replace(trains, driving=driving, gain=self.rate_gain)
        written = None if self.unseen else trains
        on_line = self.devices // 2 if self.transfers else self.devices
        return Anatomy(self.devices, on_line, self.reference, path, written, transfers=self.transfers)


def _several_cells(cell: Cell) -> Any:
    api = aihwkit_api()
    policy = api.enums.VectorUnitCellUpdatePolicy.SINGLE_RANDOM
    return api.compounds.VectorUnitCell(unit_cell_devices=[cell.device() for _ in range(_CELLS)], update_policy=policy)


def _reference_cell(cell: Cell) -> Any:
    return aihwkit_api().compounds.ReferenceUnitCell(unit_cell_devices=[cell.device(), cell.device()])


def _one_sided(cell: Cell) -> Any:
    return aihwkit_api().compounds.OneSidedUnitCell(
        unit_cell_devices=[cell.device(), cell.device()],
        refresh_every=100,
        units_in_mbatch=True,
        refresh_forward=cell.read(),
        refresh_update=cell.pulses(),
    )


def _tiki_taka(cell: Cell) -> Any:
    return aihwkit_api().compounds.TransferCompound(
        unit_cell_devices=[cell.device(), cell.device()],
        transfer_forward=cell.read(),
        transfer_update=cell.pulses(),
        units_in_mbatch=True,
    )


def _buffered(compound: str, cell: Cell, **fields: Any) -> Any:
    one_pulse = cell.pulses(desired_bl=1, update_bl_management=False, update_management=False)
    return getattr(aihwkit_api().compounds, compound)(
        unit_cell_devices=[cell.device(), cell.device()],
        transfer_forward=cell.read(),
        transfer_update=one_pulse,
        units_in_mbatch=False,
        fast_lr=0.5,
        auto_scale=True,
        auto_granularity=1000.0,
        correct_gradient_magnitudes=True,  # a learning rate means the same however products and rate share their size
        **fields,
    )


def _tiki_taka_v2(cell: Cell) -> Any:
    return _buffered("ChoppedTransferCompound", cell, in_chop_prob=0.0)


def _chopped_tiki_taka(cell: Cell) -> Any:
    return _buffered("ChoppedTransferCompound", cell, in_chop_prob=0.01)


def _agad(cell: Cell) -> Any:
    return _buffered("DynamicTransferCompound", cell, in_chop_prob=0.02, tail_weightening=5.0)


def _mixed_precision(cell: Cell) -> Any:
    return aihwkit_api().compounds.MixedPrecisionCompound(device=cell.device())


def _summed_pair(cell: Cell) -> Any:
    return aihwkit_api().compounds.MixedPrecisionCompound(device=_one_sided(cell))


COMPOUNDS = {  # by the remedy's name
    "none": Compound(lambda cell: cell.device(), devices=1),
    "several-cells": Compound(_several_cells, _CELLS, 1 / _CELLS, devices=_CELLS),  # averaged; an update goes to one
    "reference-cell": Compound(_reference_cell, noise_power=2.0, referred=True),
    "one-sided": Compound(_one_sided, noise_power=2.0, paired=True),  # reset when both saturate, rewritten open-loop
    "tiki-taka": Compound(_tiki_taka, transfers=True),
    "tiki-taka-v2": Compound(_tiki_taka_v2, transfers=True),
    "chopped-tiki-taka": Compound(_chopped_tiki_taka, transfers=True),
    "agad": Compound(_agad, transfers=True),
    "mixed-precision": Compound(_mixed_precision, devices=1, summed=True),
    "one-sided + mixed-precision": Compound(_summed_pair, noise_power=2.0, summed=True, paired=True),
}


def find_compound(remedy: Remedy, source: DevicePreset | DeviceModel) -> tuple[Remedy, Compound]:
    """Return the remedy as it is for such devices, and what aihwkit makes of it.

    Args:
        remedy: that is asked for.
        source: the device.

    Raises:
        InputError: a remedy that aihwkit has not, settings of it, or a device that it cannot use.
    """
    try:
        chosen = remedy.for_devices(source.sided)
    except InputError as error:
        raise InputError(f"device {source.name!r}: {error}") from None
    if chosen.name not in COMPOUNDS:
        raise InputError(f"remedy {chosen.name!r}: aihwkit has no such compound; allowed: {', '.join(COMPOUNDS)}")
    for key in ("cell_parameters", "writing_parameters"):
        if given := getattr(chosen, key):
            raise InputError(f"{key}: got {dict(given)}, which backend \"aihwkit\" does not read; allowed: "
                             "`remedy_overrides`, fields of aihwkit's compound")  # fmt: skip
    return chosen, COMPOUNDS[chosen.name].for_device(source)


def find_device(device: str | DeviceModel) -> DevicePreset | DeviceModel:
    """Return the preset called `device`, or the model as it is."""
    return device_preset(device) if isinstance(device, str) else device


def build_device(
    source: DevicePreset | DeviceModel, fields: Mapping[str, Any], batch_seconds: float | None = None
) -> Any:
    """Return aihwkit's device of a preset or of a model with some fields replaced.

    Write noise is not added when weights are set from outside: the exact copy stays exact.

    Args:
        source: the device.
        fields: aihwkit's field names (`dw_min`, `w_max`, ...), or `drift_nu`, `drift_t0`, `drift_nu_dtod`.
        batch_seconds: of a mini-batch, in which aihwkit counts what a model gives in seconds; None: as they are.

    Raises:
        InputError: a field that the device does not have.
    """
    device = to_aihwkit(source, batch_seconds) if isinstance(source, DeviceModel) else source.load()()
    if hasattr(device, "apply_write_noise_on_set"):
        device.apply_write_noise_on_set = False
    for name, value in fields.items():
        if name in _DRIFT_FIELDS and hasattr(device, "drift"):
            setattr(device.drift, _DRIFT_FIELDS[name], value)
        else:
            set_field(device, name, value, f"device {source.name}")
    return device


def io_parameters(path: ReadPath) -> Any:
    """Return aihwkit's IOParameters of a read path, without bound or noise management (both are digital scalings)."""
    api = aihwkit_api()
    noisy = path.weight_noise > 0
    return api.io(
        is_perfect=path.is_perfect,
        bound_management=api.enums.BoundManagementType.NONE,
        noise_management=api.enums.NoiseManagementType.NONE,
        inp_res=converter_step(path.dac_bits),
        out_res=converter_step(path.adc_bits),
        inp_bound=0.0 if math.isinf(path.input_bound) else path.input_bound,
        out_bound=0.0 if math.isinf(path.output_bound) else path.output_bound,
        out_noise=path.read_noise,
        out_nonlinearity=path.nonlinearity,
        w_noise=path.weight_noise,
        w_noise_type=getattr(api.enums.WeightNoiseType, "ADDITIVE_CONSTANT" if noisy else "NONE"),
    )


def update_parameters(pulses: PulseScheme, **fields: Any) -> Any:
    """Return aihwkit's UpdateParameters: stochastic-compressed pulse trains of the scheme."""
    chosen = {
        "desired_bl": pulses.length,
        "update_management": pulses.update_management,
        "update_bl_management": pulses.update_bl_management,
        **fields,
    }
    return aihwkit_api().update(**chosen)


def build_rpu_config(
    device: str | DeviceModel,
    remedy: Remedy,
    forward: ReadPath,
    backward: ReadPath,
    pulses: PulseScheme,
    construction_seed: int,
    device_overrides: Mapping[str, Any],
    remedy_overrides: Mapping[str, Any],
    batch_seconds: float | None = None,
) -> Any:
    """Return the rpu_config of a device under a remedy.

    Args:
        device: a name from `neurohw.crossbar.aihwkit.presets`, or a model.
        remedy: as `find_compound` returns it.
        forward, backward: read paths of `read` and `read_transposed`; transfers and refreshes read like `forward`.
        pulses: of updates, transfers and refreshes.
        construction_seed: fixes the device-to-device draws; 0 would mean "from the clock", so 1 is taken instead.
        device_overrides: fields of the device, see `build_device`.
        remedy_overrides: fields of aihwkit's compound (`fast_lr`, `transfer_every`, `refresh_every`, ...).
        batch_seconds: see `build_device`.

    Raises:
        InputError: an unknown name or field, or a device that the remedy cannot use.
    """
    api, source = aihwkit_api(), find_device(device)
    compound = COMPOUNDS[remedy.name].for_device(source)
    _refuse_what_cannot_work(source, remedy, build_device(source, device_overrides))
    cell = Cell(
        source.name,
        device=lambda: build_device(source, device_overrides, batch_seconds),
        read=lambda: io_parameters(forward.with_devices(compound.noise_power) if compound.transfers else forward),
        pulses=lambda **fields: update_parameters(pulses, **fields),
    )
    built = compound.build(cell)
    for name, value in remedy_overrides.items():
        if remedy == PLAIN:
            raise InputError(f"remedy 'none' has no fields, but got {name!r}")
        set_field(built, name, value, f"remedy {remedy.name}")
    built.construction_seed = max(1, construction_seed)
    pulsed = api.configs.SingleRPUConfig if remedy == PLAIN else api.configs.UnitCellRPUConfig
    return (api.configs.DigitalRankUpdateRPUConfig if compound.summed else pulsed)(
        device=built,
        forward=io_parameters(forward.with_devices(compound.noise_power)),
        backward=io_parameters(backward.with_devices(compound.noise_power)),
        update=update_parameters(pulses),
    )


def _refuse_what_cannot_work(source: DevicePreset | DeviceModel, remedy: Remedy, device: Any) -> None:
    """Name the combinations that aihwkit refuses, some only at the first update, or that have no physical sense."""
    refused = f"device {source.name!r} cannot be used with remedy {remedy.name!r}: "
    if source.name == "ideal" and remedy != PLAIN:
        raise InputError(refused + "aihwkit's compound cells take pulsed devices only; use remedy 'none'")
    if COMPOUNDS[remedy.name].paired and getattr(device, "write_noise_std", 0.0) > 0:
        raise InputError(
            refused + "aihwkit's refresh cannot reset devices with write noise; "
            "set the device field write_noise_std to 0, or use another remedy"
        )
