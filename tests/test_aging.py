"""Time: drift, decay, diffusion, relaxation and 1/f noise against their closed forms, and drift compensation."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import kstest
from torch import Tensor

from neurohw.crossbar.analog import AnalogArray
from neurohw.crossbar.base import OuterProducts, Product
from neurohw.crossbar.device_population import DevicePopulation
from neurohw.crossbar.periphery import PulseScheme, ReadPath
from neurohw.devices.laws import ConstantStep, LinearStep
from neurohw.devices.retention import Retention
from neurohw.errors import InputError
from neurohw.fitting.measurements import RetentionCurves
from neurohw.fitting.retention import fit_retention

CERTAIN: dict[str, Any] = {
    "step_dtod": 0.0, "step_ctoc": 0.0, "asymmetry_dtod": 0.0, "w_max_dtod": 0.0, "w_min_dtod": 0.0,
}  # fmt: skip
LAW = ConstantStep(step=0.001, w_max=1.0, w_min=-1.0, **CERTAIN)
WEIGHTS = torch.rand(10, 12, generator=torch.Generator().manual_seed(1)) - 0.5


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def array_of(weights: Tensor, zero: float = 0.0, compensation: str = "none", path: ReadPath | None = None,
             remedy: str = "none", **retention: float) -> AnalogArray:  # fmt: skip
    """Return weights signed by themselves, or, where zero is given, conductances less a constant number."""
    device = DevicePopulation(LAW, Retention(**retention), zero=zero, signed=not zero)
    return AnalogArray(
        weights, device, remedy, read_path=path or ReadPath.perfect(), generator=seeded(2), compensation=compensation,
        pulses=PulseScheme(kind="deterministic"), reference="offset" if zero and remedy == "none" else None,
    )  # fmt: skip


def pulse_cell(array: AnalogArray, row: int, column: int, steps: int) -> None:
    post, pre = torch.zeros(1, array.shape[0]), torch.zeros(1, array.shape[1])
    post[0, row] = pre[0, column] = 1.0
    array.update(OuterProducts((Product(post, pre),), 1.0), steps * 0.001)


# drift


@pytest.mark.parametrize("zero", [0.0, -1.2])
def test_drift_is_a_power_of_the_time_since_the_write(zero: float) -> None:
    """G(t) = G(t0) (t / t0)^-nu, nothing before t0; the conductance is proportional to w - zero."""
    array = array_of(WEIGHTS, zero, drift_nu=0.1, drift_t0=20.0)
    for wait, since in ((5.0, 5.0), (15.0, 20.0), (180.0, 200.0), (19_800.0, 20_000.0)):
        array.elapse(wait)
        factor = max(since / 20.0, 1.0) ** -0.1
        torch.testing.assert_close(array.snapshot() - zero, (WEIGHTS - zero) * factor, rtol=1e-5, atol=1e-6)


def test_a_write_restarts_the_drift_of_its_cell_alone() -> None:
    array = array_of(WEIGHTS, drift_nu=0.1)
    array.elapse(100.0)
    pulse_cell(array, 3, 4, 10)
    drifted = WEIGHTS * 100.0**-0.1
    expected = drifted.clone()
    expected[3, 4] += 0.010
    torch.testing.assert_close(array.snapshot(), expected)
    array.elapse(900.0)
    later = WEIGHTS * 1000.0**-0.1
    later[3, 4] = expected[3, 4] * 900.0**-0.1
    torch.testing.assert_close(array.snapshot(), later)


def test_exponents_spread_from_device_to_device_and_stay() -> None:
    """nu of 10,000 cells: mean to 5 standard errors, standard deviation to 4 %; the same at any time."""
    array = array_of(torch.full((100, 100), 0.5), drift_nu=0.06, drift_nu_dtod=0.02)
    array.elapse(1000.0)
    nu = -(array.snapshot() / 0.5).log() / math.log(1000.0)
    assert nu.mean().item() == pytest.approx(0.06, abs=5 * 0.02 / 100)
    assert nu.std().item() == pytest.approx(0.02, rel=0.04)
    array.elapse(9000.0)
    torch.testing.assert_close(array.snapshot(), 0.5 * 10_000.0**-nu, rtol=1e-4, atol=0)


def test_exponents_can_depend_on_the_state() -> None:
    """nu + slope (s - 1/2), s = (G - g_min) / (g_max - g_min): also where g_min is not zero, as here at zero -1.5.

    As `device fit` finds it: data of its law, fitted in siemens, give back the slope and the exponent.
    """
    weights = torch.tensor([[-0.8, 0.0, 0.8]])
    array = array_of(weights, -1.5, drift_nu=0.1, drift_nu_state=-0.08)
    array.elapse(50.0)
    nu = 0.1 - 0.08 * ((weights + 1) / 2 - 0.5)
    torch.testing.assert_close(array.snapshot() + 1.5, (weights + 1.5) * 50.0**-nu)

    start = np.linspace(0.5, 2.5, 40)  # g_min 0.5 and g_max 2.5 siemens, for weights -1 to 1 and zero -1.5
    array = array_of(torch.from_numpy(start[None] - 1.5).float(), -1.5, drift_nu=0.1, drift_nu_state=-0.08)
    seconds, found = np.array([1.0, 10.0, 100.0, 1e4]), []
    for wait in np.diff(seconds, prepend=0.0):
        array.elapse(float(wait))
        found.append(array.conductances()["cell"][0].double().numpy())
    names = tuple(str(i) for i in range(len(start)))
    curves = RetentionCurves((seconds,) * len(start), tuple(np.stack(found, 1)), names, "simulated")
    fit = fit_retention(curves, 0.5, 2.5).estimates
    assert fit["drift_nu"].value == pytest.approx(0.1, rel=1e-3)
    assert fit["drift_nu_state"].value == pytest.approx(-0.08, rel=1e-3)


# decay, diffusion, relaxation


def test_decay_goes_to_rest_exponentially() -> None:
    array = array_of(WEIGHTS, lifetime=40.0, rest=0.2)
    array.elapse(10.0)
    torch.testing.assert_close(array.snapshot(), 0.2 + (WEIGHTS - 0.2) * math.exp(-0.25))
    array.elapse(1e6)
    torch.testing.assert_close(array.snapshot(), torch.full_like(WEIGHTS, 0.2))


def test_lifetimes_spread_from_device_to_device() -> None:
    array = array_of(torch.full((100, 100), 0.5), lifetime=40.0, lifetime_dtod=0.1)
    array.elapse(10.0)
    lifetimes = -10.0 / (array.snapshot() / 0.5).log()
    assert lifetimes.mean().item() == pytest.approx(40.0, rel=0.006)
    assert lifetimes.std().item() == pytest.approx(4.0, rel=0.04)


def test_walks_spread_from_device_to_device() -> None:
    """Of sigma 0.05 sqrt(1 + 0.4^2); on the same way again, a cell that has gone far goes far: fourth moments."""
    array = array_of(torch.zeros(200, 200), diffusion=0.01, diffusion_dtod=0.4)
    array.elapse(25.0)
    far = array.snapshot()
    assert far.std().item() == pytest.approx(0.05 * math.sqrt(1.16), rel=0.025)
    array.elapse(25.0)
    ways = torch.stack([far.square().flatten(), (array.snapshot() - far).square().flatten()])
    assert torch.corrcoef(ways)[0, 1].item() == pytest.approx(0.146, abs=0.03)


def test_no_device_drifts_upwards_however_wide_exponents_spread() -> None:
    """Exponents are |N(m, s)|, as aihwkit's: mean s sqrt(2 / pi) exp(-m^2 / 2 s^2) + m erf(m / (s sqrt 2))."""
    array = array_of(torch.full((200, 200), 0.4), drift_nu=0.01, drift_nu_dtod=0.027)
    array.elapse(1e4)
    exponents = -(array.snapshot() / 0.4).log() / math.log(1e4)
    assert exponents.min() > -1e-6
    ratio = 0.01 / 0.027
    mean = 0.027 * math.sqrt(2 / math.pi) * math.exp(-(ratio**2) / 2) + 0.01 * math.erf(ratio / math.sqrt(2))
    assert exponents.mean().item() == pytest.approx(mean, rel=0.02)


