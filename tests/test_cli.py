"""The command line: what it prints, what it writes, and how wrong input ends."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from neurohw.shipping import shipped

ROOT = Path(__file__).parents[1]


FAST = ["--set", "training.epochs=1", "--set", "data.train_limit=200", "--set", "data.test_limit=100"]


def test_run_writes_where_the_contract_says(neurohw, tmp_path: Path) -> None:
    status, out, _ = neurohw("run", "quickstart", *FAST, "--seed", "7")
    assert status == 0
    (folder,) = (tmp_path / "runs").iterdir()
    assert re.fullmatch(r"quickstart-[0-9a-f]{12}-7", folder.name)
    assert {p.name for p in folder.iterdir()} == {"record.json", "metrics.csv", "checkpoint.pt"}
    assert str(Path("runs") / folder.name / "record.json") in out
    accuracy = json.loads((folder / "record.json").read_text())["metrics"]["direct_accuracy"]
    assert f"direct accuracy {100 * accuracy:.2f} %" in out


def test_demo_is_the_quickstart_sweep_with_a_report(neurohw, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The whole command on a small share of the digits; `make demo` runs it in full."""
    from neurohw.studies import sweep as module

    loaded = module.load_sweep("quickstart")
    small = {"data.train_limit": 100, "data.test_limit": 50, "training.epochs": 1}
    cut = module.Sweep(loaded.path, loaded.file.model_copy(update={"set": loaded.file.set | small, "seeds": (0, 1)}))
    monkeypatch.setattr(module, "load_sweep", lambda name: {"quickstart": cut}[name])
    monkeypatch.setenv("COLUMNS", "200")  # names of points that learnt nothing in an epoch are longer
    status, out, err = neurohw("demo", "--jobs", "1")
    assert status == 0, err
    assert (tmp_path / "runs/demo/report/index.html").is_file()
    assert "EP · reram_es + tiki-taka-v2" in out


def test_quiet_prints_the_result_only(neurohw) -> None:
    _, out, _ = neurohw("run", "quickstart", *FAST, "--quiet")
    assert len(out.strip().splitlines()) == 2


def test_run_tells_what_the_chip_still_knows_at_each_age(neurohw, tmp_path: Path) -> None:
    """A line for each age and way, re-trained or not; of networks programmed off-chip the usual way."""
    ages = [*FAST, "--set", "evaluation.age_seconds=[3600,31536000]", "--quiet"]
    more = ["--set", 'evaluation.compensation=["none","global"]', "--set", "evaluation.recovery_images=50"]
    status, out, err = neurohw("run", "quickstart", *ages, *more, "--set", "hardware.device=sonos", "--out", "own")
    assert status == 0, err
    metrics = json.loads((tmp_path / "own/record.json").read_text())["metrics"]["by_age_seconds"]
    told = metrics["3600"]["by_compensation"]["global"]["retrained"]["direct_accuracy"]
    assert f"1 hour later, compensated, re-trained: direct accuracy {100 * told:.2f} %" in out
    assert sum(" later, " in line for line in out.splitlines()) == 8
    status, out, err = neurohw("run", "quickstart", *ages, "--set", "hardware.off_chip=pcm-like", "--out", "other")
    assert status == 0, err
    told = json.loads((tmp_path / "other/record.json").read_text())["metrics"]["by_age_seconds"]["3.1536e+07"]
    assert f"1 year later, compensated: direct accuracy {100 * told['direct_accuracy']:.2f} %" in out


