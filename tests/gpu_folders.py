"""Folders of runs as a GPU writes them, made of those that a CPU has written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from neurohw.runs.checkpoint import sha256_of


def as_of_a_gpu(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a run's folder one that a GPU has written: its tensors lie there, and its generators have other states."""
    content = torch.load(folder / "checkpoint.pt")
    content["identity"] = content["identity"].replace("-cpu", "-cuda")
    state = torch.zeros(16, dtype=torch.uint8)
    content["streams"] = dict.fromkeys(content["streams"], state)
    content["network"] |= {key: state for key in content["network"] if key.endswith("generator")}
    del content["sha256"]
    with monkeypatch.context() as patched:
        patched.setattr("torch.serialization.location_tag", lambda storage: "cuda:0")
        torch.save(content | {"sha256": sha256_of(content)}, folder / "checkpoint.pt")
    record = json.loads((folder / "record.json").read_text())
    record["versions"]["device"] = "cuda"
    (folder / "record.json").write_text(json.dumps(record))
