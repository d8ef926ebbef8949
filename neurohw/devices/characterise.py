"""What a device does, computed from its model: staircases, step sizes, retention, read noise; `draw` draws it.

Everything is seeded by the generator that is passed. Staircases and steps are in weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from neurohw.devices.model import DeviceModel
from neurohw.devices.response import Cells, PulseResponse
from neurohw.devices.retention import Retention
from neurohw.devices.retention_laws import laws_of
from neurohw.errors import InputError

POINTS = 201  # of a curve
READS = 2000  # of the read-noise histogram


@dataclass(frozen=True)
class Staircase:
    """Weights of a population through potentiating, then depressing pulses, cycle by cycle.

    Args:
        weights: [devices, cycles, 1 + pulses_up + pulses_down], as they are seen; the first is before any pulse.
        polarity: [pulses_up + pulses_down], +1 or -1.
        w_max, w_min: [devices], the cells' own bounds.
    """

    weights: np.ndarray
    polarity: np.ndarray
    w_max: np.ndarray
    w_min: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """Mean over devices and cycles, [pulses + 1]."""
        return np.asarray(self.weights.mean((0, 1)))

    @property
    def device_to_device(self) -> np.ndarray:
        """Standard deviation over devices of their mean over cycles, [pulses + 1]; 0 for one device."""
        means = self.weights.mean(1)
        return means.std(0, ddof=1) if len(means) > 1 else np.zeros(means.shape[1])

    @property
    def cycle_to_cycle(self) -> np.ndarray:
        """Root mean square over devices of their standard deviation over cycles, [pulses + 1]; 0 for one cycle."""
        if self.weights.shape[1] < 2:
            return np.zeros(self.weights.shape[2])
        return np.asarray(np.sqrt(self.weights.var(1, ddof=1).mean(0)))


@dataclass(frozen=True)
class StepSizes:
    """Mean |dw| of a pulse against the weight: the mean cell, and the spread over cells.

    Args:
        w: [points]; up, down: the mean cell's steps; up_std, down_std: standard deviations over cells at that weight.
        up_noise, down_noise: cycle-to-cycle standard deviations of the mean cell's steps.
        symmetry_point: the weight at which up and down are equal; None where there is no such point.
    """

    w: np.ndarray
    up: np.ndarray
    down: np.ndarray
    up_std: np.ndarray
    down_std: np.ndarray
    up_noise: np.ndarray
    down_noise: np.ndarray
    symmetry_point: float | None


@dataclass(frozen=True)
class DriftCurves:
    """Conductances over the time since the last write, as the laws of retention have it.

    Args:
        seconds: [times]; start: [states], S; mean, std: [states, times], S, over devices.
    """

    seconds: np.ndarray
    start: np.ndarray
    mean: np.ndarray
    std: np.ndarray


@dataclass(frozen=True)
class ReadNoise:
    """Reads of one cell in the middle of its range.

    Args:
        sigma: standard deviation of a read, S; reads: [n], S, deviations from the mean.
    """

    sigma: float
    reads: np.ndarray


@dataclass(frozen=True)
class Characteristics:
    """Everything that `neurohw device plot` draws."""

    device: DeviceModel
    staircase: Staircase
    steps: StepSizes
    drift: DriftCurves
    read_noise: ReadNoise


def staircase(
    response: PulseResponse,
    devices: int,
    pulses_up: int,
    pulses_down: int,
    cycles: int,
    generator: torch.Generator,
    start: float | None = None,
    reset: bool = False,
) -> Staircase:
    """Give every cell of a population the same trains, one pulse at a time: w <- clip(w +- (step + noise * xi)).

    The next cycle starts where the last one ended, or anew (`reset`). Seen after a pulse: w + write_noise * step * xi.

    Args:
        response: the law.
        devices, pulses_up, pulses_down, cycles: how many.
        generator: of every draw.
        start: weight before the first pulse; each cell's own lower bound unless given.
        reset: every cycle begins at `start`, as after an erasing pulse.

    Raises:
        InputError: a number of devices or cycles below 1, or of pulses below 0.
    """
    least = {"devices": 1, "pulses_up": 0, "pulses_down": 0, "cycles": 1}
    for (name, lowest), value in zip(least.items(), (devices, pulses_up, pulses_down, cycles), strict=True):
        if value < lowest:
            raise InputError(f"staircase: {name}: got {value}; allowed: at least {lowest}")
    cells = response.draw((devices,), generator)
    first = cells["w_min"].clone() if start is None else torch.full_like(cells["w_min"], start)
    first = w = first.clamp(cells["w_min"], cells["w_max"])
    polarity = np.repeat([1, -1], [pulses_up, pulses_down])
    seen = torch.empty(cycles, len(polarity) + 1, devices)
    visible = w
    for cycle in range(cycles):
        if reset:
            w = visible = first
        seen[cycle, 0] = visible
        for i, sign in enumerate(polarity, 1):
            w = pulsed(response, w, cells, sign > 0, generator)
            visible = w
            if response.write_noise > 0:
                visible = w + response.write_noise * response.step * _gauss(w, generator)
            seen[cycle, i] = visible
    bounds = {key: cells[key].double().numpy() for key in ("w_max", "w_min")}
    return Staircase(seen.permute(2, 0, 1).double().numpy(), polarity, **bounds)


def step_sizes(device: DeviceModel, devices: int, generator: torch.Generator) -> StepSizes:
    """Return the steps of the mean cell, and their spread over `devices` cells, between the mean bounds."""
    law = device.response()
    w = torch.linspace(law.w_min, law.w_max, POINTS)
    mean, cells = law.mean_cell(), law.draw((devices, 1), generator)
    curves = {}
    for side, up in (("up", True), ("down", False)):
        steps = law.steps(w.clone(), mean, up).expand_as(w)
        noise = law.noise(w.clone(), steps.clone(), mean, up)
        population = law.steps(w.expand(devices, -1).clone(), cells, up).expand(devices, POINTS)
        population = population.where((w <= cells["w_max"]) & (w >= cells["w_min"]), torch.nan)
        curves[side] = steps.double().numpy()
        curves[f"{side}_noise"] = torch.as_tensor(noise).abs().expand_as(w).double().numpy()
        curves[f"{side}_std"] = _spread(population.double().numpy())
    return StepSizes(w.double().numpy(), **curves, symmetry_point=device.symmetry_point())


def drift_curves(
    retention: Retention,
    start: np.ndarray,
    seconds: np.ndarray,
    devices: int,
    generator: torch.Generator,
    g_min: float,
    g_max: float,
    g_origin: float = 0.0,
    g_rest: float = 0.0,
) -> DriftCurves:
    """Return G(t) = G' + (G - G') left(t) of each device, law after law, see `neurohw.devices.retention_laws`.

    Args:
        retention: how the devices age.
        start: [states], S, conductances as written.
        seconds: [times], since the last write.
        devices: how many per state.
        generator: of the devices' own numbers.
        g_min, g_max: the range, S.
        g_origin: G' of drift, S: that of weight 0 where weights are signed by themselves.
        g_rest: G' of decay, S.
    """
    state = torch.from_numpy((start - g_min) / (g_max - g_min))[:, None]
    share = torch.from_numpy((start - g_origin) / (g_max - g_origin))[:, None].abs()
    age, curves = torch.from_numpy(seconds), np.tile(start[:, None, None], (1, devices, len(seconds)))
    for law in laws_of(retention):
        xi = torch.randn(len(start), devices, generator=generator, dtype=torch.float64)
        rates = law.rates(state.expand_as(xi), share.expand_as(xi), xi)
        end = g_rest if law.to_rest else g_origin
        curves = end + (curves - end) * law.left(age, rates[:, :, None]).numpy()
        curves = np.clip(curves, g_min, g_max) if law.to_rest else curves  # as the cells' weights are
    return DriftCurves(seconds, start, curves.mean(1), curves.std(1, ddof=1) if devices > 1 else 0 * curves.mean(1))


def read_noise(device: DeviceModel, generator: torch.Generator) -> ReadNoise:
    """Return a cell's noise per read at g_max, S, and a sample of reads."""
    law = device.response()
    sigma = device.read_noise / (law.w_max - law.w_min) * (device.g_max - device.g_min)
    if device.read_noise_scale:
        sigma *= -np.expm1(-device.g_max / device.read_noise_scale)
    return ReadNoise(float(sigma), sigma * torch.randn(READS, generator=generator, dtype=torch.float64).numpy())


