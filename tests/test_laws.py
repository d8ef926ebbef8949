"""Every pulse-response law against aihwkit itself: its populations, its single pulses, its granularity."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from scipy.stats import ks_2samp
from torch import Tensor

from neurohw.crossbar.aihwkit.api import aihwkit_api
from neurohw.crossbar.aihwkit.presets import PRESETS
from neurohw.crossbar.aihwkit.tile_state import hidden_parameters, new_tile, set_hidden_parameters
from neurohw.crossbar.aihwkit.translation import COUNTERPARTS, to_aihwkit
from neurohw.crossbar.aihwkit.works import check_aihwkit
from neurohw.devices.laws import (
    LAWS,
    Cells,
    ConstantStep,
    ExponentialStep,
    LinearStep,
    PiecewiseStep,
    PowerStep,
    PulseResponse,
    SoftBounds,
    SoftBoundsReference,
    find_law,
)
from neurohw.devices.model import DeviceModel
from neurohw.errors import InputError
from tests.aihwkit_presets import from_aihwkit

PULSED = [name for name in PRESETS if name != "ideal"]
SHAPE = (60, 60)
NO_FLAGS = (False, False, False, False)
HIDDEN = {  # ours: aihwkit's
    "up": "dwmin_up",
    "down": "dwmin_down",
    "w_max": "max_bound",
    "w_min": "min_bound",
    "slope_up": "slope_up",
    "slope_down": "slope_down",
    "reference": "reference",
    "gamma_up": "gamma_up",
    "gamma_down": "gamma_down",
}

HELD: list[Tensor] = []  # the memory of the tiles' weights


def make_tile(device: Any, shape: tuple[int, int] = SHAPE, **update: Any) -> Any:
    """Return the C++ tile of an aihwkit device; each update is one train of one pulse."""
    check_aihwkit()
    api = aihwkit_api()
    device.construction_seed = 20240229
    fields = {"desired_bl": 1, "update_management": False, "update_bl_management": False, **update}
    config = api.configs.SingleRPUConfig(device=device, update=api.update(**fields))
    tile, cells = new_tile(config, shape)
    HELD.append(cells)
    return tile


def granularity(tile: Any) -> float:
    extra = tile.dump_extra()
    return float(extra["rpu.rpu_device.weight_granularity"][0])


def cells_of(tile: Any, law: PulseResponse) -> Cells:
    """Return aihwkit's own devices as the cells of our law."""
    hidden = hidden_parameters(tile)
    cells = {ours: hidden[HIDDEN[ours]].clone() for ours in law.keeps if HIDDEN[ours] in hidden}
    if isinstance(law, SoftBoundsReference):  # aihwkit keeps the bounds of the device before the reference
        cells["slope_up"], cells["slope_down"] = -cells["up"] / cells["w_max"], -cells["down"] / cells["w_min"]
        cells["w_max"], cells["w_min"] = cells["w_max"] - cells["reference"], cells["w_min"] - cells["reference"]
    return cells


@pytest.mark.parametrize("name", PULSED)
def test_a_population_is_drawn_as_aihwkit_draws_it(name: str) -> None:
    """Kolmogorov-Smirnov on every parameter of 3,600 devices a side."""
    law = from_aihwkit(name).response()
    theirs = cells_of(make_tile(to_aihwkit(from_aihwkit(name))), law)
    ours = law.draw(SHAPE, torch.Generator().manual_seed(7))
    assert set(ours) == set(law.keeps)
    for key in law.keeps:
        a, b = ours[key].flatten().double(), theirs[key].flatten().double()
        if b.std() < 1e-6 * b.abs().max().clamp(min=1e-12):  # no spread: the same number
            assert torch.allclose(a, b, rtol=1e-5, atol=1e-9), key
            continue
        p = ks_2samp(a.numpy(), b.numpy()).pvalue
        assert p > 1e-5, f"{name}: {key}: p = {p:.1e}, mean {a.mean():.5g} against {b.mean():.5g}, " \
                         f"std {a.std():.5g} against {b.std():.5g}"  # fmt: skip


