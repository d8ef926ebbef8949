"""The simulators that a device can be written for, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pkgutil import resolve_name

from neurohw.devices.model import DeviceModel
from neurohw.errors import InputError
from neurohw.exporting.texts import identifier
from neurohw.exporting.trains import expected_csv
from neurohw.validation import did_you_mean

_SPREADS = ("_dtod", "_dtod_ln", "_ctoc")
_NEVER = ("area.", "write.endurance", "write.potentiation_energy", "write.depression_energy", "read.pulse_time")


@dataclass(frozen=True)
class Target:
    """A simulator.

    Args:
        name: on the command line.
        writes: "module:function" from a device to texts by the names of their files.
        carries: beginnings of the dotted keys of a device's numbers that its files express; of spreads whole keys, or
            their table ("pulse."). Volts and widths, which it knows nothing of, are not missed.
        use: how its files are used, with {name} for the device's, and {module} for that as Python imports it.
    """

    name: str
    writes: str
    carries: tuple[str, ...]
    use: str

    def files(self, model: DeviceModel) -> Mapping[str, str]:
        """Return its files by name, the noise-free trains that they are compared with among them.

        Raises:
            InputError: the device has what this simulator cannot express.
        """
        texts: dict[str, str] = resolve_name(self.writes)(model)
        return {**texts, f"{model.name}_expected.csv": expected_csv(model)}

    def used(self, model: DeviceModel) -> str:
        """Return how the files of a device are used."""
        return self.use.format(name=model.name, module=identifier(model).removeprefix("cell_"))

    def left_out(self, model: DeviceModel) -> list[str]:
        """Return the numbers of a device that its files do not express, zeros and what only accounts read apart."""
        tables = tuple(name for name in self.carries if name.endswith("."))

        def carried(key: str) -> bool:
            spread = key.endswith(_SPREADS)
            return key in self.carries or key.startswith(tables if spread else (*self.carries, *_NEVER))

        return [key for key, quantity in model.numbers() if quantity.value not in (0, False) and not carried(key)]


_HERE = "neurohw.exporting."
_CURVE = ("conductance.g_m", "pulse.step", "pulse.w_m", "pulse.asymmetry", "pulse.gamma", "pulse.A_", "pulse.a",
          "pulse.b", "pulse.table_", "pulse.reference", "pulse.subtract", "pulse.mean_bound")  # fmt: skip
_PULSES = ("write.potentiation_voltage", "write.depression_voltage", "write.pulse_time", "read.voltage")
TARGETS: dict[str, Target] = {
    target.name: target
    for target in (
        Target("ngspice", _HERE + "ngspice:subcircuit", (*_CURVE, *_PULSES), "ngspice -b {name}_bench.cir"),
        Target("verilog-a", _HERE + "verilog_a:module", (*_CURVE, *_PULSES), "openvaf {name}.va"),
        Target("aihwkit", _HERE + "aihwkit:script",
               ("conductance.g_m", "pulse.", "retention.", "read.noise", *_PULSES),
               "from {module}_aihwkit import rpu_config"),
        Target("neurosim", _HERE + "neurosim:parameters",
               (*_CURVE, *_PULSES, "pulse.w_max_dtod", "pulse.w_min_dtod", "pulse.step_ctoc", "read.noise"),
               "copy {name}_RealDevice.txt or {name}_MeasuredDevice.txt into the constructor of that name in Cell.cpp"),
        Target("crosssim", _HERE + "crosssim:lookup_tables",
               (*_CURVE, "pulse.step_ctoc", "pulse.additive_noise", "pulse.noise_", *_PULSES),
               'update_model = "DG_LOOKUP", dG_lookup.file_increasing and file_decreasing'),
    )
}  # fmt: skip


def find_target(name: str) -> Target:
    """Return the target called `name`.

    Raises:
        InputError: there is none of that name; the allowed ones are listed.
    """
    if name not in TARGETS:
        raise InputError(f"--to: unknown simulator {name!r}{did_you_mean(name, TARGETS)}; allowed: "
                         f"{', '.join(TARGETS)}")  # fmt: skip
    return TARGETS[name]


def export_device(model: DeviceModel, to: str) -> Mapping[str, str]:
    """Return the files of a device for a simulator, texts by name; see `Target.files`.

    Args:
        model: the device.
        to: a name of TARGETS.

    Raises:
        InputError: there is no such simulator, or the device has what it cannot express.
    """
    return find_target(to).files(model)
