# %% [markdown]
# # From a measurement to a report, in ten steps
# Open this file in Jupyter (jupytext), VS Code or Spyder and run it cell by cell, or run it whole:
# `python tutorial.py [FOLDER [EPOCHS]]`. It takes about two minutes on two cores. To use your own measurement, put
# its name where step 1 says `measured.csv`, and leave `measure` out.

# %%
from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

import neurohw as nh

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "your_device")
folder.mkdir(parents=True, exist_ok=True)
epochs = int(sys.argv[2]) if len(sys.argv) > 2 else 15

# %% [markdown]
# ## 1. A measurement, as an instrument writes it
# Eight cells, two cycles of 60 potentiating and 60 depressing pulses, one resistance in kOhm after each pulse, a
# column per cell, semicolons and decimal commas. These cells are made up by the formula below, which is not one of
# neurohw's engines: G moves towards its bounds, each cell has bounds of its own, steps scatter by 30 %, reads by 1 %.


# %%
def measure(file: Path, cells: int = 8, cycles: int = 2, pulses: int = 60) -> None:
    draws = np.random.default_rng(7)
    low, high = 4e-6 * draws.lognormal(0, 0.05, cells), 60e-6 * draws.lognormal(0, 0.05, cells)
    g, rows = low.copy(), []
    for _ in range(cycles):
        for up in [True] * pulses + [False] * pulses:
            step = 0.05 * (high - g) if up else -0.06 * (g - low)
            g = g + step * (1 + 0.3 * draws.standard_normal(cells))
            rows.append(1e-3 / (g * (1 + 0.01 * draws.standard_normal(cells))))
    table = pd.DataFrame(rows, columns=[f"cell {i + 1} (kOhm)" for i in range(cells)])
    table.to_csv(file, sep=";", decimal=",", float_format="%.4f", index=False)


measured = folder / "measured.csv"
measure(measured)
print(measured.read_text()[:120])

# %% [markdown]
# ## 2. Read it
# What the file does not say is asked for, never taken silently: here which pulses potentiate. `guesses` says the rest.

# %%
imported = nh.import_pulses(measured, nh.ImportOptions(polarity="up60,down60"))
print(*imported.guesses, sep="\n")
print(imported.trains)

# %% [markdown]
# ## 3. Fit a device
# The verdict comes from simulating the fitted device under the same pulses, not from the fit's own residuals.

# %%
pulses = nh.Conditions(
    write_voltage="1.4 V", depression_voltage="-1.3 V", pulse_width="100 ns", read_voltage="0.2 V", cell="1T1R"
)
fitted = nh.fit_device(imported.trains, name="my_device", conditions=pulses)
print(fitted.verdict)
print(fitted.verdict.figures())

# %% [markdown]
# ## 4. Look at it
# Measured and simulated trains, pairs of parameters, residuals.

# %%
for name, figure in fitted.figures().items():
    figure.savefig(folder / f"{name}.png")

# %% [markdown]
# ## 5. Keep it
# A device is one TOML file: every number with its unit and its source. `neurohw device check`, `show`, `plot` take it.

# %%
device_file = folder / "my_device.toml"
device_file.write_text(fitted.device.to_toml())
device = nh.load_device(device_file)
print(device)

# %% [markdown]
# ## 6. What does it do to a network?
# BP and EP learn 8x8 digits without labels, on ideal arrays and on your device, two seeds each, with what it costs
# at 32 nm. What an experiment leaves open is set to suit the device; `hardware.recommended = false` leaves it as it is.

# %%
axes = {
    "network.rule": ["bp", "ep"],
    "hardware": [{"backend": "ideal"}, {"backend": "analog", "device": str(device_file)}],
}
settings = {"hardware.periphery": "32nm", "training.epochs": epochs}
records = nh.sweep("quickstart", axes, seeds=[0, 1], settings=settings, out=folder / "runs")

# %% [markdown]
# ## 7. The runs as a table

# %%
runs = nh.load_runs(folder / "runs")
groups = runs.groupby(["network.rule", "hardware.backend"])
print(groups.direct_accuracy.agg(["mean", "std", "count"]))
print(groups.joules_per_training_image.mean().dropna())

# %% [markdown]
# ## 8. Does the result depend on one number of the device?
# Any number of a device's file can be swept: here half and twice the scatter of its steps.

# %%
scatter = device.response().step_ctoc
axes = {"hardware.device_parameters": [{"step_ctoc": scatter * factor} for factor in (0.5, 2.0)]}
settings |= {"network.rule": "bp", "hardware.backend": "analog", "hardware.device": str(device_file)}
records += nh.sweep("quickstart", axes, seeds=[0, 1], settings=settings, out=folder / "runs")

# %% [markdown]
# If accuracy is far from that of ideal arrays, look for settings that suit the device better, on a validation split:
# `neurohw tune your_device/my_device.toml --minutes 10` writes them into its file, and the runs above use them.
#
# ## 9. The report
# One page with every accuracy, its spread, the gap to ideal arrays, energy, latency and lifetime.

# %%
nh.write_report(records, folder / "report", title="What my device costs BP and EP")
print(folder / "report" / "index.html")

# %% [markdown]
# ## 10. Out again
# The same device for others' simulators: ngspice, Verilog-A, aihwkit, NeuroSim, CrossSim.

# %%
for target in ("ngspice", "aihwkit"):
    for name, text in nh.export_device(device, target).items():
        (folder / name).write_text(text)
        print(folder / name)
