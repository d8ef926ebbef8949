"""Networks programmed off-chip: the public suite, replay, and the published noise of each model."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest
import torch
from torch import Tensor

from neurohw.crossbar.aihwkit.programmed import NOISE_MODELS, ProgrammedArray
from neurohw.crossbar.base import OuterProducts, Product
from neurohw.errors import InputError, NeurohwError
from neurohw.testing import MakeArray, SynapseArrayConformance

DAY = 86400.0
TABLE = {"g_lst": [0.0, 10.0, 30.0], "nu_mean_lst": [0.08, 0.05, 0.05], "nu_std_lst": [0.02, 0.01, 0.01]}


def options(name: str) -> dict[str, object]:
    return {"custom_drift_model": TABLE} if name == "custom-drift-pcm-like" else {}


def programmed(name: str, weights: Tensor, seed: int = 7, **more: object) -> ProgrammedArray:
    generator = torch.Generator().manual_seed(seed)
    compensation = bool(more.pop("drift_compensation", False))
    return ProgrammedArray(weights, name, compensation, generator, {**options(name), **more})


def matrix(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(5)) * 0.1


@pytest.mark.parametrize("model", ["pcm-like", "reram-cmo"])
class TestProgrammedArray(SynapseArrayConformance):
    can_update = False
    can_increment = False
    program_tolerance = 0.3

    @pytest.fixture
    def make_array(self, model: str) -> MakeArray:
        return lambda weights: programmed(model, weights)


@pytest.mark.parametrize("name", NOISE_MODELS)
def test_the_same_generator_gives_the_same_devices_and_the_same_ageing(name: str) -> None:
    first, second, other = (programmed(name, matrix(20, 15), seed) for seed in (1, 1, 2))
    assert torch.equal(first.snapshot(), second.snapshot())
    assert not torch.equal(first.snapshot(), other.snapshot())
    for seconds in (10.0, DAY):
        first.elapse(seconds)
        second.elapse(seconds)
        assert torch.equal(first.snapshot(), second.snapshot())
        assert first.snapshot().isfinite().all()


@pytest.mark.parametrize("name", NOISE_MODELS)
def test_a_restored_array_ages_as_the_saved_one(name: str) -> None:
    saved, restored = programmed(name, matrix(20, 15), 1), programmed(name, matrix(20, 15).flip(0), 2)
    saved.elapse(60.0)
    restored.load_state_dict(saved.state_dict())
    for array in (saved, restored):
        array.elapse(DAY)
    assert torch.equal(saved.snapshot(), restored.snapshot())


@pytest.mark.parametrize("name", NOISE_MODELS)
def test_the_global_generator_is_left_alone(name: str) -> None:
    state = torch.get_rng_state()
    programmed(name, matrix(4, 4)).elapse(DAY)
    assert torch.equal(torch.get_rng_state(), state)


def test_programming_noise_of_pcm_follows_its_polynomial() -> None:
    """sigma(g) = 0.26348 + 1.9650 r - 1.1731 r^2 microsiemens at r = g / 25 (Nandakumar et al. 2019).

    Half of g_max: 0.9527 uS, of 25: 0.03811 of the largest weight. 40,000 cells: the standard error of a standard
    deviation is 0.35 %, so 2 % are 5.7 sigma.
    """
    weights = torch.full((200, 200), 0.5)
    weights[0, 0] = 1.0
    noise = programmed("pcm-like", weights).snapshot() - weights
    other_device = 0.26348 / 25  # at zero conductance, cut at zero: a half Gaussian
    expected = math.hypot(0.95270 / 25, other_device * math.sqrt(0.5 - 0.5 / math.pi))
    assert noise.flatten()[1:].std().item() == pytest.approx(expected, rel=0.02)


def test_drift_of_pcm_is_a_power_of_time_and_compensation_undoes_its_mean() -> None:
    """At g_max nu = 0.049 on average, counted from t0 = 20 s: after a day (86420 / 20)^-0.049 = 0.663."""
    weights = torch.ones(100, 100)
    drifting, compensated = (programmed("pcm-like", weights, drift_compensation=on) for on in (False, True))
    for array in (drifting, compensated):
        array.elapse(DAY)
    assert drifting.snapshot().mean().item() == pytest.approx(0.663, abs=0.01)
    assert compensated.snapshot().mean().item() == pytest.approx(1.0, abs=0.01)


def test_ageing_keeps_the_programmed_realisation() -> None:
    array = programmed("pcm-like", matrix(50, 50), read_noise_scale=0.0)
    at_first = array.snapshot()
    array.elapse(DAY)
    once = array.snapshot()
    array.elapse(DAY)
    cells = torch.stack([at_first.flatten(), once.flatten(), array.snapshot().flatten()])
    assert torch.corrcoef(cells).min() > 0.98


def test_ageing_in_steps_is_ageing_at_once() -> None:
    at_once, in_steps = (programmed("pcm-like", matrix(20, 20), read_noise_scale=0.0) for _ in range(2))
    at_once.elapse(DAY)
    for _ in range(24):
        in_steps.elapse(DAY / 24)
    torch.testing.assert_close(in_steps.snapshot(), at_once.snapshot())


def test_a_tabulated_model_says_up_to_which_age_it_is_known() -> None:
    for model in NOISE_MODELS.values():
        table = getattr(programmed(model.name, matrix(3, 4))._model, "coeff_dic", None)
        assert model.oldest == (max(table) if table else math.inf)


def test_wan2022_enlarges_its_deviations_between_the_tabulated_ages() -> None:
    weights = matrix(60, 60)
    spread = []
    array = programmed("reram-wan2022", weights)
    for seconds in (1.0, 299.0, DAY - 300.0, 10 * DAY):
        array.elapse(seconds)
        spread.append((array.snapshot() - weights).std().item())
    assert spread[0] < spread[1] < spread[2]
    assert spread[3] == pytest.approx(spread[2], rel=0.05)


@pytest.mark.parametrize(
    ("seconds", "sigma", "at_zero"),
    [(1.0, 2.023, 0.348), (math.sqrt(DAY), (2.023 + 3.909) / 2, (0.348 + 0.701) / 2), (DAY, 3.909, 0.701)],
)
def test_wan2022_has_the_published_spread_and_between_the_ages_its_mean_in_the_logarithm(
    seconds: float, sigma: float, at_zero: float
) -> None:
    """Of half of 40 uS: the polynomials at 1/2, and max(0, N) of the other device, 0.5838 of its own at 0."""
    weights = torch.full((200, 200), 0.5)
    weights[0] = 1.0
    array = programmed("reram-wan2022", weights)
    array.elapse(seconds)
    expected = math.hypot(sigma, 0.5838 * at_zero) / 40
    assert array.snapshot()[1:].std().item() == pytest.approx(expected, rel=0.02)


def test_1f_noise_is_drawn_anew_at_each_age_and_relaxation_is_kept() -> None:
    """Without noise of programming, and a second before the ages differ only by what is drawn."""
    for name, least, most in (("pcm-like", -0.05, 0.05), ("reram-cmo", 0.95, 1.0)):
        scales = {"prog_noise_scale": 0.0} | ({"drift_scale": 0.0} if name == "pcm-like" else {"read_noise_scale": 0.0})
        weights = torch.linspace(0.2, 0.8, 10_000).view(100, 100)
        array, noises = programmed(name, weights, **scales), []
        for _ in range(2):
            array.elapse(1e4)
            noises.append((array.snapshot() - weights).flatten())
        assert least < torch.corrcoef(torch.stack(noises))[0, 1] <= most


def test_a_model_that_begins_at_a_second_leaves_younger_cells_as_programmed() -> None:
    array = programmed("reram-cmo", matrix(20, 15))
    before = array.snapshot()
    array.elapse(0.5)
    assert torch.equal(array.snapshot(), before)
    array.elapse(0.5)
    assert not torch.equal(array.snapshot(), before)


def test_the_mapping_is_undone() -> None:
    weights = matrix(30, 30)
    for name in ("pcm-like", "hermes"):
        clean = programmed(name, weights, prog_noise_scale=0.0)
        torch.testing.assert_close(clean.snapshot(), weights, rtol=1e-5, atol=1e-6)


def test_learning_and_wrong_input_are_refused() -> None:
    array = programmed("pcm-like", matrix(3, 4))
    with pytest.raises(NeurohwError, match="off-chip"):
        array.update(OuterProducts((Product(torch.ones(1, 3), torch.ones(1, 4)),), 1.0), 0.1)
    with pytest.raises(NeurohwError, match="off-chip"):
        array.increment(torch.ones(3, 4))
    with pytest.raises(InputError, match=r"'pcm'.*pcm-like.*hermes"):
        ProgrammedArray(matrix(3, 4), "pcm")
    with pytest.raises(InputError, match="options of noise model 'pcm-like'"):
        programmed("pcm-like", matrix(3, 4), colour="red")
    with pytest.raises(InputError, match="custom_drift_model"):
        ProgrammedArray(matrix(3, 4), "custom-drift-pcm-like")
    with pytest.raises(NeurohwError, match="cannot be mapped"):
        programmed("reram-cmo", torch.ones(3, 4))


def test_importing_the_arrays_does_not_import_aihwkit() -> None:
    code = (
        "import sys, neurohw.crossbar, neurohw.crossbar.build, neurohw.crossbar.aihwkit.programmed, "
        "neurohw.crossbar.aihwkit.array; sys.exit('aihwkit' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