@pytest.mark.parametrize("steps", [1, 25])
def test_diffusion_grows_with_the_root_of_time(steps: int) -> None:
    array = array_of(torch.zeros(100, 100), diffusion=0.01)
    for _ in range(steps):
        array.elapse(25.0 / steps)
    assert array.snapshot().std().item() == pytest.approx(0.05, rel=0.04)
    assert abs(array.snapshot().mean().item()) < 5 * 0.05 / 100


@pytest.mark.parametrize("steps", [1, 2, 50])
def test_a_walk_that_decays_keeps_its_variance_however_time_is_cut(steps: int) -> None:
    """Ornstein-Uhlenbeck: variance sigma^2 (1 - exp(-2 t / tau)) tau / 2, at t = 2 tau a quarter of the walk's."""
    array = array_of(torch.full((200, 200), 0.4), lifetime=30.0, rest=0.1, diffusion=0.01)
    for _ in range(steps):
        array.elapse(60.0 / steps)
    found, sigma = array.snapshot(), 0.01 * math.sqrt(15.0 * -math.expm1(-4.0))
    assert found.std().item() == pytest.approx(sigma, rel=5 / math.sqrt(2 * 40_000))
    assert found.mean().item() == pytest.approx(0.1 + 0.3 * math.exp(-2.0), abs=5 * sigma / 200)


