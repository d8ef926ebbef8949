"""What `characterise` computed as tables, in siemens."""

from __future__ import annotations

import numpy as np
import pandas as pd

from neurohw.devices.characterise import Characteristics


def frames(data: Characteristics) -> dict[str, pd.DataFrame]:
    """Return the curves by name: a row per pulse, per conductance, per state and time, and per read."""
    device, stairs, steps, drift = data.device, data.staircase, data.steps, data.drift
    scale = device.siemens
    staircase = {
        "pulse": np.arange(len(stairs.polarity) + 1),
        "polarity": np.concatenate([[0], stairs.polarity]),
        "mean_weight": stairs.mean,
        "mean_S": device.conductance(stairs.mean),
        "device_to_device_S": stairs.device_to_device * scale,
        "cycle_to_cycle_S": stairs.cycle_to_cycle * scale,
    }
    sizes = {"weight": steps.w, "conductance_S": device.conductance(steps.w)}
    for side in ("up", "down") if device.sided == 2 else ("up",):
        for kind, name in (("", "step"), ("_std", "device_to_device"), ("_noise", "cycle_to_cycle")):
            sizes[f"{name}_{side}_S"] = getattr(steps, side + kind) * scale
    states, times = drift.mean.shape
    conductances = {
        "start_S": np.repeat(drift.start, times),
        "time_s": np.tile(drift.seconds, states),
        "mean_S": drift.mean.ravel(),
        "device_to_device_S": drift.std.ravel(),
    }
    tables = {"staircase": staircase, "steps": sizes, "drift": conductances}
    tables["reads"] = {"deviation_S": data.read_noise.reads}
    return {name: pd.DataFrame(columns) for name, columns in tables.items()}