@pytest.mark.parametrize("name", PULSED)
def test_parameters_of_a_cell_hang_together_as_in_aihwkit(name: str) -> None:
    """Correlations between the parameters of a cell: a spread that two of them share is drawn once."""
    law = from_aihwkit(name).response()
    theirs = cells_of(make_tile(to_aihwkit(from_aihwkit(name)), (120, 120)), law)
    ours = law.draw((120, 120), torch.Generator().manual_seed(8))
    varying = [key for key in law.keeps if theirs[key].std() > 1e-6]

    def ranks(cells: Cells) -> Tensor:
        flat = torch.stack([cells[key].flatten().double() for key in varying])
        return torch.corrcoef(flat.argsort(1).argsort(1).double())

    assert (ranks(ours) - ranks(theirs)).abs().max() < 0.05  # 6 standard errors of a difference of 14,400 each


VARIANTS: dict[str, PulseResponse] = {
    "constant": ConstantStep(step=0.01, asymmetry=0.2),
    "linear": LinearStep(step=0.01, gamma_up=0.4, gamma_down=0.7, asymmetry=-0.3),
    "linear, cell's own bounds": LinearStep(step=0.01, gamma_up=0.4, gamma_down=0.7, mean_bound_reference=False),
    "linear, increasing": LinearStep(step=0.01, gamma_up=-0.4, gamma_down=-0.2, allow_increasing=True),
    "linear, moduli": LinearStep(step=0.01, gamma_up=-0.4, gamma_down=0.01, gamma_up_dtod=0.3, gamma_down_dtod=0.3),
    "soft-bounds": SoftBounds(step=0.01, asymmetry=0.1),
    "soft-bounds-reference": SoftBoundsReference(
        step=0.01, slope_up_dtod=0.1, slope_down_dtod=0.2, reference=0.05, reference_dtod=0.03
    ),
    "soft-bounds-reference, symmetry point": SoftBoundsReference(
        step=0.01, asymmetry=0.2, reference_dtod=0.03, subtract_symmetry_point=True
    ),
    "exponential": ExponentialStep(step=0.01, A_up=-1.2, A_down=-0.1, gamma_up=5.0, gamma_down=4.0, a=-0.5, b=-0.4),
    "exponential, CMOS-like": ExponentialStep(step=0.01),
    "power": PowerStep(step=0.01, gamma=1.7, gamma_asymmetry=0.2, gamma_asymmetry_dtod=0.1),
    "piecewise": PiecewiseStep(step=0.01, table_up=(1.5, 1.2, 0.4), table_down=(0.3, 1.0, 1.4)),
    "piecewise, four nodes": PiecewiseStep(step=0.01, table_up=(1.5, 1.2, 0.4, 0.1), table_down=(0.3, 1.0, 1.4, 1.5)),
}
LOG_NORMAL = ConstantStep(step=0.01, step_dtod=0.7, step_log_normal=True, asymmetry=0.3, asymmetry_dtod=0.2)


def model_of(law: PulseResponse) -> DeviceModel:
    """Return a device with this law, to have it translated."""
    values = {f.name: getattr(law, f.name) for f in dataclasses.fields(law)}
    pulse = {
        name: {"value": list(value) if isinstance(value, tuple) else value, "unit": "1", "source": "test"}
        for name, value in values.items()
    }
    conductance = {"g_min": {"value": 0, "unit": "S", "source": "test"},
                   "g_max": {"value": 1, "unit": "S", "source": "test"}}  # fmt: skip
    texts = dict.fromkeys(("name", "description", "technology", "cell", "reference"), "test")
    return DeviceModel.model_validate(
        {**texts, "conductance": conductance, "pulse": {"law": law.name, "sided": 2, **pulse}}
    )


@pytest.mark.parametrize("law", [*VARIANTS.values(), LOG_NORMAL], ids=[*VARIANTS, "log-normal"])
def test_variants_of_the_laws_are_drawn_as_aihwkit_draws_them(law: PulseResponse) -> None:
    theirs = cells_of(make_tile(to_aihwkit(model_of(law))), law)
    ours = law.draw(SHAPE, torch.Generator().manual_seed(9))
    for key in law.keeps:
        p = ks_2samp(ours[key].flatten().numpy(), theirs[key].flatten().numpy()).pvalue
        assert p > 1e-5, f"{key}: p = {p:.1e}"


def test_every_law_of_aihwkit_is_among_the_variants() -> None:
    assert {law.name for law in VARIANTS.values()} == set(COUNTERPARTS)


