"""Learning on the chip: EP and BP on simulated analog crossbars, ideal against hardware-constrained."""

from __future__ import annotations

import importlib

TYPE_CHECKING = False
if TYPE_CHECKING:  # as `typing` has it, which `python -m` would import from the folder where one stands
    from typing import Any

__version__ = "0.1.0"

_HOME = {
    "AihwkitArray": "crossbar.aihwkit.array",
    "AnalogArray": "crossbar.analog",
    "AnalogTarget": "circuits.analog_target",
    "ArraySpec": "crossbar.spec",
    "BPNetwork": "networks.bp",
    "Conditions": "fitting.conditions",
    "DeviceModel": "devices.model",
    "Dynamics": "networks.ep",
    "EPNetwork": "networks.ep",
    "EnergyLedger": "metering.ledger",
    "Experiment": "config",
    "IdealArray": "crossbar.ideal",
    "IdealTarget": "circuits.target",
    "ImportOptions": "fitting.importing",
    "InputError": "errors",
    "Layer": "networks.layer",
    "NeurohwError": "errors",
    "OnChipExperiment": "config",
    "OuterProducts": "crossbar.base",
    "Product": "crossbar.base",
    "ProgrammedArray": "crossbar.aihwkit.programmed",
    "ReadPath": "crossbar.periphery",
    "RunRecord": "runs.record",
    "Streams": "seeding",
    "SynapseArray": "crossbar.base",
    "TargetCircuit": "circuits.target",
    "TiledArray": "crossbar.tiled",
    "build_array": "crossbar.build",
    "export_device": "exporting.targets",
    "fit_device": "fitting.fit_device",
    "import_pulses": "fitting.importing",
    "import_retention": "fitting.importing",
    "load_device": "devices.library",
    "load_experiment": "loading",
    "load_runs": "report.frame",
    "neuron": "circuits.neuron",
    "read_record": "runs.record",
    "run": "runs.run",
    "sweep": "studies.run_sweep",
    "write_report": "report.page.write",
}

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that `neurohw --help` does not wait for torch."""
    if name not in _HOME:
        raise AttributeError(f"module 'neurohw' has no attribute {name!r}")
    return getattr(importlib.import_module(f"neurohw.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
