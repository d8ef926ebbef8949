"""1/f noise: its variance, covariance and spectrum against closed forms and scipy; what time, reads and writes do."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy import signal
from scipy.integrate import quad
from scipy.special import exp1
from torch import Tensor

from neurohw.bench.flicker import flicker
from neurohw.crossbar.analog import AnalogArray
from neurohw.crossbar.device_population import DevicePopulation
from neurohw.crossbar.flicker import Flicker
from neurohw.crossbar.periphery import ReadPath
from neurohw.devices.laws import ConstantStep
from neurohw.devices.retention import Retention
from neurohw.networks.capture import Capture

READ = 250e-9
SHAPE = (200, 250)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def ein(x: float) -> float:
    """Return int_0^x (1 - exp(-u)) / u du."""
    return float(exp1(x) + math.log(x) + np.euler_gamma) if x else 0.0


def covariance(early: float, late: float) -> float:
    """Return <n(early) n(late)> of traps at all log-uniform time constants above 2 exp(gamma) t_read.

    The integral of (1 - exp(-t / tau)) exp(-(t' - t) / tau) over d ln tau, in closed form.
    """
    shortest = 2 * math.exp(np.euler_gamma) * READ
    return ein(late / shortest) - ein((late - early) / shortest)


def at(flicker: Flicker, times: list[float]) -> list[Tensor]:
    found, last = [], 0.0
    for time in times:
        flicker.elapse(time - last)
        found.append(flicker.noise())
        last = time
    return found


def test_the_variance_is_the_published_one() -> None:
    """ln((t + t_read) / (2 t_read)), Nandakumar et al. 2019: 50,000 cells, 3 % are 5 standard errors."""
    times = [1e-4, 1e-2, 1.0, 3600.0, 86400.0, 1e7]
    for time, noise in zip(times, at(Flicker(SHAPE, READ, seeded()), times), strict=True):
        assert noise.var().item() == pytest.approx(math.log((time + READ) / (2 * READ)), rel=0.03), time
        assert abs(noise.mean().item()) < 5 * noise.std().item() / math.sqrt(noise.numel())


@pytest.mark.parametrize("between", [0, 9], ids=["in one step", "in ten steps"])
def test_the_covariance_is_that_of_traps_at_all_time_scales(between: int) -> None:
    """However the time is cut: 1 s after the write, and 20 us (a relaxation), 1 ms, 1 s, 1 h later."""
    start = 1.0
    for wait in (20e-6, 1e-3, 1.0, 3600.0):
        times = np.linspace(start, start + wait, between + 2).tolist()
        first, *_, last = at(Flicker(SHAPE, READ, seeded(1)), times)
        found = (first * last).mean().item()
        error = math.sqrt(covariance(start, start) * covariance(start + wait, start + wait) / first.numel())
        assert found == pytest.approx(covariance(start, start + wait), abs=5 * error), wait


def test_the_spectrum_is_one_over_f() -> None:
    """Welch's estimate of 900 cells, a day old, sampled 1,536 times a millisecond: S(f) = 1 / f, one-sided.

    Sampling folds down what is faster than the samples, so the whole spectrum is that of sampled traps at all time
    constants, integrated by scipy.
    """
    flicker, step = Flicker((30, 30), READ, seeded(2)), 1e-3
    flicker.elapse(86400.0)
    series = []
    for _ in range(1536):
        flicker.elapse(step)
        series.append(flicker.noise().flatten())
    frequency, power = signal.welch(torch.stack(series, 1).numpy(), fs=1 / step, nperseg=512, detrend="constant")

    def sampled(f: float) -> float:
        def one(log_tau: float) -> float:
            kept = math.exp(-step / math.exp(log_tau))
            return 2 * step * (1 - kept**2) / (1 - 2 * kept * math.cos(2 * math.pi * f * step) + kept**2)

        return float(quad(one, math.log(2 * math.exp(np.euler_gamma) * READ), math.log(1e9), limit=200)[0])

    for low, high in ((4, 10), (10, 50), (50, 150), (150, 450)):
        band = np.flatnonzero((frequency >= low) & (frequency <= high))
        assert power[:, band].mean() == pytest.approx(np.mean([sampled(frequency[i]) for i in band]), rel=0.08), low
    lowest = np.flatnonzero((frequency >= 4) & (frequency <= 7))
    floor = 2 * step * math.log(step / READ)  # what is above half the rate of sampling, 500 Hz, folds down evenly
    assert (power[:, lowest].mean(0) - floor).mean() == pytest.approx((1 / frequency[lowest]).mean(), rel=0.1)


def test_a_write_starts_the_noise_of_its_cell_anew() -> None:
    flicker = Flicker((3, 4), READ, seeded(3))
    flicker.elapse(1e6)
    before = flicker.noise()
    flicker.write(torch.tensor([5, 11]))
    expected = before.clone()
    expected.view(-1)[[5, 11]] = 0.0
    assert before.view(-1)[[5, 11]].abs().min() > 0
    assert torch.equal(flicker.noise(), expected)
    later = []
    for _ in range(5):
        flicker.elapse(10.0)
        later.append(flicker.noise().view(-1)[[5, 11]])
    assert torch.stack(later).any(0).all()
    flicker.write()
    assert not flicker.noise().any()


def test_short_steps_wait_and_are_not_lost() -> None:
    one, many = Flicker(SHAPE, READ, seeded(4)), Flicker(SHAPE, READ, seeded(4))
    assert not many.elapse(READ)
    changed = [many.elapse(READ) for _ in range(999)]
    assert 50 < sum(changed) < 100  # about every eleven reads
    one.elapse(1000 * READ)
    assert many.noise().var().item() == pytest.approx(one.noise().var().item(), rel=0.03)


# in an array


def array_of(weights: Tensor, seed: int = 5, **retention: Any) -> AnalogArray:
    law = ConstantStep(w_max=1.0, w_min=-1.0, w_max_dtod=0.0, w_min_dtod=0.0)
    device = DevicePopulation(law, Retention(**retention), zero=-1.0, signed=False)
    return AnalogArray(weights, device, read_path=ReadPath.perfect(), generator=seeded(seed), reference="offset")


def test_reads_of_one_moment_agree_and_later_ones_hardly_differ() -> None:
    """Fifty reads after 1 s: the share of the variance that moved is Ein(50 t_read) / ln(1 s), about a sixth."""
    array = array_of(torch.full(SHAPE, 0.5), read_noise_1f=0.02)
    array.elapse(1.0)
    ones = torch.eye(SHAPE[1])
    first, again = array.read(ones), array.read(ones)
    assert torch.equal(first, again)
    assert first.std().item() == pytest.approx(0.02 * 1.5, rel=0.03)
    assert torch.equal(array.read_transposed(torch.eye(SHAPE[0])), first.t())  # the very same cells
    for _ in range(50):
        last = array.read(ones)
    together = torch.corrcoef(torch.stack([first.flatten(), last.flatten()]))[0, 1].item()
    assert together == pytest.approx(covariance(1.0, 1.0 + 50 * READ) / covariance(1.0, 1.0), abs=0.03)


def test_no_device_without_it_pays_for_it() -> None:
    array = array_of(torch.zeros(3, 4))
    assert array.cells.banks["cell"].aging.flicker is None
    matrix, _ = array._as_read()
    for _ in range(100):
        array.read(torch.ones(1, 4))
    assert array._as_read()[0] is matrix


def test_a_restored_array_has_the_noise_of_the_saved_one() -> None:
    array, other = (array_of(torch.full((6, 7), 0.5), seed, read_noise_1f=0.02) for seed in (6, 7))
    array.elapse(5.0)
    for _ in range(5):
        array.read(torch.ones(1, 7))
    other.load_state_dict(array.state_dict())
    for _ in range(30):
        assert torch.equal(array.read(torch.ones(1, 7)), other.read(torch.ones(1, 7)))
    assert not torch.equal(array.snapshot(), torch.full((6, 7), 0.5))


def test_its_reads_are_not_recorded() -> None:
    """Reads take time, which moves the cells: a recording that replays them would hold the noise still for ever."""
    recordings = []

    def record(*arguments: Any) -> Any:
        recordings.append(arguments)
        return lambda: [torch.zeros(1)]

    for noise, recorded in ((0.0, 1), (0.02, 0)):
        array = array_of(torch.zeros(3, 4), read_noise_1f=noise)
        Capture(record)(lambda given, array=array: [array.read(given["x"])], {"x": torch.ones(1, 4)}, [array], "reads")
        assert len(recordings) == recorded
        recordings.clear()


def test_what_re_read_and_held_inputs_feel_of_white_and_of_1f_noise() -> None:
    """White noise of a re-read state falls to sqrt(dt / (2 - dt)) = 1/3; 1/f noise stays, and cancels in a contrast."""
    rows = {(row["noise"], row["input"]): row for row in flicker(repeats=25)}
    over = {key: row["over_one_read"] for key, row in rows.items()}
    assert over["1/f", "held"] == pytest.approx(1.0, rel=0.05)
    assert over["white", "re-read"] == pytest.approx(1 / 3, rel=0.05)
    assert 0.9 < over["1/f", "re-read"] < 1.0
    of_contrast = {key: row["contrast_error"] for key, row in rows.items()}
    assert of_contrast["1/f", "re-read"] < 0.7 * of_contrast["white", "re-read"]
    assert of_contrast["1/f", "held"] == pytest.approx(of_contrast["white", "held"], rel=0.1)
