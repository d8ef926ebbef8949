"""Commands started in a folder full of traps: nothing of it runs, is imported or is read as settings."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from neurohw.isolation import aside

ROOT = Path(__file__).parents[1]
SCRIPT = [str(Path(sys.executable).with_name("neurohw"))]
MODULE = [sys.executable, "-m", "neurohw"]
SAFE_MODULE = [sys.executable, "-P", "-m", "neurohw"]
# What Python itself and multiprocessing's workers, our package and its libraries import
STANDARD = ("socket", "pickle", "struct", "typing", "json", "signal", "hashlib", "tempfile", "difflib", "tomllib",
            "subprocess", "resource", "platform", "inspect", "dataclasses", "random", "logging", "csv")  # fmt: skip
LIBRARIES = ("typer", "rich", "torch", "numpy", "pandas", "pydantic", "brian2", "matplotlib", "PIL", "sklearn", "yaml",
             "tomlkit", "jinja2", "httpx", "scipy", "aihwkit", "platformdirs", "sitecustomize", "numexpr")  # fmt: skip
SPIKING = """
experiment = "quickstart"
seeds = [0]
stop_after = 1
[set]
"data.train_limit" = 32
"data.test_limit" = 20
"network.layers" = [64, 10]
"target.k" = 2
"target.circuit" = "spiking"
[axes]
"training.batch_size" = [8, 16]
"""

CLUSTERED = """
from pathlib import Path
import torch
from neurohw.deepstdp import stdp_clustering, stdp_network, stdp_parameters
generator = torch.Generator().manual_seed(0)
network = stdp_network.STDPNetwork(8, 100, stdp_parameters.STDPParameters(timesteps=20), generator)
stdp_clustering.cluster(torch.ones(2, 4), network, generator)
print(Path(stdp_clustering.__file__).parents[1])
"""


@pytest.fixture
def traps(tmp_path: Path) -> Iterator[Path]:
    """A folder whose every file leaves a mark when it runs; a matplotlibrc that no matplotlib reads through."""
    mark = tmp_path / "mark"
    here = tmp_path / "here"
    here.mkdir()
    code = f"import os; os.close(os.open({str(mark)!r}, os.O_CREAT | os.O_WRONLY))"
    for name in (*STANDARD, *LIBRARIES):
        (here / f"{name}.py").write_text(f"{code}\nraise RuntimeError('{name}.py of the working directory ran')\n")
    for name in ("brian_preferences", ".spiceinit", "spice.rc"):
        (here / name).write_text(f"codegen.target = exec({code!r}) or 'numpy'\n")
    os.mkfifo(here / "matplotlibrc")
    (here / "sweep.toml").write_text(SPIKING)
    yield here
    assert not mark.exists()


@pytest.mark.parametrize(
    ("start", "arguments"),
    [
        (SCRIPT, ["sweep", "sweep.toml", "--jobs", "2"]),  # workers, Brian2
        (SCRIPT, ["doctor"]),  # Brian2, ngspice, aihwkit
        (MODULE, ["device", "plot", "ecram"]),  # matplotlib
        (SAFE_MODULE, ["data", "--help"]),
    ],
    ids=lambda value: " ".join(map(str, value[-2:])),
)
def test_nothing_of_the_folder_runs(start: list[str], arguments: list[str], traps: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONSAFEPATH"} | {"MPLBACKEND": "unheard-of"}
    environment["PYTHONPATH"] = str(ROOT)
    ended = subprocess.run(
        [*start, *arguments], cwd=traps, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_one_stands_where_one_stood_even_if_that_has_no_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lost = tmp_path / "lost"
    lost.mkdir()
    os.chdir(lost)
    lost.rmdir()
    with pytest.raises(KeyError), aside():
        raise KeyError(Path.cwd())
    with pytest.raises(FileNotFoundError):
        Path.cwd()
    with aside():
        assert Path.cwd() == ROOT / "neurohw"


def test_compiled_steps_run_where_nothing_may_be_written(tmp_path: Path) -> None:
    """Installed for all users, without a home: what is compiled is not kept. Settings of the folder are not read."""
    package = tmp_path / "site" / "neurohw"
    shutil.copytree(ROOT / "neurohw", package, ignore=shutil.ignore_patterns("__pycache__"))
    barred = package / "deepstdp" / "__pycache__"  # as if read-only, for root as well
    barred.touch()
    (tmp_path / ".numba_config.yaml").write_text("a: [")
    environment = os.environ | {"HOME": str(barred), "XDG_CACHE_HOME": str(barred), "PYTHONPATH": str(package.parent)}
    environment.pop("NUMBA_CACHE_DIR", None)
    ended = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", CLUSTERED],
        cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == f"{package}\n"
