"""Many records in one small file: what goes in comes out, reports cannot tell it from folders, bad files are named."""

from __future__ import annotations

import json
import lzma
from pathlib import Path

import pytest
from typer.testing import CliRunner

from neurohw import archive
from neurohw.archive import ARCHIVE
from neurohw.cli.app import app
from neurohw.errors import InputError
from neurohw.loading import load_experiment
from neurohw.report.page.write import write_report
from neurohw.runs.collection import find_records, located_records, read_archive, write_archive
from neurohw.runs.record import RunRecord, read_record
from neurohw.runs.run import run

KEYS = {"data.train_limit": 32, "data.test_limit": 20, "training.epochs": 2, "hardware.device": "ecram",
        "hardware.backend": "analog", "network.layers": [64, 10], "hardware.periphery": "32nm"}  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seeds of one configuration and one of another, as `run` leaves them; one stopped, and evaluated once."""
    folder = tmp_path_factory.mktemp("runs")
    for seed in (0, 1):
        run(load_experiment("quickstart", KEYS), seed, folder / f"a-{seed}")
    other = load_experiment("quickstart", KEYS | {"target.k": 2, "evaluation.every": 2})
    run(other, 3, folder / "b-3", stop_after=1)
    return folder


def plain(record: RunRecord) -> str:
    curve = [{key: value for key, value in row.items() if value == value} for row in record.curve]
    return json.dumps([record.model_dump(by_alias=True), curve], sort_keys=True)


def test_what_goes_in_comes_out(runs: Path, tmp_path: Path) -> None:
    records = find_records([runs])
    write_archive(records, tmp_path)
    assert [plain(record) for record in read_archive(tmp_path / ARCHIVE)] == [plain(record) for record in records]


def test_each_configuration_stands_there_once_and_the_file_is_small(runs: Path, tmp_path: Path) -> None:
    records = find_records([runs])
    write_archive(records, tmp_path)
    text = lzma.decompress((tmp_path / ARCHIVE).read_bytes()).decode()
    assert text.count('"train_limit"') == 2 == len({record.config_hash for record in records})
    raw = sum(path.stat().st_size for path in runs.rglob("*.json"))
    assert (tmp_path / ARCHIVE).stat().st_size < raw / 4


def test_a_configuration_that_shares_its_hash_but_not_all_keys_is_kept(runs: Path, tmp_path: Path) -> None:
    """The hash leaves out the number of runs that is meant."""
    first, *others = find_records([runs])
    more = first.model_copy(update={"config": first.config | {"runs": 77}, "seed": 5})
    write_archive([first, more, *others], tmp_path)
    assert [record.config["runs"] for record in read_archive(tmp_path / ARCHIVE)][:2] == [first.config["runs"], 77]


def test_a_report_cannot_tell_the_file_from_the_folders(runs: Path, tmp_path: Path) -> None:
    write_report(find_records([runs]), tmp_path / "first", "A title")
    write_report(find_records([tmp_path / "first"]), tmp_path / "second", "A title")
    names = sorted(path.name for path in (tmp_path / "first").iterdir())
    assert ARCHIVE in names
    assert names == sorted(path.name for path in (tmp_path / "second").iterdir())
    for name in names:
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes(), name


def test_a_record_that_stands_in_both_is_read_once(runs: Path, tmp_path: Path) -> None:
    write_archive(find_records([runs]), tmp_path)
    located = located_records([runs, tmp_path, tmp_path / ARCHIVE])
    assert [path.name for path, _ in located] == ["record.json"] * 3


def test_a_configuration_is_run_from_the_file(runs: Path, tmp_path: Path) -> None:
    write_archive(find_records([runs]), tmp_path)
    record = read_record(runs / "b-3")
    for name in (f"{tmp_path}:{record.config_hash}", f"{tmp_path / ARCHIVE}:{record.config_hash}"):
        assert load_experiment(name).canonical() == record.config
        assert load_experiment(name, {"target.k": 5}).target.k == 5
    with pytest.raises(InputError, match=f"no configuration 0123456789ab; allowed: one of .*{record.config_hash}"):
        load_experiment(f"{tmp_path}:0123456789ab")


def test_accounts_are_saved_into_the_file_and_nothing_else_changes(runs: Path, tmp_path: Path) -> None:
    write_archive(find_records([runs]), tmp_path)
    before = read_archive(tmp_path / ARCHIVE)
    result = CliRunner().invoke(app, ["energy", str(tmp_path), "--table", "14nm", "--save"])
    assert result.exit_code == 0, result.output
    after = read_archive(tmp_path / ARCHIVE)
    assert {record.energy.table for record in after} == {"periphery_14nm"}
    for old, new in zip(before, after, strict=True):
        assert plain(new.model_copy(update={"energy": old.energy})) == plain(old)
        assert new.energy.total.nominal < old.energy.total.nominal


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "Compressed file ended"),
        (b"not compressed", "not supported"),
        (lzma.compress(b"{}\n"), "line 1: this is no file"),
        (lzma.compress(b'{"file":"records of neurohw","schema":2}\n'), "line 1: this is no file"),
        (lzma.compress(b'{"file":"records of neurohw","schema":1}\n[]\n'), "line 2: this is no file"),
        (lzma.compress(b'{"file":"records of neurohw","schema":1}\n{"config_hash": "0"}\n'), "line 2: config_hash"),
        (lzma.compress(b'{"file":"records of neurohw","schema":1}\n{"config": {}}\n'), "line 2: name"),
        (lzma.compress(b"\xff\xfe"), "can't decode"),
    ],
)
def test_a_file_that_is_none_of_ours_is_named(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / ARCHIVE).write_bytes(content)
    with pytest.raises(InputError, match=f"{ARCHIVE}.*{said}"):
        find_records([tmp_path])


def test_a_file_that_unpacks_to_more_than_any_of_ours_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "LARGEST", 1 << 20)
    (tmp_path / ARCHIVE).write_bytes(lzma.compress(bytes(2 << 20)))
    with pytest.raises(InputError, match="unpacks to more than 1 MiB"):
        find_records([tmp_path])
