"""Records, learning curves and checkpoints that are damaged: refused by file and key, or what they say is used.

Never anything else: no other exception, and no result that a damaged file changed in silence.
"""

from __future__ import annotations

import contextlib
import json
import lzma
import pickle
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from neurohw.energy.table import EnergyTable
from neurohw.errors import InputError
from neurohw.loading import load_experiment
from neurohw.report.accuracy.terminal import accuracy_table
from neurohw.report.energy.frame import energy_frame
from neurohw.report.frame import records_frame
from neurohw.report.page.content import content
from neurohw.runs.accounts import energy_of, schedule_of
from neurohw.runs.checkpoint import load_checkpoint
from neurohw.runs.collection import located_records, write_archive
from neurohw.runs.onchip import OnChip
from neurohw.runs.run import run
from neurohw.seeding import Streams
from tests.mutations import OTHERS, damaged, damaged_bytes

FEW: dict[str, Any] = {
    "training.epochs": 1, "data.train_limit": 40, "data.test_limit": 40, "network.layers": [64, 10],
    "evaluation": {"association": ["direct", "linear"], "label_fraction": [0.5, 1.0], "classifier": {"epochs": 1}},
}  # fmt: skip
CHIP = {**FEW, "hardware": {"device": "ecram", "periphery": "32nm"}, "training.optimizer": "adam",
        "training.learning_rate": [0.01]}  # fmt: skip