@pytest.mark.parametrize("steps", [1, 2, 50])
def test_a_walk_turns_back_at_a_bound_however_time_is_cut(steps: int) -> None:
    """From the upper bound on it is high - |Gaussian of sigma sqrt(t)|; ending there would leave half at the bound."""
    array = array_of(torch.full((200, 200), 1.0), diffusion=0.02)
    for _ in range(steps):
        array.elapse(100.0 / steps)
    below = 1.0 - array.snapshot()
    assert below.mean().item() == pytest.approx(0.2 * math.sqrt(2 / math.pi), abs=5 * 0.2 * 0.603 / 200)
    assert below.square().mean().item() == pytest.approx(0.04, rel=5 * math.sqrt(2) / 200)


def test_a_walk_between_two_bounds_forgets_where_it_began() -> None:
    """Uniform within asymmetric bounds after (high - low)^2 / sigma^2 seconds, in one step as in many."""
    law = ConstantStep(step=0.001, w_max=0.6, w_min=-0.2, **CERTAIN)
    device = DevicePopulation(law, Retention(diffusion=0.02))
    array = AnalogArray(torch.zeros(200, 200), device, read_path=ReadPath.perfect(), generator=seeded(3))
    array.elapse(3 * (0.8 / 0.02) ** 2)
    assert kstest(array.snapshot().flatten().numpy(), "uniform", (-0.2, 0.8)).pvalue > 1e-4


@pytest.mark.parametrize("steps", [1, 20])
@pytest.mark.parametrize(
    ("law", "left"),
    [({"drift_nu": 0.3}, 1e4**-0.3), ({"loss_per_decade": 0.2}, 0.2),
     ({"lifetime": 2e4, "stretch": 0.5, "rest": 0.2}, math.exp(-(0.5**0.5)))],
    ids=["power", "logarithmic", "stretched"],
)  # fmt: skip
def test_drift_takes_nothing_from_a_walk_however_time_is_cut(law: dict[str, float], left: float, steps: int) -> None:
    """Mean w' + (0.4 - w') left, spread sigma sqrt(t) times sqrt(1 + dtod^2); 40,000 cells, five standard errors."""
    array = array_of(torch.full((200, 200), 0.4), **law, diffusion=4e-4, diffusion_dtod=0.5)
    for _ in range(steps):
        array.elapse(1e4 / steps)
    found, sigma, end = array.snapshot(), 0.04 * math.sqrt(1.25), law.get("rest", 0.0)
    assert found.mean().item() == pytest.approx(end + (0.4 - end) * left, abs=5 * sigma / 200)
    assert found.std().item() == pytest.approx(sigma, rel=0.03)  # kurtosis 3 (1 + 6 / 16 + 3 / 256) / 1.5625


def test_a_write_takes_over_what_a_cell_has_walked() -> None:
    """A pulse moves a cell from where it is; then it walks, and drifts, from there."""
    array = array_of(torch.full((20, 20), 0.4), drift_nu=0.1, diffusion=1e-3)
    array.elapse(1e3)
    before = array.snapshot()
    pulse_cell(array, 0, 0, 5)
    after = array.snapshot()
    assert (after - before)[0, 0].item() == pytest.approx(0.005, abs=1e-6)
    assert torch.equal((after - before).nonzero(), torch.tensor([[0, 0]]))
    array.elapse(1e-3)
    assert (array.snapshot() - after).abs().max() < 1e-3


