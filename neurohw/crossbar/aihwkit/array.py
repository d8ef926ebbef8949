"""aihwkit's C++ tiles as synapse arrays: pulsed devices and the compound cells that make poor devices learn.

aihwkit seeds reads and pulses from the clock, so two runs differ; only the device-to-device draws are seeded. It keeps
no count of pulses on the CPU, so `Writes` are empty. What it computes is in float32, on the CPU.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from neurohw.crossbar.aihwkit.rpu_config import build_device, build_rpu_config, find_compound, find_device
from neurohw.crossbar.aihwkit.symmetry import set_reference_to_symmetry_point
from neurohw.crossbar.aihwkit.tile_state import dump_tile, new_tile, restore_tile
from neurohw.crossbar.aihwkit.tile_time import PassingTime
from neurohw.crossbar.aihwkit.works import check_aihwkit
from neurohw.crossbar.anatomy import Anatomy, Driving, Trains
from neurohw.crossbar.base import OuterProducts, StateDict, SynapseArray, Writes, require_finite
from neurohw.crossbar.device_population import DevicePopulation
from neurohw.crossbar.periphery import PulseScheme, ReadPath, output_scale
from neurohw.crossbar.reading import input_scale
from neurohw.crossbar.remedies import Remedy
from neurohw.crossbar.spec import ArraySpec
from neurohw.devices.model import DeviceModel
from neurohw.errors import NeurohwError

_UNCOUNTED = Writes()
_NO_FLAGS = (False, False, False, False)  # bias, transposed input, transposed output, and non-blocking
_MOST_SPLITS = 256  # of one increment that is larger than a pulse train reaches
_VERIFY_ROUNDS = 30


class AihwkitArray(SynapseArray):
    """One aihwkit tile as a crossbar.

    Initial weights are copied exactly, clipped to each cell's bounds, and seen with the write noise of a device model
    (of aihwkit's presets from the first pulse on). Weights of a model that are conductances less a reference are read
    with the reference's noise as well, which aihwkit has not. Inputs of `read` within the DAC's bound are converted as
    they are; a vector with a larger one is scaled down to the bound digitally, and its output up again. Inputs of
    `read_transposed` are always scaled so that each vector's largest meets the bound, since errors may be tiny. A
    weight moves by at most `pulses.length` steps per sample and term; under the transfer remedies (tiki-taka and its
    kin) a product reaches the visible weight through later transfers, and under mixed precision with the next call of
    `update`.

    Args:
        weights: [n_post, n_pre] initial weights.
        device: a name from `neurohw.crossbar.aihwkit.presets`, or a device model.
        remedy: how a device makes a weight and how it is written, or the one name of both.
        read_path: converters and noise of `read`, and of the reads inside remedies.
        construction_seed: fixes the device-to-device draws (0 is taken as 1).
        settings: more of `ArraySpec.of`, of which those below work on this array only.
        batch_seconds: the time that aihwkit's decay and diffusion per mini-batch stand for; 0: they never act.
        device_overrides: fields of the device (`dw_min`, `w_max`, `corrupt_devices_prob`, `drift_nu`, ...).
        remedy_overrides: fields of aihwkit's compound (`fast_lr`, `transfer_every`, `refresh_every`, ...).

    Raises:
        InputError: an unknown name or field, or a device that the remedy cannot use.
        EnvironmentMismatch: aihwkit does not work here.
    """

    exact = False

    def __init__(
        self,
        weights: Tensor,
        device: str | DeviceModel = "constant_step",
        remedy: str | Remedy = "none",
        read_path: ReadPath | None = None,
        *,
        construction_seed: int = 1,
        **settings: Any,
    ) -> None:
        check_aihwkit()
        spec = ArraySpec.of("aihwkit", device=device, remedy=remedy, read_path=read_path, **settings)
        self._spec, self._seed = spec, construction_seed
        self.shape = (weights.shape[0], weights.shape[1])
        self.dtype, self.device = torch.float32, torch.device("cpu")
        self.remedy, self.compound = find_compound(spec.remedy, find_device(device))
        self._population = DevicePopulation.of(device) if isinstance(device, DeviceModel) else None
        noise = device.read_noise if isinstance(device, DeviceModel) else 0.0
        self._forward = (read_path or ReadPath()).with_device_noise(noise)
        self._backward = (spec.backward or read_path or ReadPath()).with_device_noise(noise)
        self._pulses = spec.pulses or PulseScheme()
        overrides = dict(spec.device_overrides or {})
        config = build_rpu_config(
            device,
            self.remedy,
            self._forward,
            self._backward,
            self._pulses,
            construction_seed,
            overrides,
            dict(spec.remedy_overrides or {}),
            spec.batch_seconds or 1.0,
        )
        parameters = build_device(find_device(device), overrides, spec.batch_seconds or 1.0)
        self._largest_cell = float(getattr(parameters, "w_max", 1.0))
        self._scale = output_scale(spec.weight_range, self._largest_cell)
        self._time = PassingTime(config.device, parameters, spec.batch_seconds)
        self._tile, self._cells = new_tile(config, self.shape)
        self._granularity = _granularity(self._tile)
        self._reference = (
            set_reference_to_symmetry_point(self._tile, parameters) if self.remedy.cell == "reference-cell" else None
        )
        asked = self._copy(weights)
        self.clipped = float((self._tile.get_weights() - asked).abs().gt(1e-6 * self._largest_cell).double().mean())
        self._draw_write_noise()

    @classmethod
    def build(cls, weights: Tensor, spec: ArraySpec, seed: int) -> AihwkitArray:
        """Return the tile that is asked for; aihwkit's seeds have 31 bits."""
        return cls(weights, construction_seed=seed & 0x7FFFFFFF, **spec.given())

    def read(self, pre: Tensor, times: int = 1) -> Tensor:
        """Return W pre through DAC, noise and ADC, [B, n_post]."""
        pre = pre.to(torch.float32)
        scale = input_scale(pre, self._forward, scaled=False)
        post: Tensor = self._tile.forward(pre / scale, *_NO_FLAGS, False)
        return post.mul_(scale * self._scale)

    def read_transposed(self, post: Tensor, times: int = 1) -> Tensor:
        """Return W^T post from the same cells, each vector scaled to the DAC's range, [B, n_pre]."""
        post = post.to(torch.float32)
        scale = input_scale(post, self._backward, scaled=True)
        pre: Tensor = self._tile.backward(post / scale, *_NO_FLAGS)
        return pre.mul_(scale * self._scale)

    def update(self, products: OuterProducts, rate: float) -> Writes:
        """Pulse W += rate * products, sample after sample; aihwkit itself computes W -= lr sum_b d_b x_b'."""
        gain = rate * products.scale * self.compound.rate_gain / self._scale
        if gain == 0.0:
            return _UNCOUNTED
        self._shrink(products, rate)
        self._tile.set_learning_rate(abs(gain))
        post, pre = products.in_turn()
        self._tile.update(pre.to(torch.float32), (post if gain < 0 else -post).to(torch.float32), *_NO_FLAGS)
        return _UNCOUNTED

    def increment(self, delta: Tensor) -> Writes:
        """Pulse a digitally computed dW, one row or column at a time with a single line active.

        The mean is exact where the device's step is dw_min: what lies between two steps is drawn at random, so a
        change smaller than a step is right on average (cells of one line share its pulse train, so their errors are
        correlated). What a train cannot reach is split into up to 256 calls.

        Args:
            delta: [n_post, n_pre].

        Raises:
            NeurohwError: the remedy updates a hidden array, and aihwkit cannot pulse the visible one.
            Diverged: a change is not finite.
        """
        require_finite("an increment", delta)
        if self.compound.transfers:
            raise NeurohwError(
                f"remedy {self.remedy.name!r} writes its updates to a hidden array, so a digitally computed change "
                "cannot be pulsed into the weights: use remedy 'none' or 'mixed-precision' with a digital optimizer"
            )
        self._pulse_dense(delta.to(torch.float32) / self._scale)
        return _UNCOUNTED

    def program(self, weights: Tensor) -> Writes:
        """Write and verify: pulse the cells that are off by more than a step or 1 % of w_max, at most 30 rounds.

        The verifying read is exact. Under the transfer remedies the weights are copied exactly instead, as at the
        start, because aihwkit cannot pulse the visible array; the hidden one is emptied.

        Raises:
            Diverged: a weight is not finite.
        """
        require_finite("programming", weights)
        if self.compound.transfers:
            self._copy(weights)
            self._draw_write_noise()
            return _UNCOUNTED
        target = weights.to(torch.float32) / self._scale
        tolerance = max(self._granularity, 0.01 * self._largest_cell) if self._granularity else 0.0
        for _ in range(_VERIFY_ROUNDS):
            error = target - self._cells
            error[error.abs() <= tolerance] = 0.0
            if not error.any():
                break
            self._pulse_dense(error)
        return _UNCOUNTED

    def elapse(self, seconds: float) -> None:
        """Let time pass: drift by the second; decay and diffusion once per `batch_seconds`, remainders kept."""
        self._time.elapse(self._tile, seconds)

    def snapshot(self) -> Tensor:
        """Return the weights now, output scale included, [n_post, n_pre]."""
        return self._cells * self._scale

    @property
    def anatomy(self) -> Anatomy:
        """What the remedy says of itself; how it is written is known of device models, not of aihwkit's presets."""
        trains = None
        if self._population is not None:
            driving = Driving(self._population.response.granularity)
            trains = Trains(driving, self._scale, length=self._pulses.length)
        return self.compound.anatomy(self._forward, trains)

    def conductances(self) -> dict[str, Tensor]:
        """Return the devices' conductances now, siemens, where one device of a model makes a weight."""
        device = self._population
        if device is None or self.compound.unseen or self.compound.devices - bool(self.compound.reference) != 1:
            return {}
        weights = self.snapshot() / self._scale
        cells = {"cell": (weights - device.zero).clamp_(min=0.0).mul_(device.siemens)}
        if self.compound.reference is None:
            return cells
        return cells | {"reference": torch.full_like(weights, -device.zero * device.siemens)}  # stands at weight 0

    def hidden_parameters(self) -> dict[str, Tensor]:
        """Return aihwkit's hidden parameters by name (bounds, steps, hidden weights), each [n_post, n_pre]."""
        return dict(zip(self._tile.get_hidden_parameter_names(), self._tile.get_hidden_parameters(), strict=True))

    def state_dict(self) -> StateDict:
        """Return weights, hidden parameters, aihwkit's counters and accumulators, and the time."""
        return {**dump_tile(self._tile, self._cells), "seconds": self._time.seconds.clone()}

    def load_state_dict(self, state: StateDict) -> None:
        """Restore the tile exactly, but for what write noise hides in some devices (`restore_tile` says what)."""
        restore_tile(self._tile, self._cells, state)
        self._time.seconds.copy_(state["seconds"])
        if self._reference is not None:
            self._reference = self.hidden_parameters()["hidden_weights_1"].clone()

    @contextmanager
    def aside(self, seed: int) -> Iterator[None]:
        """Do nothing: aihwkit's draws cannot be seeded, nor every state put back (`restore_tile`).

        Reads change nothing of a tile but its random state, which no run can replay; time that passes within stays.
        """
        yield

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle through the state, since the tile shares its memory with us."""
        return _rebuilt, (self.shape, self._spec, self._seed, self.state_dict())

    def _copy(self, weights: Tensor) -> Tensor:
        """Set the cells, clipped to their bounds, and return what they were asked to hold."""
        cells = weights.detach().to(torch.float32) / self._scale
        self._tile.set_weights(cells if self._reference is None else cells + self._reference)
        return cells

    def _draw_write_noise(self) -> None:
        """Let a model's devices be seen with the noise of their first write, which aihwkit draws in a decay by 1."""
        device = self._population
        if device is not None and device.response.write_noise and self._reference is None:
            self._tile.decay_weights(0.0)

    def _pulse_dense(self, delta: Tensor) -> None:
        """Pulse W_tile += delta as rank-one updates with one active line each, along the shorter side."""
        largest = _largest(delta)
        if largest == 0.0:
            return
        gain = self.compound.rate_gain
        reach = self._pulses.length * self._granularity / gain or math.inf
        splits = min(_MOST_SPLITS, math.ceil(largest / reach)) or 1
        lines = torch.eye(min(self.shape))
        by_column = self.shape[1] <= self.shape[0]
        part = -delta / splits
        pre, post = (lines, part.t().contiguous()) if by_column else (part, lines)
        self._tile.set_learning_rate(gain)
        for _ in range(splits):
            self._tile.update(pre, post, *_NO_FLAGS)
            if self.compound.summed:  # an empty batch of one makes it transfer now
                self._tile.update(pre[:1] * 0, post[:1] * 0, *_NO_FLAGS)


def _granularity(tile: Any) -> float:
    """Return the mean size of one step, 0 for a device without steps."""
    extra = tile.dump_extra()
    for name in ("rpu.rpu_device.weight_granularity", "rpu.rpu_device.granularity"):
        if name in extra:
            return float(extra[name][0])
    return 0.0


def _largest(values: Tensor) -> float:
    """Return max |value|, 0 for an empty tensor."""
    if not values.numel():
        return 0.0
    return float(torch.linalg.vector_norm(values, ord=math.inf))


def _rebuilt(shape: tuple[int, int], spec: ArraySpec, seed: int, state: StateDict) -> AihwkitArray:
    array = AihwkitArray.build(torch.zeros(shape), spec, seed)
    array.load_state_dict(state)
    return array
