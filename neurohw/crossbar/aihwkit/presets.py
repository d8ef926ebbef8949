"""aihwkit's device presets by neurohw's own names, as data: nothing of aihwkit is imported until `load()`."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

from neurohw.errors import InputError

_LAWS = "aihwkit.simulator.configs.devices"
_PRESETS = "aihwkit.simulator.presets.devices"
_GOKMEN_VLASOV = "Gokmen & Vlasov, Front. Neurosci. 2016, 10.3389/fnins.2016.00333"
_GONG_2018 = "Gong et al., Nat. Commun. 2018, s41467-018-04485-1"
_GONG_2022 = "Gong, Rasch et al., IEDM 2022, 10019569"
_LI_2018 = "Li et al., VLSI 2018, 8510648"
_TANG_2018 = "Tang et al., IEDM 2018, 8614551"
_KIM_2019 = "Kim et al., IEDM 2019, 8993463"
_RASCH_2019 = "Rasch, Gokmen & Haensch, IEEE Design & Test 2019, arXiv 1906.02698"
_NANDAKUMAR_2020 = "Nandakumar et al., Front. Neurosci. 2020, 10.3389/fnins.2020.00406"


@dataclass(frozen=True)
class DevicePreset:
    """One device of aihwkit: where its dataclass is, what it is, and who measured it.

    Args:
        name: neurohw's name.
        module: the aihwkit module that holds the dataclass.
        attribute: the dataclass in that module.
        description: one line.
        source: the publication that aihwkit's docstring names; "generic" for a law with aihwkit's default fields.
        sided: 2 where one device moves both ways, 1 where it only potentiates (then it is used as a pair).
    """

    name: str
    module: str
    attribute: str
    description: str
    source: str
    sided: int = 2

    def load(self) -> type[Any]:
        """Return aihwkit's dataclass of this device, importing aihwkit now."""
        loaded: type[Any] = getattr(importlib.import_module(self.module), self.attribute)
        return loaded


def _law(name: str, attribute: str, description: str, source: str = "generic") -> DevicePreset:
    return DevicePreset(name, _LAWS, attribute, description, source)


def _fit(name: str, attribute: str, description: str, source: str, sided: int = 2) -> DevicePreset:
    return DevicePreset(name, _PRESETS, attribute, description, source, sided)


_ALL = (
    _law("ideal", "IdealDevice", "floating-point update without bounds; only the reads can be non-ideal"),
    _law("constant_step", "ConstantStepDevice", "step independent of the weight, hard bounds", _GOKMEN_VLASOV),
    _law("linear_step", "LinearStepDevice", "step linear in the weight (gamma 0 by default), hard bounds"),
    _law("soft_bounds", "SoftBoundsDevice", "step falls linearly to zero at the bound"),
    _law("soft_bounds_reference", "SoftBoundsReferenceDevice", "soft bounds, less a fixed reference conductance"),
    _law("exp_step", "ExpStepDevice", "step exponential in the weight, CMOS-like by default"),
    _law("pow_step", "PowStepDevice", "step a power of the distance to the bound", "Fusi & Abbott 2007, nn1859"),
    _law("piecewise_step", "PiecewiseStepDevice", "step interpolated from a table (flat by default)"),
    _fit("reram_es", "ReRamESPresetDevice", "one ReRAM device, exponential step", _GONG_2018),
    _fit("reram_sb", "ReRamSBPresetDevice", "one ReRAM device, soft bounds, symmetry point at zero", _GONG_2018),
    _fit("reram_array_om", "ReRamArrayOMPresetDevice", "ReRAM array, optimised material, soft bounds", _GONG_2022),
    _fit("reram_array_hfo2", "ReRamArrayHfO2PresetDevice", "ReRAM array, baseline HfO2, soft bounds", _GONG_2022),
    _fit("capacitor", "CapacitorPresetDevice", "CMOS capacitor cell with leakage, linear step", _LI_2018),
    _fit("ecram", "EcRamPresetDevice", "lithium ECRAM, linear step", _TANG_2018),
    _fit("ecram_mo", "EcRamMOPresetDevice", "metal-oxide ECRAM, linear step", _KIM_2019),
    _fit("idealized", "IdealizedPresetDevice", "10,000 states, symmetric on average, constant step", _RASCH_2019),
    _fit("gokmen_vlasov", "GokmenVlasovPresetDevice", "1,200 states, constant step", _GOKMEN_VLASOV),
    _fit("pcm", "PCMPresetDevice", "Ge2Sb2Te5 phase change, potentiates only, exponential step", _NANDAKUMAR_2020, 1),
)

PRESETS: dict[str, DevicePreset] = {preset.name: preset for preset in _ALL}


def device_preset(name: str) -> DevicePreset:
    """Return the preset called `name`.

    Raises:
        InputError: no such preset; the message lists the allowed names.
    """
    try:
        return PRESETS[name]
    except KeyError:
        raise InputError(f"unknown device {name!r}; allowed: {', '.join(PRESETS)}") from None
