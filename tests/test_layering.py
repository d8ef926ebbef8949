"""Who may import whom: the imports of every module are walked, and any other arrow fails."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "neurohw"
LEAVES = {"errors", "isolation", "names", "output", "seeding", "clock", "shipping", "units", "quantity"}
LEAVES |= {"archive", "interrupted", "reading"}
LEARNING = {"crossbar.base", "circuits.neuron", "circuits.target"}

# part -> what it may import, besides itself and the leaves; a dotted name allows that module only
ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "interrupted": set(),
    "isolation": set(),
    "output": set(),
    "names": set(),
    "reading": set(),
    "seeding": set(),
    "archive": {"errors"},
    "clock": set(),
    "shipping": set(),
    "units": set(),
    "quantity": set(),
    "data": set(),
    "devices": set(),
    "crossbar": {"devices"},
    "circuits": set(),
    "networks": LEARNING,
    "training": LEARNING | {"networks", "data"},
    "energy": {"crossbar.base", "circuits.target", "networks.operations"},
    "variants": set(),
    "config": {"variants"},
    "loading": {"config", "variants"},
    "runs": {"loading", "config", "data", "devices", "crossbar", "circuits", "networks", "training", "energy"},
    "report": {"runs.collection", "runs.record", "runs.files", "runs.expected", "loading", "config"},
    "doctor": {"crossbar", "circuits", "data", "devices"},
    "bench": {"*"},
    "testing": {"*"},
    "cli": {"*"},
    "cli_device": {"*"},
    "cli_circuit": {"*"},
    "cli_energy": {"*"},
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
    return found


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


def test_a_group_of_commands_is_imported_by_the_command_line_only() -> None:
    for path in modules():
        groups = {name.split(".")[0] for name in imported(path) if name.startswith("cli_")}
        assert not groups or dotted(path) == "cli", f"{dotted(path)} imports {groups}"


def outside(path: Path) -> set[str]:
    """Return the top names of every package a file imports."""
    names = {
        (node.module or "") if isinstance(node, ast.ImportFrom) else node.names[0].name
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    return {name.split(".")[0] for name in names}


def test_only_the_aihwkit_modules_import_aihwkit() -> None:
    for path in modules():
        if "aihwkit" in outside(path):
            in_crossbar = path.parent.name == "crossbar" and path.name.startswith(("aihwkit_", "programmed"))
            assert in_crossbar or path.parent.name == "bench", dotted(path)


def test_brian2_is_imported_in_one_place() -> None:
    """It evaluates a file of the folder where one stands, unless it is imported aside."""
    assert [dotted(path) for path in modules() if "brian2" in outside(path)] == ["circuits.brian"]


def test_learning_code_never_sees_energy_or_back_ends() -> None:
    for part in ("networks", "training", "circuits"):
        for path in (PACKAGE / part).rglob("*.py"):
            for name in imported(path):
                assert not name.startswith(("energy", "crossbar.ideal", "crossbar.aihwkit", "crossbar.build", "config"))