@pytest.mark.parametrize("up", [True, False], ids=["up", "down"])
@pytest.mark.parametrize("law", VARIANTS.values(), ids=VARIANTS)
def test_one_pulse_moves_a_cell_as_in_aihwkit(law: PulseResponse, up: bool) -> None:
    """Noise off, aihwkit's devices copied: w + steps, clipped, at weights from bound to bound."""
    law = dataclasses.replace(law, step_ctoc=0.0, write_noise=0.0)
    tile = make_tile(to_aihwkit(model_of(law)), (20, 20))
    cells = cells_of(tile, law)
    tile.set_learning_rate(1.01 * granularity(tile))  # a certain pulse in a train of one
    for place in (0.02, 0.3, 0.5, 0.77, 0.99):
        tile.set_weights(cells["w_min"] + place * (cells["w_max"] - cells["w_min"]))
        w = tile.get_weights().clone()  # aihwkit sets a weight within the bounds before the reference
        tile.update(torch.ones(1, 20), (-1.0 if up else 1.0) * torch.ones(1, 20), *NO_FLAGS)
        moved = law.steps(w, cells, up)
        wanted = torch.minimum(torch.maximum(w + (moved if up else -moved), cells["w_min"]), cells["w_max"])
        assert (tile.get_weights() - wanted).abs().max() < 1e-6 + 1e-5 * law.step, f"at {place}"


NOISY = {
    "relative to the step": LinearStep(step=0.01, step_ctoc=0.5, gamma_up=0.6, gamma_down=0.6),
    "additive": LinearStep(step=0.01, step_ctoc=0.5, gamma_up=0.6, gamma_down=0.6, additive_noise=True),
    "soft bounds, additive": SoftBoundsReference(step=0.01, step_ctoc=0.5, additive_noise=True),
    "exponential": ExponentialStep(step=0.01, step_ctoc=0.5),
    "exponential, with offset and slope": ExponentialStep(
        step=0.01, step_ctoc=0.6, A_up=-1.2, gamma_up=2.0, a=-0.5, b=0.0, noise_offset=0.042, noise_slope=0.108
    ),
    "power": PowerStep(step=0.01, step_ctoc=0.5, gamma=1.5),
    "piecewise": PiecewiseStep(step=0.01, step_ctoc=0.5, table_up=(1.5, 0.5), table_down=(0.5, 1.5)),
    "constant": ConstantStep(step=0.01, step_ctoc=0.5),
}


@pytest.mark.parametrize("law", NOISY.values(), ids=NOISY)
def test_the_cycle_to_cycle_spread_is_aihwkits(law: PulseResponse) -> None:
    """Mean and standard deviation of one pulse over 40,000 equal cells; aihwkit's noise cannot be seeded: 6 errors."""
    spreads = {f.name: 0.0 for f in dataclasses.fields(law) if f.name.endswith("_dtod")}
    law = dataclasses.replace(law, w_max=1.0, w_min=-1.0, **spreads)
    shape = (200, 200)
    tile = make_tile(to_aihwkit(model_of(law)), shape)
    cells = cells_of(tile, law)
    tile.set_learning_rate(1.01 * granularity(tile))
    for up, place in ((True, 0.4), (False, -0.5)):
        w = torch.full(shape, place)
        tile.set_weights(w)
        tile.update(torch.ones(1, 200), (-1.0 if up else 1.0) * torch.ones(1, 200), *NO_FLAGS)
        moved = (tile.get_weights() - w) * (1 if up else -1)
        steps = law.steps(w, cells, up)
        sigma = torch.as_tensor(law.noise(w, steps, cells, up)).abs().mean().item()
        assert abs(moved.mean() - steps.mean()) < 6 * sigma / 200
        assert moved.std().item() == pytest.approx(sigma, rel=6 / (2 * 40_000) ** 0.5)


@pytest.mark.parametrize("name", PULSED)
def test_granularity_is_aihwkits_for_the_presets(name: str) -> None:
    model = from_aihwkit(name)
    assert model.response().granularity == pytest.approx(granularity(make_tile(to_aihwkit(model), (3, 3))), rel=1e-5)


@pytest.mark.parametrize("law", VARIANTS.values(), ids=VARIANTS)
def test_granularity_is_aihwkits_for_the_variants(law: PulseResponse) -> None:
    tile = make_tile(to_aihwkit(model_of(law)), (3, 3))
    assert law.granularity == pytest.approx(granularity(tile), rel=1e-5)


