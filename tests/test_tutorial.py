"""The tutorial of experiments/your_device, run as its readers run it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd

import neurohw as nh

ROOT = Path(__file__).parents[1]
TUTORIAL = ROOT / "experiments" / "your_device" / "tutorial.py"
BOUNDS = (4e-6, 60e-6)  # of the cells that it measures


def test_the_tutorial_goes_from_a_measurement_to_a_report(tmp_path: Path) -> None:
    paths = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, str(TUTORIAL), str(tmp_path), "2"], capture_output=True, text=True, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": paths, "MPLBACKEND": "agg"}, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert "decimal commas" in done.stdout
    assert "\ngood\n" in done.stdout
    device = nh.load_device(tmp_path / "my_device.toml")
    assert abs(device.g_min / BOUNDS[0] - 1) < 0.1
    assert abs(device.g_max / BOUNDS[1] - 1) < 0.1
    assert abs(device.response().step_ctoc / 0.3 - 1) < 0.1
    runs = nh.load_runs(tmp_path / "runs")
    assert len(runs) == 12
    analog = runs[runs["hardware.backend"] == "analog"]
    assert (analog.direct_accuracy > 0.3).all()  # chance is 0.1
    assert (analog.joules_per_training_image > 0).all()
    assert {"index.html", "report.md", "data.csv"} <= {path.name for path in (tmp_path / "report").iterdir()}
    page = (tmp_path / "report" / "report.md").read_text()
    assert "| BP · my\\_device |" in page  # by its name, wherever its file is
    assert len(pd.read_csv(tmp_path / "report" / "data.csv")) == 12
    assert {"my_device.sub", "my_device_bench.cir", "my_device_aihwkit.py"} <= {
        path.name for path in tmp_path.iterdir()
    }
    assert {"trains.png", "pairs.png", "residuals.png"} <= {path.name for path in tmp_path.iterdir()}