def characterise(
    device: DeviceModel,
    generator: torch.Generator,
    devices: int = 100,
    pulses: int | None = None,
    cycles: int = 5,
) -> Characteristics:
    """Return everything that a figure of a device shows.

    Args:
        device: the model.
        generator: of every draw.
        devices, cycles: of the staircase.
        pulses: per direction; unless given, as many as the device was measured with, or else 1.5 times as many as
            mean steps fit between the bounds, 20 to 1000.
    """
    law, measured = device.response(), device.measured
    if pulses is None and measured.pulses_up:
        up, down = measured.pulses_up, measured.pulses_down or 0
    else:
        up = down = pulses or int(np.clip(1.5 * device.states, 20, 1000))
    down = down if device.sided == 2 else 0
    stairs = staircase(law, devices, up, down, cycles, generator, reset=down == 0)
    g_min, g_max = device.g_min, device.g_max
    start = g_min + (g_max - g_min) * np.array([0.25, 0.5, 0.75, 1.0])
    retention = device.retention_parameters()
    g_origin = device.conductance(0.0) if device.signed else 0.0
    g_rest = device.conductance(retention.rest)
    drift = drift_curves(retention, start, _times(retention), devices, generator, g_min, g_max, g_origin, g_rest)
    return Characteristics(device, stairs, step_sizes(device, devices, generator), drift, read_noise(device, generator))


def _times(retention: Retention) -> np.ndarray:
    """Return the times in which something happens: seven decades after t0, or those about a lifetime."""
    if not retention.lifetime:
        return np.asarray(retention.drift_t0 * np.logspace(0, 7, 71))
    first = min(retention.drift_t0, 1e-3 * retention.lifetime) if retention.law else 1e-3 * retention.lifetime
    return np.geomspace(first, max(1e7 * retention.drift_t0, 1e2 * retention.lifetime), 71)


def pulsed(law: PulseResponse, w: Tensor, cells: Cells, up: bool, generator: torch.Generator) -> Tensor:
    """Return the weights after one pulse each, w <- clip(w +- (dw + noise xi))."""
    steps = law.steps(w.clone(), cells, up)
    change = steps + law.noise(w.clone(), steps.clone(), cells, up) * _gauss(w, generator)
    return (w + change if up else w - change).clamp(cells["w_min"], cells["w_max"])


def _gauss(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(like.shape, generator=generator, device=generator.device)


def _spread(population: np.ndarray) -> np.ndarray:
    """Return the standard deviation over the cells that reach a weight; 0 where fewer than two do."""
    counted = np.isfinite(population).sum(0)
    mean = np.nansum(population, 0) / np.maximum(counted, 1)
    return np.asarray(np.sqrt(np.nansum((population - mean) ** 2, 0) / np.maximum(counted - 1, 1)))