def test_tensorboard_gets_every_epoch(neurohw, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert neurohw("run", "quickstart", *FAST, "--tensorboard", "--seed", "3")[0] == 0
    events = EventAccumulator(str(tmp_path / "runs/tensorboard/quickstart-3"))
    events.Reload()
    assert "unsupervised/direct_accuracy" in events.Tags()["scalars"]
    assert events.Tags()["images"] == ["W1/weights"]
    assert not events.Tags()["histograms"]  # ideal arrays have no conductances
    assert (
        neurohw("run", "quickstart", *FAST, "--tensorboard", "--set", "hardware.device=ecram", "--out", "runs/e")[0]
        == 0
    )
    events = EventAccumulator(str(tmp_path / "runs/e/tensorboard/quickstart-0"))
    events.Reload()
    assert "W1/cell/siemens" in events.Tags()["histograms"]


def test_tensorboard_that_is_absent_is_one_message(neurohw, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    status, _, err = neurohw("run", "quickstart", *FAST, "--tensorboard")
    assert status == 2
    assert "pip install 'neurohw[tensorboard]'" in err


def test_run_dry_run_tells_time_and_disk_and_runs_nothing(neurohw, tmp_path: Path) -> None:
    status, out, _ = neurohw("run", "quickstart", "--set", "hardware.device=ecram", "--dry-run")
    assert status == 0
    assert "recommended in" in out
    assert re.search(r"nothing was run; quickstart would take about [\d.]+ (s|min) on this CPU", out)
    assert re.search(r"disk: about [\d.]+ MB; [\d.]+ GB are free", out)
    assert not list(tmp_path.iterdir())
    status, _, err = neurohw("run", "quickstart", "--set", "hardware.device=ecrm", "--dry-run")
    assert status == 2
    assert "did you mean ecram?" in err


def test_sweep_dry_run_lists_points_and_an_estimate_and_runs_nothing(neurohw, tmp_path: Path) -> None:
    status, out, _ = neurohw("sweep", "quickstart", "--dry-run")
    assert status == 0
    assert out.count("quickstart-") == out.count("0 to 2") == 10
    assert out.count("rule = ep, backend = analog, device = ecram") == 1
    assert re.search(r"30 runs, 0 done.*; about \d+ (s|min)", out, re.S)
    assert not list(tmp_path.rglob("record.json"))


def test_sweep_then_report(neurohw, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        'experiment = "quickstart"\nseeds = [0, 1]\nstop_after = 1\n[set]\n"data.train_limit" = 200\n'
        '"data.test_limit" = 100\n[axes]\n"network.rule" = ["bp", "ep"]\n'
    )
    assert neurohw("sweep", "mine.toml", "--out", "out")[0] == 0
    status, out, _ = neurohw("report", "out")
    assert status == 0
    assert (tmp_path / "out/report/index.html").is_file()
    assert "Accuracy" in out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "no_such_thing"], "no experiment of that name"),
        (["run", "quickstart", "--set", "training.epocs=1"], "did you mean epochs"),
        (["run", "quickstart", "--set", "training.epochs"], "key=value"),
        (["run", "quickstart", "--device", "tpu"], "allowed: cpu, cuda"),
        (["run", "quickstart", "--set", "target.k=101"], "target.k: got 101"),
        (["run", "quickstart", "--set", "hardware.device=nowhere"], "--set: hardware.device: device 'nowhere'"),
        (
            ["run", "quickstart", "--set", "hardware.device=ecram", "--set", "hardware.device_parameters.stepp=1"],
            "--set: hardware.device_parameters: device ecram: stepp",
        ),
        (["run", "quickstart", "--seed", "-1"], "--seed"),
        (["sweep", "no_such_thing"], "no sweep of that name"),
        (["report", "empty"], "no record.json"),
        (["bench", "no_such_thing"], "allowed: throughput"),
        (["data", "fetch", "mnist"], "--from"),
        (["data", "fetch", "mnist", "--from", "nowhere"], "nowhere"),
        (["nonsense"], "nonsense"),
    ],
)
def test_wrong_input_is_one_message_and_status_2(neurohw, arguments: list[str], said: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    status, out, err = neurohw(*arguments)
    assert status == 2
    assert said in err
    assert "Traceback" not in err + out


def test_missing_data_says_where_it_looked_and_what_to_do(
    neurohw, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NEUROHW_DATA", str(tmp_path / "nothing"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("neurohw.data.lookup.SYSTEM", tmp_path / "system")
    status, _, err = neurohw("run", "mnist_supervised_ep")
    assert status == 2
    assert str(tmp_path / "system") in err
    assert str(tmp_path / "nothing") in err
    assert "neurohw data fetch mnist" in err


def test_more_than_ten_thousand_points_need_yes(neurohw, tmp_path: Path) -> None:
    many = ", ".join(map(str, range(10_001)))
    (tmp_path / "many.toml").write_text(f'experiment = "quickstart"\nseeds = [{many}]\n')
    status, _, err = neurohw("sweep", "many.toml")
    assert status == 2
    assert "--yes" in err


def test_an_unwritable_folder(neurohw, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    status, _, err = neurohw("run", "quickstart", "--out", "file/out")
    assert status == 2
    assert "cannot be written to" in err


def test_a_fault_of_ours_is_a_message_and_status_1(neurohw, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neurohw.runs.run.run", lambda *_, **__: 1 / 0)
    status, _, err = neurohw("run", "quickstart")
    assert status == 1
    assert "ZeroDivisionError" in err
    assert "--debug" in err
    assert "Traceback" not in err


def test_an_aihwkit_that_does_not_fit(neurohw, monkeypatch: pytest.MonkeyPatch) -> None:
    """With torch 2.13 aihwkit imports, and then every read fails: the first array says so and what to install."""
    from neurohw.crossbar.aihwkit import works
    from neurohw.crossbar.aihwkit.versions import REMEDY_COMMAND

    def as_with_torch_2_13() -> bool:
        raise RuntimeError("Invalid weights dimensions")

    works.check_aihwkit.cache_clear()
    monkeypatch.setattr(works, "_trial_is_right", as_with_torch_2_13)
    settings = ["--set", "hardware.backend=aihwkit", "--set", "hardware.device=ecram"]
    status, _, err = neurohw("run", "quickstart", *settings)
    works.check_aihwkit.cache_clear()
    assert status == 1
    assert "Invalid weights dimensions" in err
    assert REMEDY_COMMAND in err
    assert "Traceback" not in err


def test_data_list(neurohw) -> None:
    status, out, _ = neurohw("data", "list")
    assert status == 0
    assert "digits" in out
    assert "mnist" in out


def test_help_does_not_wait_for_torch() -> None:
    code = "import sys, neurohw.cli.app; sys.exit('torch' in sys.modules or 'aihwkit' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_list_of_devices_does_not_wait_for_torch() -> None:
    code = "import sys; from neurohw.cli.device import device_list; device_list(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, stdout=subprocess.DEVNULL).returncode == 0


def test_the_example_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The README's ten lines of Python, as they stand."""
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    (example,) = [block for block in blocks if "import neurohw" in block]  # the others are of a cluster
    space: dict[str, object] = {}
    exec(compile(example, "README.md", "exec"), space)
    assert (tmp_path / "example" / "index.html").is_file()


def test_the_readme_names_every_command_and_every_experiment() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for command in ("demo", "run", "sweep", "watch", "report", "data", "doctor", "bench"):
        assert f"`neurohw {command}" in text
    for path in shipped("experiments").glob("*/experiment.toml"):
        assert f"`{path.parent.name}`" in text, f"the README's table of experiments lacks {path.parent.name}"


def test_an_interrupt_within_a_callback_of_pydantic_s_is_one(neurohw, monkeypatch: pytest.MonkeyPatch) -> None:
    """There it arrives as an error of a value."""
    from pydantic import BaseModel, model_serializer

    from neurohw.config import OnChipExperiment

    class Interrupted(BaseModel):
        @model_serializer
        def _plain(self) -> dict[str, str]:
            signal.raise_signal(signal.SIGINT)
            return {}

    signal.signal(signal.SIGINT, signal.default_int_handler)  # where tests run in the background, too
    monkeypatch.setattr(OnChipExperiment, "canonical", lambda self: Interrupted().model_dump())
    status, _, err = neurohw("run", "quickstart", *FAST)
    assert (status, err.strip()) == (130, "interrupted")