def test_a_walk_of_a_cell_that_drifts_stays_above_no_conductance() -> None:
    """The lower bound, of 0.2 in conductance, drifts to a tenth of that, and walks spread over the whole range."""
    array = array_of(torch.full((100, 100), -0.9), -1.2, drift_nu=0.2, diffusion=0.03)
    array.elapse(1e5)
    found = array.snapshot()
    assert found.min().item() == pytest.approx(-1.2 + 0.02, abs=2e-3)
    assert found.max().item() == pytest.approx(1.0, abs=2e-3)
    array.elapse(1e7)
    assert array.snapshot().min() > -1.2


def test_what_relaxed_decays_with_the_weight() -> None:
    """Relaxation is over within seconds, decay goes on: a wait of ten lifetimes leaves nothing of either."""
    array = array_of(WEIGHTS, lifetime=1e4, rest=0.1, relaxation=0.05, relaxation_time=1.0)
    array.elapse(1e5)
    assert (array.snapshot() - 0.1).abs().max().item() < 1e-4


def test_relaxation_settles_once_after_a_write() -> None:
    """A Gaussian of sigma 0.05, (1 - exp(-t / tau)) of it done after t; then nothing until the next write."""
    array = array_of(torch.zeros(100, 100), relaxation=0.05, relaxation_time=2.0)
    array.elapse(1.0)
    early = array.snapshot()
    assert early.std().item() == pytest.approx(0.05 * -math.expm1(-0.5), rel=0.04)
    array.elapse(100.0)
    late = array.snapshot()
    torch.testing.assert_close(early, late * -math.expm1(-0.5))
    array.elapse(100.0)
    torch.testing.assert_close(array.snapshot(), late)
    pulse_cell(array, 0, 0, 5)
    array.elapse(100.0)
    assert (array.snapshot() != late).nonzero().tolist() == [[0, 0]]
    assert abs(array.snapshot()[0, 0] - late[0, 0] - 0.005) > 1e-4


# 1/f noise


def test_flicker_noise_grows_with_the_logarithm_of_time() -> None:
    """c |w - zero| sqrt(log((t + t_r) / (2 t_r)) / log((1 + t_r) / (2 t_r))): c at one second; 3 % are 6 errors."""
    array = array_of(torch.full((100, 200), 0.5), -1.0, read_noise_1f=0.02, read_time=1e-6)
    ones, last = torch.eye(200), 0.0
    for since in (1.0, 100.0, 1e6):
        array.elapse(since - last)
        last = since
        growth = math.sqrt(math.log((since + 1e-6) / 2e-6) / math.log((1 + 1e-6) / 2e-6))
        assert array.read(ones).std().item() == pytest.approx(0.02 * 1.5 * growth, rel=0.03)
    assert not array.exact


def test_flicker_noise_is_none_right_after_a_write() -> None:
    array = array_of(torch.full((1, 1), 0.5), read_noise_1f=0.02)
    assert array.read(torch.ones(100, 1)).std().item() < 1e-6


def test_flicker_noise_of_cells_that_drift_follows_the_conductance_as_written() -> None:
    """c (2 G / g_max)^p of what is left, at 1 s; G = 0.35 g_max as written, 4 % of that by then; 3 % are 6 errors."""
    numbers = {"drift_nu": 0.7, "drift_t0": 1e-2, "read_noise_1f": 0.02, "read_noise_1f_power": -0.65}
    array = array_of(torch.full((100, 200), -0.43), -1.2, **numbers)
    array.elapse(1.0)
    read = array.read(torch.eye(200)) + 1.2
    assert read.mean().item() == pytest.approx(0.77 * 100**-0.7, rel=0.002)
    assert (read.std() / read.mean()).item() == pytest.approx(0.02 * 0.7**-0.65, rel=0.03)


