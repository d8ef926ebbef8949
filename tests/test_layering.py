"""Who may import whom: the imports of every module are walked, and any other arrow fails."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "neurohw"
LEAVES = {"errors", "isolation", "names", "output", "seeding", "clock", "shipping", "units", "quantity", "threads"}
LEAVES |= {"ascent", "archive", "interrupted", "metrics", "reading", "validation", "toml_files", "values", "shown"}
LEAVES |= {"compiled", "draws", "philox", "places"}
PARTS = {"data", "devices", "crossbar", "circuits", "networks"}
LEARNING = {"crossbar.base", "circuits.neuron", "circuits.target"}

# part -> what it may import, besides itself and the leaves; a dotted name allows that module only
ALLOWED: dict[str, set[str]] = {
    "ascent": set(),
    "errors": set(),
    "interrupted": set(),
    "isolation": set(),
    "output": set(),
    "metrics": set(),
    "names": set(),
    "reading": set(),
    "toml_files": set(),
    "seeding": set(),
    "archive": {"errors"},
    "compiled": set(),
    "draws": set(),
    "philox": set(),
    "places": set(),
    "clock": set(),
    "shipping": set(),
    "units": set(),
    "validation": set(),
    "values": set(),
    "shown": set(),
    "threads": set(),
    "quantity": set(),
    "data": set(),
    "devices": set(),
    "crossbar": {"devices"},
    "circuits": set(),
    "networks": LEARNING,
    "training": LEARNING | {"networks", "data"},
    "deepstdp": {"data", "crossbar.base", "devices", "energy", "circuits.brian"},
    "transistors": {"circuits"},
    "fitting": {"devices"},
    "exporting": {"devices", "crossbar.aihwkit.translation"},
    "metering": {
        "crossbar.base",
        "crossbar.anatomy",
        "crossbar.periphery",
        "crossbar.standing",
        "circuits.target",
        "networks.operations",
    },
    "energy": {"metering.ledger", "metering.polarities", "metering.digital_work"},
    "variants": set(),
    "config": {
        "variants",
        "crossbar.backends",
        "crossbar.remedies",
        "networks.rules",
        "networks.shapes",
        "circuits.kinds",
        "deepstdp.stdp_parameters",
    },
    "kinds": {"config", "runs"},  # a job is imported when something is run
    "recommended": {"config", "devices", "crossbar.remedies", "runs.learnt"},  # what was learnt, if it is programmed
    "key_texts": set(),
    "keys": {
        "key_texts",
        "config",
        "kinds",
        "devices",
        "circuits.kinds",
        "circuits.parameters",
        "crossbar.remedies",
        "networks.rules",
        "networks.shapes",
    },
    "loading": {"config", "kinds", "recommended"},
    "runs": {"loading", "config", "kinds", "energy", "metering", "training", "deepstdp"} | PARTS,
    "studies": {
        "runs",
        "loading",
        "config",
        "kinds",
        "training",
        "recommended",
        "devices",
        "crossbar.remedies",
        "energy.figures",
        "energy.recorded",
    },
    "report": {
        "runs.looks",
        "runs.collection",
        "runs.record",
        "runs.symptoms",
        "runs.files",
        "studies.execution.failed",
        "studies.expected",
        "studies.paper",
        "studies.published",
        "loading",
        "config",
        "kinds",
        "energy.figures",
        "energy.lifetime",
        "networks.rules",
        "circuits.kinds",
        "crossbar.backends",
        "energy.ranges",
        "energy.recorded",
        "energy.schedule",
    },
    "doctor": {"crossbar", "circuits", "transistors", "data", "devices"},
    "bench": {"*"},
    "testing": {"*"},
    "cli": {"*"},
    "__main__": {"cli", "neurohw"},
    "__init__": {"*"},
}
NOTHING_IMPORTS = {"cli", "testing", "__main__"}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def imported(path: Path) -> set[str]:
    """Return every neurohw module a file imports, without the package's name, lazy imports included."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "neurohw":
            inner = node.module.removeprefix("neurohw").lstrip(".")
            found |= {f"{inner}.{alias.name}".lstrip(".") for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {a.name.removeprefix("neurohw.") for a in node.names if a.name.startswith("neurohw.")}
        elif isinstance(node, ast.Constant) and (name := spelled(node.value)).startswith("neurohw."):
            found.add(name.removeprefix("neurohw."))
    return found


def spelled(value: object) -> str:
    """Return a text that is the dotted name of a module, as `importlib` takes it, else nothing."""
    return value if isinstance(value, str) and re.fullmatch(r"[a-z_0-9]+(\.[a-z_0-9]+)+(:[A-Za-z]+)?", value) else ""


@pytest.mark.parametrize("path", modules(), ids=dotted)
def test_imports_follow_the_house(path: Path) -> None:
    part = dotted(path).split(".")[0]
    assert part in ALLOWED, f"{path}: a new part; give it its place in tests/test_layering.py"
    allowed = ALLOWED[part] | LEAVES | {part}
    if "*" in allowed:
        return
    for name in imported(path):
        if name == "__version__":
            continue
        fits = any(name == a or name.startswith(f"{a}.") for a in allowed)
        assert fits, f"{dotted(path)} imports neurohw.{name}; allowed: {', '.join(sorted(allowed))}"


def test_nothing_imports_what_is_on_top() -> None:
    for path in modules():
        part = dotted(path).split(".")[0]
        if part not in NOTHING_IMPORTS:
            tops = {name.split(".")[0] for name in imported(path)} & (NOTHING_IMPORTS - {part})
            assert not tops, f"{dotted(path)} imports {tops}"


def outside(path: Path) -> set[str]:
    """Return the top names of every package a file imports."""
    names = {
        (node.module or "") if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    names |= {spelled(n.value) for n in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(n, ast.Constant)}
    return {name.split(".")[0] for name in names}


def test_only_the_aihwkit_modules_import_aihwkit() -> None:
    for path in modules():
        if "aihwkit" in outside(path):
            assert path.parent in (PACKAGE / "crossbar/aihwkit", PACKAGE / "bench"), dotted(path)


def test_brian2_is_imported_in_one_place() -> None:
    """It evaluates a file of the folder where one stands, unless it is imported aside."""
    assert [dotted(path) for path in modules() if "brian2" in outside(path)] == ["circuits.brian"]


def test_learning_code_never_sees_energy_or_back_ends() -> None:
    for part in ("networks", "training", "circuits"):
        for path in (PACKAGE / part).rglob("*.py"):
            for name in imported(path):
                hidden = ("energy", "metering", "crossbar.ideal", "crossbar.aihwkit", "crossbar.build", "config")
                assert not name.startswith(hidden)
