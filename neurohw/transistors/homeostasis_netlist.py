"""The homeostasis cell as a netlist: a capacitor that current pulses charge and discharge, and what ngspice says of it.

Each decision of the cell's neuron lets a pfet mirror charge the capacitor with I_H for the pulse's length, and every
decision lets an nfet mirror discharge it with T I_H: H += step (d - T). The switches are at the mirrors' sources, so
that the mirror transistors shield the capacitor from them.
"""

from __future__ import annotations

from dataclasses import dataclass

from neurohw.errors import InputError
from neurohw.transistors.card import CARD, Size, transistor
from neurohw.transistors.kwta_measurements import Simulator
from neurohw.transistors.kwta_netlist import OPTIONS

_RANGES = {  # field: (low, high, unit)
    "supply": (1.2, 2.0, "V"),
    "capacitance": (10e-15, 1e-9, "F"),
    "current": (10e-12, 1e-6, "A"),
    "pulse": (10e-9, 1e-2, "s"),
    "unit_voltage": (1e-3, 10.0, "V"),
    "activity_target": (1e-4, 1.0, "1"),
    "temperature": (233.0, 398.0, "K"),
}
_EDGE = 1e-9  # s: rise and fall of a pulse
_MIRROR, _SWITCH = Size(1e-6, 2e-6), Size(0.22e-6, 0.5e-6)


@dataclass(frozen=True)
class HomeostasisNetlist:
    """A homeostasis cell on transistors, as data.

    Args:
        supply: V.
        capacitance: that holds the threshold, F.
        current: I_H of a winner's pulse, A.
        pulse: its length, s.
        unit_voltage: of H = 1, V.
        activity_target: T; each decision discharges with T I_H for the same time.
        temperature: K.
        mirror, switch: sizes of the transistors.

    Raises:
        InputError: a value outside its range; the key, the value and what is allowed are named.
    """

    supply: float = 1.8
    capacitance: float = 1e-12
    current: float = 1e-9
    pulse: float = 1e-6
    unit_voltage: float = 1.0
    activity_target: float = 0.125
    temperature: float = 300.0
    mirror: Size = _MIRROR
    switch: Size = _SWITCH

    def __post_init__(self) -> None:
        for name, (low, high, unit) in _RANGES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise InputError(f"homeostasis.{name}: got {value:g} {unit}; allowed: {low:g} to {high:g} {unit}")


@dataclass(frozen=True)
class HomeostasisStep:
    """What a decision and the time between decisions do to the threshold's voltage, from half the supply.

    Args:
        step: rise after a winner's pulse, V.
        decrement: fall after a decision's pulse, V (positive).
        charge_injection: of a winner's pulse: the charge it leaves at length zero, extrapolated, C.
        decrement_injection: the same of a decision's pulse, C; negative takes charge away.
        leak_current: into the capacitor between decisions, A.
        leak_seconds: C V / I: how long the leak takes to move the threshold by the voltage of H = 1, s.
    """

    step: float
    decrement: float
    charge_injection: float
    decrement_injection: float
    leak_current: float
    leak_seconds: float


def render_homeostasis(cell: HomeostasisNetlist) -> str:
    """Return the netlist: node `h` is the threshold; `alter @vup[pulse]` and `@vdown[pulse]` set the pulses."""
    vdd = f"{cell.supply:.6g}"
    return "\n".join(
        [
            "* homeostasis cell",
            CARD,
            f"{OPTIONS} temp={cell.temperature - 273.15:.6g}",
            f"vdd dd 0 {vdd}",
            f"vup up 0 dc {vdd} pulse({vdd} {vdd} 0 1n 1n 1n 1)",
            "vdown down 0 dc 0 pulse(0 0 0 1n 1n 1n 1)",
            f"iup pb 0 {cell.current:.9g}",
            transistor("upref", "pb pb pr dd", "pfet", cell.mirror),
            transistor("uprefswitch", "pr 0 dd dd", "pfet", cell.switch),
            transistor("up", "h pb ps dd", "pfet", cell.mirror),
            transistor("upswitch", "ps up dd dd", "pfet", cell.switch),
            f"idown dd nb {cell.current * cell.activity_target:.9g}",
            transistor("downref", "nb nb nr 0", "nfet", cell.mirror),
            transistor("downrefswitch", "nr dd 0 0", "nfet", cell.switch),
            transistor("down", "h nb ns 0", "nfet", cell.mirror),
            transistor("downswitch", "ns down 0 0", "nfet", cell.switch),
            f"ch h 0 {cell.capacitance:.9g}",
            "",
        ]
    )


def homeostasis_step(cell: HomeostasisNetlist, simulator: Simulator | None = None) -> HomeostasisStep:
    """Measure a cell's steps, charge injection and leak.

    Pulses of the cell's length and of twice that give step and injection: Q = C (2 dV(t) - dV(2 t)), each less what
    the leak does in the same time.

    Raises:
        NgspiceError: ngspice failed.
    """
    simulator = simulator or Simulator()
    none, up, up_twice, down, down_twice = _rises(cell, simulator)
    leak = _leak(cell, simulator)
    return HomeostasisStep(
        step=up - none,
        decrement=none - down,
        charge_injection=cell.capacitance * (2 * (up - none) - (up_twice - none)),
        decrement_injection=cell.capacitance * (2 * (down - none) - (down_twice - none)),
        leak_current=leak,
        leak_seconds=cell.capacitance * cell.unit_voltage / abs(leak),
    )


def _rises(cell: HomeostasisNetlist, simulator: Simulator) -> list[float]:
    """Return the rise of the capacitor's voltage after no pulse, up, up twice as long, down and down twice as long."""
    text = render_homeostasis(cell) + f".ic v(h)={cell.supply / 2:.6g}\n.save v(h)\n"
    stop = 6 * cell.pulse + 20e-6
    runs = []
    for up, down in ((0, 0), (1, 0), (2, 0), (0, 1), (0, 2)):
        runs.append(
            f"alter @vup[pulse] = [ {_pulse(cell, cell.supply, 0.0, up)} ]\n"
            f"alter @vdown[pulse] = [ {_pulse(cell, 0.0, cell.supply, down)} ]\n"
            f"tran {cell.pulse / 20:.6g} {stop:.6g} 0 {cell.pulse / 20:.6g}"
        )
    return [float(vectors["v(h)"][-1] - vectors["v(h)"][0]) for vectors in simulator.run(text, runs)]


def _pulse(cell: HomeostasisNetlist, rest: float, active: float, lengths: int) -> str:
    """The parameters of one pulse, half of each edge counted as its length."""
    length = max(lengths, 1) * cell.pulse - _EDGE
    return f"{rest:.6g} {active if lengths else rest:.6g} {cell.pulse:.6g} {_EDGE:g} {_EDGE:g} {length:.6g} 1"


def _leak(cell: HomeostasisNetlist, simulator: Simulator) -> float:
    """Return the current into the capacitor, held at half the supply, between decisions, A."""
    text = render_homeostasis(cell) + f"vh h 0 {cell.supply / 2:.6g}\n.save i(vh)\n"
    (vectors,) = simulator.run(text, ["op"])
    return float(vectors["i(vh)"][0])