def test_flicker_noise_of_low_conductances_has_a_most() -> None:
    """0.02 (2 G / g_max)^-2 is 0.5 at a tenth of g_max, where the most is 0.05, and 0.02 at a half, where it is not."""
    numbers = {"read_noise_1f": 0.02, "read_noise_1f_power": -2.0, "read_noise_1f_most": 0.05}
    for share, noise in ((0.1, 0.05), (0.5, 0.02)):
        array = array_of(torch.full((100, 200), -1.2 + share * 2.2), -1.2, **numbers)
        array.elapse(1.0)
        assert array.read(torch.eye(200)).std().item() == pytest.approx(noise * share * 2.2, rel=0.03)


def test_flicker_noise_makes_no_conductance_negative() -> None:
    """Noise as large as the conductance: a sixth of the Gaussian lies below none, and reads as none."""
    array = array_of(torch.full((100, 200), 0.5), -1.2, read_noise_1f=1.0)
    array.elapse(1.0)
    read = array.read(torch.eye(200)) + 1.2
    assert read.min() >= -1e-6
    assert (read < 1e-6).float().mean().item() == pytest.approx(0.159, abs=0.02)


# time adds up


@pytest.mark.parametrize(
    "retention",
    [{"drift_nu": 0.1, "drift_nu_dtod": 0.02}, {"lifetime": 30.0, "lifetime_dtod": 0.2, "rest": 0.1},
     {"relaxation": 0.05, "relaxation_time": 3.0}],
    ids=["drift", "decay", "relaxation"],
)  # fmt: skip
def test_two_waits_are_one_wait(retention: dict[str, float]) -> None:
    one, two = array_of(WEIGHTS, **retention), array_of(WEIGHTS, **retention)
    one.elapse(17.0)
    two.elapse(4.0)
    two.elapse(13.0)
    assert (one.snapshot() - WEIGHTS).abs().max() > 1e-3
    torch.testing.assert_close(one.snapshot(), two.snapshot())


def test_no_weight_leaves_its_bounds_in_time() -> None:
    array = array_of(torch.full((30, 30), 0.98), diffusion=0.1, relaxation=0.1)
    array.elapse(100.0)
    assert array.snapshot().abs().max() <= 1.0


# compensation


@pytest.mark.parametrize("compensation", ["global", "per-column"])
def test_compensation_removes_a_common_factor_exactly(compensation: str) -> None:
    array = array_of(WEIGHTS, compensation=compensation, drift_nu=0.1)
    pre, post = torch.rand(3, 12, generator=seeded(3)), torch.randn(3, 10, generator=seeded(4))
    for _ in range(3):
        array.elapse(1000.0)
        torch.testing.assert_close(array.read(pre), pre @ WEIGHTS.t())
        torch.testing.assert_close(array.read_transposed(post), post @ WEIGHTS)
        torch.testing.assert_close(array.snapshot(), WEIGHTS)
    torch.testing.assert_close(array.conductances()["cell"], (WEIGHTS * 3000.0**-0.1).clamp(min=0))


def test_compensation_per_column_removes_a_factor_per_column() -> None:
    """Exponents that differ between outputs but not within one: a global factor is not enough."""
    found = {}
    for compensation in ("global", "per-column"):
        array = array_of(WEIGHTS, compensation=compensation, drift_nu=0.1, drift_nu_dtod=0.01)
        xi = array.cells.banks["cell"].aging._state["xi"]
        xi.copy_(torch.linspace(-10.0, 10.0, 10)[:, None].expand_as(xi))  # nu from 0 to 0.2
        array.elapse(1000.0)
        found[compensation] = array.snapshot()
    torch.testing.assert_close(found["per-column"], WEIGHTS)
    assert (found["global"] - WEIGHTS).abs().max() > 0.05


