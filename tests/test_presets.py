"""Device presets: every name loads, says where it comes from, and an unknown one lists the others."""

from __future__ import annotations

import dataclasses

import pytest

from neurohw.crossbar.aihwkit.presets import PRESETS, device_preset
from neurohw.errors import InputError


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_loads_and_names_its_source(name: str) -> None:
    preset = device_preset(name)
    device = preset.load()()
    assert dataclasses.is_dataclass(device)
    assert preset.name == name == name.lower()
    assert preset.description
    assert preset.source


def test_every_documented_name_is_there() -> None:
    laws = {"constant_step", "linear_step", "soft_bounds", "soft_bounds_reference", "exp_step", "pow_step"}
    fits = {"reram_es", "reram_sb", "reram_array_om", "reram_array_hfo2", "capacitor", "ecram", "ecram_mo", "idealized"}
    assert laws | fits | {"piecewise_step", "ideal", "gokmen_vlasov", "pcm"} == set(PRESETS)


def test_only_phase_change_memory_is_one_sided() -> None:
    assert [name for name in PRESETS if device_preset(name).sided == 1] == ["pcm"]


def test_an_unknown_name_lists_the_allowed_ones() -> None:
    with pytest.raises(InputError, match=r"'memristor'.*reram_es.*pcm"):
        device_preset("memristor")