def test_write_noise_is_in_steps() -> None:
    """What is seen after a pulse spreads by write_noise steps around what is kept."""
    law = LinearStep(step=0.01, step_ctoc=0.0, write_noise=3.0, w_max=1.0, w_min=-1.0, step_dtod=0.0, asymmetry_dtod=0,
                     w_max_dtod=0.0, w_min_dtod=0.0, gamma_up_dtod=0.0, gamma_down_dtod=0.0)  # fmt: skip
    tile = make_tile(to_aihwkit(model_of(law)), (100, 100))
    tile.set_weights(torch.zeros(100, 100))
    tile.set_learning_rate(1.01 * granularity(tile))
    tile.update(torch.ones(1, 100), -torch.ones(1, 100), *NO_FLAGS)
    seen, kept = tile.get_weights(), hidden_parameters(tile)["persistent_weights"]
    assert torch.allclose(kept, torch.full_like(kept, 0.01), atol=1e-6)
    assert (seen - kept).std().item() == pytest.approx(law.write_noise * law.step, rel=6 / (2 * 10_000) ** 0.5)


def test_a_built_in_reference_shifts_the_bounds_of_pulses_only() -> None:
    """Pulses end at the bounds less the reference; a weight set from outside, at the bounds themselves."""
    law = SoftBoundsReference(step=0.05, step_dtod=0.0, step_ctoc=0.0, reference=0.05, reference_dtod=0.1)
    tile = make_tile(to_aihwkit(model_of(law)), (20, 20))
    cells, hidden = cells_of(tile, law), hidden_parameters(tile)
    tile.set_weights(torch.full((20, 20), 9.0))
    assert torch.equal(tile.get_weights(), hidden["max_bound"])
    tile.set_learning_rate(1.01 * granularity(tile))
    for _ in range(400):
        tile.update(torch.ones(1, 20), -torch.ones(1, 20), *NO_FLAGS)
    assert (tile.get_weights() - cells["w_max"]).abs().max() < 1e-4


def test_hidden_parameters_can_be_handed_over() -> None:
    """Our cells in aihwkit's tile: what is written comes back."""
    law = VARIANTS["linear"]
    tile = make_tile(to_aihwkit(model_of(law)), (5, 5))
    ours = law.draw((5, 5), torch.Generator().manual_seed(1))
    hidden = hidden_parameters(tile)
    set_hidden_parameters(tile, {**hidden, **{HIDDEN[key]: ours[key] for key in law.keeps}})
    for key, values in cells_of(tile, law).items():
        assert torch.allclose(values, ours[key])


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_a_draw_is_replayed_by_its_seed(law: type[PulseResponse]) -> None:
    one, two, other = (law().draw((4, 5), torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert not torch.equal(one["up"], other["up"])


@pytest.mark.parametrize("law", VARIANTS.values(), ids=VARIANTS)
def test_steps_do_not_change_their_arguments(law: PulseResponse) -> None:
    cells = law.draw((4, 5), torch.Generator().manual_seed(1))
    before, w = {key: value.clone() for key, value in cells.items()}, torch.full((4, 5), 0.1)
    law.noise(w, law.steps(w, cells, True), cells, True)
    law.noise(w, law.steps(w, cells, False), cells, False)
    assert all(torch.equal(cells[key], before[key]) for key in cells)
    assert (w == 0.1).all()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"step": 0.0}, "step must be positive"),
        ({"step_dtod": -0.1}, "step_dtod is a spread"),
        ({"write_noise": -1.0}, "write_noise is a spread"),
        ({"w_min": 0.1}, "needs w_min <= 0 <= w_max"),
        ({"w_max": float("nan")}, "w_max must be finite"),
    ],
)
def test_parameters_out_of_range_are_refused(fields: dict[str, float], said: str) -> None:
    with pytest.raises(InputError, match=said):
        ConstantStep(**fields)


def test_tables_of_different_lengths_are_refused() -> None:
    with pytest.raises(InputError, match="got 2 and 1"):
        PiecewiseStep(table_up=(1.0, 2.0))


def test_an_unknown_law_lists_the_allowed_ones() -> None:
    with pytest.raises(InputError, match=r"'cubic'.*constant, linear"):
        find_law("cubic")