@pytest.mark.parametrize("compensation", ["global", "per-column"])
@pytest.mark.parametrize("way", ["update", "increment", "nothing"])
def test_a_write_moves_the_weight_as_asked_and_keeps_the_factor(compensation: str, way: str) -> None:
    """1000^0.1 is 2: 10 steps of W are 5 pulses. The digital factor of the cells that were not written stays."""
    array = array_of(WEIGHTS, compensation=compensation, drift_nu=0.1)
    array.elapse(1024.0)
    wanted = torch.zeros_like(WEIGHTS)
    wanted[0, 0] = 0.0 if way == "nothing" else 0.010
    if way == "increment":
        writes = array.increment(wanted)
    else:
        one = Product(torch.eye(10)[:1] * wanted[0, 0], torch.eye(12)[:1])
        writes = array.update(OuterProducts((one,), 1.0), 1.0)
    assert writes.pulses_up == (0 if way == "nothing" else 5)
    torch.testing.assert_close(array.snapshot(), WEIGHTS + wanted)
    level = array.snapshot().abs().mean(1)
    for _ in range(2):
        array.elapse(3000.0)
        found = array.snapshot().abs().mean(1)
        torch.testing.assert_close(found if compensation == "per-column" else found.mean(),
                                   level if compensation == "per-column" else level.mean())  # fmt: skip
    array.program(WEIGHTS)
    assert (array.snapshot() - WEIGHTS).abs().max() < 0.001


@pytest.mark.parametrize("compensation", ["global", "per-column"])
def test_what_has_no_level_is_not_compensated(compensation: str) -> None:
    array = array_of(torch.zeros(10, 12), compensation=compensation, diffusion=0.01)
    array.elapse(1.0)
    assert array.snapshot().std().item() == pytest.approx(0.01, rel=0.3)


@pytest.mark.parametrize("compensation", ["global", "per-column"])
def test_a_factor_that_was_held_for_a_while_is_renewed_again_afterwards(compensation: str) -> None:
    array = array_of(WEIGHTS, compensation=compensation, drift_nu=0.1)
    array.elapse(10.0)
    with array.compensating("none"):
        array.elapse(990.0)
        torch.testing.assert_close(array.snapshot(), WEIGHTS * 100.0**-0.1)  # the factor of 10 s
    array.elapse(9000.0)
    torch.testing.assert_close(array.snapshot(), WEIGHTS)


@pytest.mark.parametrize("seconds", [-5.0, float("nan"), float("inf")])
def test_time_that_is_none_is_refused(seconds: float) -> None:
    with pytest.raises(InputError, match=r"elapse: got .*; allowed: a finite time of at least 0 s"):
        array_of(WEIGHTS).elapse(seconds)


def test_cells_that_have_drifted_are_programmed_from_where_they_are() -> None:
    """0.5 has become -1.2 + 1.7 / 2: it is 1.35 below the bound, not 0.5, and steps are those of there."""
    even = {"gamma_up_dtod": 0.0, "gamma_down_dtod": 0.0}
    law = LinearStep(step=0.001, w_max=1.0, w_min=-1.0, gamma_up=0.5, gamma_down=0.5, **CERTAIN, **even)
    device = DevicePopulation(law, Retention(drift_nu=0.1), zero=-1.2)
    array = AnalogArray(torch.full((4, 4), 0.5), device, read_path=ReadPath.perfect(), reference="offset")
    array.elapse(1024.0)
    now = -1.2 + 1.7 / 2
    step = array.cells.step(torch.tensor([3]), True).mean
    assert step.item() == pytest.approx(0.001 * (1 - 0.5 * now), rel=1e-4)
    torch.testing.assert_close(array.cells.room(True), torch.full((4, 4), 1.0 - now))
    array.program(torch.full((4, 4), 0.9))
    torch.testing.assert_close(array.snapshot(), torch.full((4, 4), 0.9), rtol=0, atol=0.001)


def test_a_reset_restarts_the_drift_of_its_cell() -> None:
    """0.2 in conductance at the bottom, 500 s after the reset; the cell beside it is 1500 s old."""
    array = array_of(torch.full((2, 2), -1.0), -1.2, drift_nu=0.1)
    array.elapse(1000.0)
    array.cells.banks["cell"].reset(torch.tensor([0]))
    array.elapse(500.0)
    found = array.snapshot() + 1.2
    torch.testing.assert_close(found.flatten()[:2], 0.2 * torch.tensor([500.0, 1500.0]) ** -0.1)


def test_both_devices_of_a_pair_drift_together() -> None:
    """w+ - w-: what is common, the conductance at weight zero included, cancels."""
    array = array_of(WEIGHTS, -1.5, remedy="differential", drift_nu=0.1)
    array.elapse(100.0)
    torch.testing.assert_close(array.snapshot(), WEIGHTS * 100.0**-0.1)