AGED = {**FEW, "hardware.off_chip": "pcm-like", "evaluation.age_seconds": [1.0, 3600.0]}
TABLE = EnergyTable.load("32nm")
few = settings(max_examples=16, derandomize=True, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on a chip, and one whose network is programmed into devices that age."""
    folder = tmp_path_factory.mktemp("whole")
    run(load_experiment("quickstart", CHIP), 0, folder / "chip")
    run(load_experiment("quickstart", AGED), 0, folder / "aged")
    return folder


@pytest.fixture(scope="module")
def work(whole: Path) -> Path:
    """A copy of it to be damaged."""
    return Path(shutil.copytree(whole, whole.parent / "work"))


def refusal(call: Callable[[], object]) -> str | None:
    """Return why something was refused; None if it was not."""
    try:
        call()
    except InputError as error:
        return str(error)
    return None


def is_read_or_refused(folder: Path, file: Path) -> None:
    """Read all records as a report does: the damaged one is left out by name, or everything can be said of it."""
    left_out: list[str] = []
    records = [record for _, record in located_records([folder], left_out)]
    assert all(told.startswith(f"{file}: ") for told in left_out)
    assert len(records) + bool(left_out) == 2
    if left_out:
        return
    said = content(records)
    accuracy_table(records)
    records_frame(records)
    energy_frame(said.energies)
    for record in records:
        with contextlib.suppress(InputError):
            energy_of(record, TABLE, schedule_of(record.config), lines=True)


@pytest.mark.parametrize("run_of", ["chip", "aged"])
@few
@given(st.data())
def test_a_damaged_record(run_of: str, whole: Path, work: Path, data: st.DataObject) -> None:
    file = work / run_of / "record.json"
    before = (whole / run_of / "record.json").read_text()
    file.write_text(json.dumps(data.draw(damaged(json.loads(before)))))
    is_read_or_refused(work, file)
    file.write_text(before)


@pytest.mark.parametrize("name", ["record.json", "metrics.csv"])
@few
@given(st.data())
def test_a_file_of_damaged_bytes(name: str, whole: Path, work: Path, data: st.DataObject) -> None:
    file = work / "chip" / name
    before = (whole / "chip" / name).read_bytes()
    file.write_bytes(data.draw(damaged_bytes(before)))
    is_read_or_refused(work, file)
    file.write_bytes(before)


@few
@given(st.data())
def test_a_damaged_file_of_records(whole: Path, work: Path, data: st.DataObject) -> None:
    """Of `records.jsonl.xz` every line stands for itself; a file whose packing is damaged is left out whole."""
    records = [record for _, record in located_records([whole])]
    kept = work / "kept"
    kept.mkdir(exist_ok=True)
    file = kept / "records.jsonl.xz"
    write_archive(records, kept)
    packed = file.read_bytes()
    if data.draw(st.booleans()):
        file.write_bytes(data.draw(damaged_bytes(packed)))
    else:
        lines = lzma.decompress(packed).decode().splitlines()
        number = data.draw(st.integers(0, len(lines) - 1))
        lines[number] = data.draw(st.one_of(
            damaged_bytes(lines[number].encode()).map(lambda line: line.decode("utf-8", "replace")),
            damaged(json.loads(lines[number])).map(json.dumps),
        ))  # fmt: skip
        file.write_bytes(lzma.compress("\n".join(lines).encode()))
    left_out: list[str] = []
    if refused := refusal(lambda: located_records([kept], left_out)):  # nothing is left of it
        assert refused.startswith(f"{file}: ")
        return
    assert all(told.startswith(f"{file}: line ") for told in left_out)
    content([record for _, record in located_records([kept], left_out)])


def test_a_report_goes_on_without_what_cannot_be_read_and_says_so(neurohw, whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole / "aged", tmp_path / "runs" / "good")
    shutil.copytree(whole / "chip", tmp_path / "runs" / "bad")
    file = tmp_path / "runs" / "bad" / "record.json"
    file.write_text(file.read_text().replace('"seed": 0', '"seed": -1'))
    status, out, err = neurohw("report", "runs")
    assert status == 0
    assert "left out: runs/bad/record.json: seed: got -1; allowed: greater than or equal to 0" in err
    for page in ("index.html", "report.md"):
        assert "A record could not be read and is left out" in (tmp_path / "runs" / "report" / page).read_text()
    status, out, _ = neurohw("energy", "runs", "--table", "32nm")
    assert status == 0
    assert "left out: runs/bad/record.json: seed" in out
    status, _, err = neurohw("report", "runs/bad")
    assert status == 2
    assert "runs/bad/record.json: seed" in err


# Checkpoints


class Parts:
    """What a checkpoint is loaded into."""

    def __init__(self) -> None:
        self.experiment = load_experiment("quickstart", CHIP)
        self.streams = Streams(0)
        self.job = OnChip(self.experiment, self.streams)
        self.job.build()
        self.network = self.job.network

    def load(self, folder: Path, identity: str) -> bool:
        return load_checkpoint(folder, identity, self.job, self.streams) is not None


@pytest.fixture(scope="module")
def parts() -> Parts:
    """What the checkpoints of a module are loaded into: each whole one puts all of it back."""
    return Parts()


@pytest.fixture(scope="module")
def saved(whole: Path) -> dict[str, Any]:
    return torch.load(whole / "chip" / "checkpoint.pt", weights_only=True)


TENSORS = st.sampled_from(
    [torch.zeros(0), torch.ones(1), torch.full((10, 64), torch.nan), torch.zeros(10, 64, dtype=torch.int8)]
)


@few
@given(st.data())
def test_a_checkpoint_that_says_something_else_is_refused(
    whole: Path, work: Path, parts: Parts, saved: dict[str, Any], data: st.DataObject
) -> None:
    """Whatever key: only one without its sum, as the first versions wrote, is taken at its word."""
    file = work / "chip" / "checkpoint.pt"
    changed = data.draw(damaged(saved, st.one_of(OTHERS, TENSORS)))
    assume(pickle.dumps(changed) != pickle.dumps(saved) and "sha256" in changed)
    torch.save(changed, file)
    before = parts.network.state_dict()
    with pytest.raises(InputError, match=re.escape(str(file))):
        parts.load(file.parent, saved["identity"])
    assert all(torch.equal(tensor, before[key]) for key, tensor in parts.network.state_dict().items())


@few
@given(st.data())
def test_a_checkpoint_of_damaged_bytes_is_refused_or_whole(
    whole: Path, work: Path, parts: Parts, saved: dict[str, Any], data: st.DataObject
) -> None:
    file = work / "chip" / "checkpoint.pt"
    file.write_bytes(data.draw(damaged_bytes((whole / "chip" / "checkpoint.pt").read_bytes())))
    if refused := refusal(lambda: parts.load(file.parent, saved["identity"])):
        assert refused.startswith(f"{file}: ")
        return
    assert all(torch.equal(tensor, saved["network"][key]) for key, tensor in parts.network.state_dict().items())


@pytest.mark.parametrize("key", ["batches", "done"])
def test_what_is_wrong_in_a_checkpoint_is_named(key: str, work: Path, parts: Parts, saved: dict[str, Any]) -> None:
    file = work / "chip" / "checkpoint.pt"
    torch.save(saved | {key: -5}, file)
    with pytest.raises(InputError, match=rf"checkpoint\.pt: {key}: got -5; .*remove it to start the run anew"):
        parts.load(file.parent, saved["identity"])


def test_a_checkpoint_takes_no_more_memory_than_a_right_one(work: Path, parts: Parts, saved: dict[str, Any]) -> None:
    """A file of 80 KiB that unpacks to 80 MiB, and one that is a pickle with a payload."""
    file = work / "chip" / "checkpoint.pt"
    with ZipFile(file, "w", ZIP_DEFLATED) as members, members.open("archive/data/0", "w", force_zip64=True) as member:
        for _ in range(10):
            member.write(bytes(1 << 23))
    with pytest.raises(InputError, match="it unpacks to 80 MiB"):
        parts.load(file.parent, saved["identity"])
    file.write_bytes(pickle.dumps(Path))
    with pytest.raises(InputError, match="cannot be read"):
        parts.load(file.parent, saved["identity"])
