"""What an analog target circuit is made of, in physical units: every non-ideality is off until its number is given."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import StrictBool, model_validator

from neurohw.circuits.parameters import (
    Amps,
    AtLeastOne,
    Bits,
    Coulombs,
    Matching,
    Parameters,
    Part,
    Seconds,
    Share,
    Signed,
    SomeAmps,
    SomeArea,
    SomeFarads,
    SomeKelvin,
    SomeSeconds,
    SomeVolts,
    Volts,
    Whole,
)
from neurohw.errors import InputError
from neurohw.validation import Wrong

BOLTZMANN = 1.380649e-23  # J/K
CHARGE = 1.602176634e-19  # C
_AT_A_TEMPERATURE = {"decision.early_voltage", "decision.ceiling", "decision.separation"}


class Inputs(Part):
    """[inputs]: how outputs become currents; errors are drawn once per chip and neuron.

    I_i = (common_current + unit_current (y_i - H_i)) (1 + g_i) + o_i

    Args:
        unit_current: current of an output of 1, A.
        common_current: added to every input, which keeps currents positive, A.
        gain_mismatch: standard deviation of g.
        a_vt, gate_area, slope_factor: instead of gain_mismatch: sigma_g = A_Vt / sqrt(W L) / (n U_T), a mirror in
            subthreshold (`a_vt` in V m, of the difference of its pair of thresholds, Pelgrom 1989; `gate_area` in
            m2). `slope_factor` also scales a ceiling to another current (`decision.reference_current`).
        offset: standard deviation of o, A.
        rectified: whether a current below zero is none at all (an input that is starved ties with the others).
    """

    unit_current: SomeAmps = 1e-8
    common_current: Amps = 0.0
    gain_mismatch: Share = 0.0
    a_vt: Matching = 0.0
    gate_area: SomeArea | None = None
    slope_factor: AtLeastOne = 1.3
    offset: Amps = 0.0
    rectified: StrictBool = False

    @model_validator(mode="after")
    def _given_one_way(self) -> Inputs:
        if self.a_vt and self.gate_area is None:
            raise Wrong("gate_area", "not given; allowed: an area in m2, which a_vt needs")
        if self.gate_area is not None and not self.a_vt:
            raise Wrong("gate_area", f"got {self.gate_area} m2 without a_vt, which makes a mismatch of it")
        if self.a_vt and self.gain_mismatch:
            raise Wrong("gain_mismatch", f"got {self.gain_mismatch} beside a_vt; allowed: one of both")
        return self


_READ_WITH_SEPARATION = (
    *("seconds", "early_voltage", "ceiling", "unresolved", "fixed_delay", "cell_delay", "reference_current"),
)


class DecisionCell(Part):
    """[decision]: how well and how fast the winners are told apart (see `neurohw.circuits.resolution`).

    Args:
        comparator_noise: of each input in each decision, standard deviation, A.
        seconds: time given to a decision, s; None: as long as it takes.
        node_capacitance: C of t = C dV / dI, F.
        early_voltage: V_A of the cell's gain, V; None: infinite gain.
        ceiling: where the separation of two nodes saturates, V; None: nowhere.
        separation: dV between winner and runner-up that the output stage needs, V; 0: any.
        fixed_delay, cell_delay: before the cells separate, and more with the competitors on the common line, s:
            fixed_delay + cell_delay n / (2 k - 1).
        reference_current: unit current at which ceiling and delays were taken, A; those at `inputs.unit_current`
            follow (see `Resolution.at`). None: they hold at the unit current.
        unresolved: what becomes of inputs that are closer than the circuit resolves: "noise" decides among them,
            "too-few" win or "too-many".
        output: "digital" (each output is high or low) or "current" (the cell's own soft output current, (k - 1/2) times
            a winner's in all: the k-th winner gets what is left).
        winner_error: winners too many (or, negative, too few), by design or by a trimmed bias.
        bias_mismatch: standard deviation of the relative error of the bias that sets k, drawn once per chip.
    """

    comparator_noise: Amps = 0.0
    seconds: SomeSeconds | None = None
    node_capacitance: SomeFarads = 5e-14
    early_voltage: SomeVolts | None = None
    ceiling: SomeVolts | None = None
    separation: Volts = 0.0
    fixed_delay: Seconds = 0.0
    cell_delay: Seconds = 0.0
    reference_current: SomeAmps | None = None
    unresolved: Literal["noise", "too-few", "too-many"] = "noise"
    output: Literal["digital", "current"] = "digital"
    winner_error: Whole = 0
    bias_mismatch: Share = 0.0

    @model_validator(mode="after")
    def _complete(self) -> DecisionCell:
        if self.output == "current":
            if self.early_voltage is None and self.seconds is None:
                raise Wrong("early_voltage", "not given; allowed: the voltage that makes the output current soft")
            if self.separation or self.unresolved != "noise":
                raise Wrong("output", 'got "current", which leaves nothing unresolved; allowed: neither separation '
                                 "nor unresolved with it")  # fmt: skip
        elif not self.separation:
            unread = [key for key in _READ_WITH_SEPARATION if getattr(self, key) not in (None, "noise", 0.0)]
            if unread:
                raise Wrong("separation", f"not given; allowed: the voltage to be reached, which {unread[0]} needs")
        return self


class HomeostasisCell(Part):
    """[homeostasis]: where H is kept, as a voltage on a capacitor or in a counter.

    Args:
        storage: "capacitor" or "counter".
        unit_voltage: voltage of H = 1, V.
        capacitance: of the storage capacitor, F.
        step_mismatch: standard deviation of the relative step per neuron, drawn once per chip.
        bits: of the counter, or of the converter that reads the capacitor: 2^bits values from -range up; 0: continuous.
        rounding: to those bits: "nearest", or "stochastic" (dithered: right on average).
        range: largest |H| as a voltage, V; None: unlimited.
        leak_seconds: time constant towards H = 0, s; None: no leak.
        charge_injection: charge that the pulse of a neuron that has won leaves on its capacitor, C; losers get none.
        decrement_injection: charge that the pulse of every update leaves on every capacitor, C.
        injection_mismatch: standard deviation of the relative error of both per neuron, drawn once per chip.
        thermal_noise: whether each update samples kT/C.
        average_seconds: time constant of the RC that averages decisions (target.average = "ema"), s; None: eta.
    """

    storage: Literal["capacitor", "counter"] = "capacitor"
    unit_voltage: SomeVolts = 1.0
    capacitance: SomeFarads = 1e-12
    step_mismatch: Share = 0.0
    bits: Bits = 0
    rounding: Literal["nearest", "stochastic"] = "nearest"
    range: SomeVolts | None = None
    leak_seconds: SomeSeconds | None = None
    charge_injection: Coulombs = 0.0
    decrement_injection: Coulombs = 0.0
    injection_mismatch: Share = 0.0
    thermal_noise: StrictBool = False
    average_seconds: SomeSeconds | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> HomeostasisCell:
        if self.bits and self.range is None:
            raise Wrong("range", "not given; allowed: the voltage that the bits span to either side")
        if self.rounding == "stochastic" and not self.bits:
            raise Wrong("bits", 'not given; allowed: at least 1, which rounding = "stochastic" rounds to')
        if self.injection_mismatch and not (self.charge_injection or self.decrement_injection):
            raise Wrong("charge_injection", "not given; allowed: a charge, of which injection_mismatch is a share")
        analog = [
            key
            for key in ("leak_seconds", "charge_injection", "decrement_injection", "thermal_noise")
            if getattr(self, key)
        ]
        if self.storage == "counter" and analog:
            raise Wrong(analog[0], f'got {getattr(self, analog[0])}, which a "counter" does not have')
        if self.storage == "counter" and not self.bits:
            raise Wrong("bits", 'not given; allowed: 1 to 24, which storage = "counter" needs')
        return self


class Levels(Part):
    """[levels]: the two levels of the target that the outputs are nudged towards.

    Args:
        low_error, high_error: of the loser's and of the winner's level, in outputs.
        mismatch: standard deviation of each neuron's error of both levels, drawn once per chip.
    """

    low_error: Signed = 0.0
    high_error: Signed = 0.0
    mismatch: Share = 0.0


class Power(Part):
    """[power]: what the circuit draws while it decides.

    Args:
        supply: supply voltage, V.
        cell_current: static current of each competitor beside its input, A.
        winner_current: current of each winner's output stage, A.
    """

    supply: SomeVolts = 1.8
    cell_current: Amps = 0.0
    winner_current: Amps = 0.0


class TargetParameters(Parameters):
    """A target circuit in physical units (SI); with the defaults it is the ideal one.

    Args:
        temperature: of the circuit, K.
        inputs, decision, homeostasis, levels, power: see there.
    """

    temperature: SomeKelvin = 300.0
    inputs: Inputs = Inputs()
    decision: DecisionCell = DecisionCell()
    homeostasis: HomeostasisCell = HomeostasisCell()
    levels: Levels = Levels()
    power: Power = Power()

    @property
    def thermal_voltage(self) -> float:
        """U_T = k T / q, V."""
        return BOLTZMANN * self.temperature / CHARGE

    @property
    def gain_mismatch(self) -> float:
        """Standard deviation of an input's relative gain: as given, or A_Vt / sqrt(W L) / (n U_T)."""
        inputs = self.inputs
        if not inputs.a_vt or inputs.gate_area is None:
            return inputs.gain_mismatch
        return inputs.a_vt / math.sqrt(inputs.gate_area) / (inputs.slope_factor * self.thermal_voltage)

    def check_changes(self, values: Mapping[str, Any]) -> None:
        """Refuse another temperature, at which nothing says what gain, ceiling and needed separation are.

        (generic_180nm: 21 % less gain at 250 K, 21 % more at 350 K.)
        """
        kelvin = values.get("temperature", self.temperature)
        if kelvin != self.temperature and self.decision.separation and not values.keys() >= _AT_A_TEMPERATURE:
            raise InputError(
                f"temperature: got {kelvin} K for a circuit characterised at {self.temperature:g} K; allowed: that, "
                f"another with {', '.join(sorted(_AT_A_TEMPERATURE))} beside it, or a circuit characterised there: "
                f"`neurohw circuit characterise --set temperature={kelvin} --out FILE`"
            )
