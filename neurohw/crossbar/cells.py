"""The cells of one crossbar: their weights, what makes each of them different, and what pulses do to them."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from neurohw.crossbar.aging import Aging
from neurohw.crossbar.base import StateDict, Writes
from neurohw.crossbar.device_population import DevicePopulation
from neurohw.crossbar.faults import DEAD, WORKS, drawn_endurance, drawn_faults, stuck_at
from neurohw.crossbar.ir_drop import IRDrop
from neurohw.crossbar.pulses import PulseCounts
from neurohw.crossbar.stepping import Stepping
from neurohw.crossbar.verify import Step
from neurohw.crossbar.wires import Wires
from neurohw.draws import normal
from neurohw.places import flat_nonzero

_LEAST = 0.01  # of the granularity: a smaller step counts as none, as at a soft bound
_BISECTIONS = 24  # of a symmetry point: the range over 2^24


class CellBank:
    """One device a weight, [n_post, n_pre].

    Args:
        weights: initial weights in the device's units; copied, clipped to each cell's bounds.
        device: the population: law, retention, faults, levels.
        generator: draws the population now, and cycle-to-cycle noise later.
        wires: resistances of the lines; None: none.
        nearest: whether weights that are set stand on the nearest level, where there are levels.
    """

    reads_zero = False  # everywhere, as far as is known

    def __init__(
        self,
        weights: Tensor,
        device: DevicePopulation,
        generator: torch.Generator,
        wires: Wires | None = None,
        nearest: bool = False,
    ) -> None:
        self.shape = (weights.shape[0], weights.shape[1])
        self.population, self._nearest = device, nearest
        self.response = response = device.response
        self._generator = generator
        self.parameters = response.draw(self.shape, generator)
        self.stepping = Stepping(response, device.levels, generator)
        bounds = (response.w_min, response.w_max)
        self.aging = Aging(device.retention, self.shape, device.origin, bounds, generator)
        self.pulses = torch.zeros(self.shape, dtype=torch.int32, device=generator.device)
        self._endurance = drawn_endurance(device.faults, self.shape, generator)
        self._dead: Tensor | None = None  # cells that carry no current
        self._absent: Tensor | None = None  # flat; they get no pulses either
        self.ir_drop = IRDrop(wires, self.conductances) if wires is not None else None
        self.kept = torch.empty(self.shape, device=generator.device)
        self.set(weights)

    @property
    def together(self) -> int:
        """Pulses of both polarities that a cell may get one polarity after the other: those that are taken together."""
        return sum(self.stepping.strides.values())

    @property
    def rounds(self) -> bool:
        """Whether weights that are set stand on the nearest of few levels."""
        return self._nearest and self.population.levels is not None

    @property
    def device(self) -> torch.device:
        """Where the cells are."""
        return self.kept.device

    def as_read(self) -> Tensor:
        """Return the weights that a read of the whole array sees now: 1/f noise and IR drop included.

        One rule with and without wires: a cell below the weight of no conductance, as spreads of bounds make some,
        loads no line and counts with its sign, so that wires of no resistance change nothing.
        """
        weights = self.aging.flickering(self.kept, self.seen)
        if self.ir_drop is None:
            return weights
        zero = self.population.zero
        return (weights - zero).mul_(self.ir_drop.left()).add_(zero)

    def take_drop(self, left: Tensor) -> None:
        """Take over what IR drop leaves of each cell's voltage, where others share the lines."""
        assert self.ir_drop is not None
        self.ir_drop.take(left)

    def conductances(self) -> Tensor:
        """Return every device's conductance now, siemens, [n_post, n_pre]; a dead one has none."""
        siemens = (self.seen - self.population.zero).clamp_(min=0.0).mul_(self.population.siemens)
        return siemens if self._dead is None else siemens.masked_fill_(self._dead, 0.0)

    @property
    def conducting(self) -> Tensor | None:
        """Which devices carry a current, [n_post, n_pre]; None: all of them."""
        return None if self._dead is None else ~self._dead

    def set(self, weights: Tensor) -> None:
        """Give the cells these weights exactly, within their bounds; `clipped` says which working ones were beyond."""
        asked = weights.to(self.kept).contiguous()
        self.kept = self.bounded(asked)
        self.clipped = (self.kept != asked) & self.works()
        self.kept = self.stepping.on_levels(self.kept, self.parameters, self._nearest)
        self.aging.touched()
        self._forget_drop()
        self._see()

    def elapse(self, seconds: float) -> None:
        """Let time pass over every cell; broken ones keep their weight."""
        self.aging.elapse(self.kept, seconds, self.parameters["w_min"], self.parameters["w_max"])
        if self.aging.changes_weights:
            self._moved()
            self._see()

    def read_variance(self, relative: float) -> Tensor:
        """Return the variance of each cell per read that depends on its conductance.

        Args:
            relative: standard deviation over the conductance (over the signed weight), beside the device's own.
        """
        device = self.population
        variance = (self.seen - device.origin).mul_(relative).square_()
        if not device.read_noise_scale:
            return variance
        conductance = (self.seen - device.zero).clamp_(min=0.0)
        return variance.add_(conductance.div_(-device.read_noise_scale).expm1_().mul_(device.read_noise).square_())

    def reset(self, index: Tensor) -> None:
        """Reset some cells (flat indices) to the bottom of their range, one pulse each."""
        self._moved()
        bottom = self.parameters["w_min"].view(-1)[index]
        self.kept.view(-1)[index] = bottom
        self.aging.touched(index)
        if self.seen is not self.kept:
            works = bottom < self.parameters["w_max"].view(-1)[index]
            self.seen.view(-1)[index] = self._with_write_noise(bottom, works)
        self.pulses.view(-1)[index] += 1
        if self._endurance is not None:
            self._wear_out(index)

    def apply(self, trains: Iterable[PulseCounts]) -> Writes:
        """Give pulses in the order they come, and return how many: a train has at most what takes cells to a bound."""
        ups = downs = 0
        self._moved()
        for pulses in trains:
            given = self._apply_one_polarity(pulses)
            ups, downs = (ups + given, downs) if pulses.up else (ups, downs + given)
        return Writes(ups, downs)

    def room(self, up: bool) -> Tensor:
        """Return how far each cell is from its upper or lower bound, [n_post, n_pre]."""
        w = self.aging.drifted(self.kept)
        return (self.parameters["w_max"] - w if up else w - self.parameters["w_min"]).clamp_(min=0.0)

    @property
    def bottom(self) -> Tensor:
        """The lower bound of each cell, [n_post, n_pre]."""
        return self.parameters["w_min"]

    def filled(self) -> Tensor:
        """Return the share of each cell's range that its weight, as it is seen, takes up, [n_post, n_pre]."""
        low, high = self.parameters["w_min"], self.parameters["w_max"]
        return (self.seen - low).div_((high - low).clamp_(min=1e-12))

    def step(self, index: Tensor, up: bool) -> Step:
        """Return what the next pulse does to some cells (flat indices), where they stand and within their bounds."""
        response, own = self.response, self._gathered(index, up)
        span = response.w_max - response.w_min
        w = self.aging.drifted(self.kept.view(-1).index_select(0, index), index)
        steps = response.steps(w, own, up)
        spread = torch.as_tensor(response.noise(w, steps, own, up), device=w.device).abs().expand_as(w)
        mean = torch.minimum(steps, own["w_max"] - w if up else w - own["w_min"])
        mean.masked_fill_(mean < _LEAST * response.granularity, 0.0)
        levels = self.population.levels
        level = torch.zeros_like(w) if levels is None else (own["w_max"] - own["w_min"]).div_(levels - 1).mul_(mean > 0)
        return Step(mean, spread, level, response.write_noise * response.step, span)

    def _apply_one_polarity(self, pulses: PulseCounts) -> int:
        index, numbers = pulses.cells, pulses.numbers
        if self._absent is not None:
            there = ~self._absent[index]
            index, numbers = index[there], numbers[there]
        if not len(index):
            return 0
        number = numbers.clamp(max=self.stepping.most[pulses.up])
        if self.stepping.straight and self.aging.law is None:
            self.stepping.move_straight(self.kept, self.pulses, index, number, self.parameters, pulses.up)
            self.aging.touched(index)
            if self.seen is not self.kept:
                self.stepping.look_straight(self.kept, self.seen, index, self.parameters)
        else:
            self._move(index, number, pulses.up)
        if self._endurance is not None:
            self._wear_out(index)
        return int(number.sum())

    def _move(self, index: Tensor, number: Tensor, up: bool) -> None:
        own = self._gathered(index, up)
        w = self.aging.drifted(self.kept.view(-1).index_select(0, index), index)
        w = self.stepping.moved(w, number, own, up)
        self.kept.view(-1).index_copy_(0, index, w)
        self.aging.touched(index)
        if self.seen is not self.kept:
            self.seen.view(-1).index_copy_(0, index, self._with_write_noise(w, own["w_min"] < own["w_max"]))
        self.pulses.view(-1).index_add_(0, index, number.int())

    def _see(self) -> None:
        """Renew the weights as they are seen: drifted, with the noise of the last write; broken cells as kept."""
        aged = self.aging.drifted(self.kept)
        if self.aging.law is not None and self.aging.law.to_rest:
            aged = self.bounded(aged)
        self.seen = self._with_write_noise(aged, self.works())

    def works(self) -> Tensor:
        """Return which cells can be written: stuck ones have both bounds at one weight."""
        return self.parameters["w_min"] < self.parameters["w_max"]

    def _with_write_noise(self, w: Tensor, works: Tensor) -> Tensor:
        if not self.response.write_noise:
            return w
        noise = normal(w.shape, self._generator)
        return noise.mul_(works).mul_(self.response.write_noise * self.response.step).add_(w)

    def symmetry_point(self) -> Tensor:
        """Return the weight at which up and down are equal, [n_post, n_pre], by bisection within each cell's bounds.

        A cell without such a point, as a broken one, has 0.
        """
        low, high = self.parameters["w_min"], self.parameters["w_max"]
        known = self.balances()
        for _ in range(_BISECTIONS):
            middle = torch.lerp(low, high, 0.5)
            rising = self._rises(middle)
            low, high = torch.where(rising, middle, low), torch.where(rising, high, middle)
        return torch.where(known, torch.lerp(low, high, 0.5), 0.0)

    def balances(self) -> Tensor:
        """Return which cells have a symmetry point: up steps are larger at the bottom of the range, not at its top."""
        return self._rises(self.parameters["w_min"]) & ~self._rises(self.parameters["w_max"])

    def _rises(self, w: Tensor) -> Tensor:
        """Return whether up steps are larger than down steps."""
        return self.response.steps(w, self.parameters, True) > self.response.steps(w, self.parameters, False)

    def bounded(self, weights: Tensor) -> Tensor:
        """Return weights clipped to each cell's bounds."""
        return weights.clamp(self.parameters["w_min"], self.parameters["w_max"])

    def fail(self, fault_map: Tensor | None) -> None:
        """Break cells for good, where they stand now.

        Args:
            fault_map: codes [n_post, n_pre], see `checked_map`; None: drawn from the device's rates.
        """
        faults = drawn_faults(self.population.faults, self.shape, self._generator) if fault_map is None else fault_map
        if faults is None:
            return
        faults, own = faults.to(self.device), self.parameters
        value = stuck_at(faults, own["w_min"], own["w_max"], self.kept, self.population.origin)
        broken, self._dead = flat_nonzero(faults != WORKS), faults == DEAD
        self._pin(broken, value.view(-1)[broken])
        self.kept = self.bounded(self.kept)
        self._forget_drop()
        self._see()

    def leave_out(self, absent: Tensor) -> None:
        """Have no device where `absent` is true, [n_post, n_pre], whatever was broken there."""
        self._absent = absent.reshape(-1)
        self._dead = absent if self._dead is None else self._dead | absent
        places = flat_nonzero(absent)
        self._pin(places, torch.full_like(places, self.population.origin, dtype=self.kept.dtype))
        self.kept = self.bounded(self.kept)
        self._forget_drop()
        self._see()

    def _pin(self, index: Tensor, value: Tensor) -> None:
        """Let cells (flat indices) stay at a value: no step, both bounds there."""
        for name in ("w_min", "w_max"):
            self.parameters[name].view(-1)[index] = value
        for name in self.parameters.keys() & {"up", "down"}:
            self.parameters[name].view(-1)[index] = 0.0
        self.aging.freeze(index)

    def _wear_out(self, index: Tensor) -> None:
        """Pin the cells whose pulses have reached their endurance at their last weight, as it is seen."""
        assert self._endurance is not None
        worn = index[self.pulses.view(-1)[index] >= self._endurance.view(-1)[index]]
        self.kept.view(-1)[worn] = self.seen.view(-1)[worn]
        self._pin(worn, self.kept.view(-1)[worn])

    def _moved(self) -> None:
        if self.ir_drop is not None:
            self.ir_drop.changed()

    def _forget_drop(self) -> None:
        if self.ir_drop is not None:
            self.ir_drop.forget()

    def _gathered(self, index: Tensor, up: bool) -> dict[str, Tensor]:
        """Return the parameters of some cells that matter for one polarity."""
        other = "down" if up else "up"
        return {
            name: self.parameters[name].view(-1).index_select(0, index)
            for name in self.response.keeps
            if name != other and not name.endswith(f"_{other}")
        }

    def state_dict(self) -> StateDict:
        """Return weights, parameters, pulse counts and ages."""
        state = {"kept": self.kept.clone(), "seen": self.seen.clone(), "pulses": self.pulses.clone()}
        state |= {f"cell.{name}": tensor.clone() for name, tensor in self.parameters.items()}
        state |= {f"age.{name}": tensor for name, tensor in self.aging.state_dict().items()}
        if self.ir_drop is not None:
            state |= self.ir_drop.state_dict()
        if self._dead is not None:
            state["dead"] = self._dead.clone()
        return state if self._endurance is None else {**state, "endurance": self._endurance.clone()}

    def load_state_dict(self, state: StateDict) -> None:
        """Restore `state_dict`."""
        device = self.device
        self.kept = state["kept"].to(device, copy=True)
        separate = bool(self.response.write_noise) or self.aging.law is not None
        self.seen = state["seen"].to(device, copy=True) if separate else self.kept
        self.pulses = state["pulses"].to(device, copy=True)
        self.parameters = {name: state[f"cell.{name}"].to(device, copy=True) for name in self.parameters}
        self.aging.load_state_dict({k.removeprefix("age."): v for k, v in state.items() if k.startswith("age.")})
        if self.ir_drop is not None:
            self.ir_drop.load_state_dict(state, device)
        self._dead = state["dead"].to(device, copy=True) if "dead" in state else None
        if self._endurance is not None:
            self._endurance = state["endurance"].to(device, copy=True)
