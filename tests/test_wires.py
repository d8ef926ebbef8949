"""Resistive wires: exact against a dense nodal solve and badcrossbar, approximate against the stated bounds."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from neurohw.bench.wires import current_error, kirchhoff_residual, log_uniform, wires
from neurohw.crossbar import wires as module
from neurohw.crossbar.wires import (
    WireGrid,
    Wires,
    exact_conductances,
    line_load,
    remaining_voltages,
)
from neurohw.errors import InputError, NeurohwError

CIRCUITS = json.loads((Path(__file__).parent / "golden" / "wires_badcrossbar.json").read_text())["circuits"]
LINES = [
    Wires(1.0, 1.0),
    Wires(20.0, 3.0),
    Wires(1000.0, 2000.0),
    Wires(5.0, 0.0),
    Wires(0.0, 5.0),
    Wires(0.0, 0.0, r_driver=50.0),
    Wires(0.0, 2.0, r_driver=50.0, r_sense=100.0),
    Wires(2.0, 0.5, r_driver=100.0, r_sense=30.0),
]


def uniform(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def cells(n_post: int, n_pre: int, seed: int = 0) -> Tensor:
    return log_uniform(n_post, n_pre, torch.Generator().manual_seed(seed))


def exact_currents(conductances: Tensor, voltages: Tensor, line: Wires) -> Tensor:
    """Return the currents of one read."""
    return WireGrid(conductances, line).solve(voltages)


def effective_conductances(conductances: Tensor, line: Wires) -> Tensor:
    """Return the approximation of what a read sees."""
    return conductances * remaining_voltages(conductances, line)


class Nodes:
    """A list of resistors and sources, solved by dense nodal analysis; wires without resistance join their nodes."""

    def __init__(self) -> None:
        self.parent: dict[Any, Any] = {}
        self.resistors: list[tuple[Any, Any, float]] = []

    def root(self, node: Any) -> Any:
        self.parent.setdefault(node, node)
        while self.parent[node] != node:
            node = self.parent[node]
        return node

    def wire(self, a: Any, b: Any, ohm: float) -> None:
        if ohm == 0:
            self.parent[self.root(b)] = self.root(a)
        else:
            self.resistors.append((a, b, 1 / ohm))

    def solve(self, held: dict[Any, float]) -> dict[Any, float]:
        """Return the voltage of every node, given those of some."""
        fixed = {self.root(node): voltage for node, voltage in held.items()}
        nodes = {self.root(n) for resistor in self.resistors for n in resistor[:2]} | set(fixed)
        free = {node: k for k, node in enumerate(n for n in nodes if n not in fixed)}
        matrix, right = np.zeros((len(free), len(free))), np.zeros(len(free))
        for a, b, siemens in ((self.root(a), self.root(b), s) for a, b, s in self.resistors):
            for here, there in ((a, b), (b, a)):
                if here in free:
                    matrix[free[here], free[here]] += siemens
                    if there in free:
                        matrix[free[here], free[there]] -= siemens
                    else:
                        right[free[here]] += siemens * fixed[there]
        found = np.linalg.solve(matrix, right)
        voltages = fixed | {node: found[k] for node, k in free.items()}
        return {node: voltages[self.root(node)] for node in self.parent}


def dense_read(conductances: Tensor, voltages: Tensor, line: Wires, transposed: bool = False) -> Tensor:
    """Return the currents of one input, [n_post] or [n_pre], summed over the cells of each sensed line."""
    n_post, n_pre = conductances.shape
    net = Nodes()
    for i in range(n_pre):
        for j in range(n_post):
            before: Any = ("word", i, j - 1) if j else ("driven", i)
            net.wire(before, ("word", i, j), line.r_row + (0 if j else line.r_driver))
            last = i == n_pre - 1
            behind: Any = ("sensed", j) if last else ("bit", i + 1, j)
            net.wire(behind, ("bit", i, j), line.r_column + (line.r_sense if last else 0))
            net.resistors.append((("word", i, j), ("bit", i, j), float(conductances[j, i])))
    drive, rest = ("sensed", "driven") if transposed else ("driven", "sensed")
    held = {(drive, k): float(v) for k, v in enumerate(voltages)}
    node = net.solve(held | {(rest, k): 0.0 for k in range(n_pre if transposed else n_post)})
    across = [[node["word", i, j] - node["bit", i, j] for i in range(n_pre)] for j in range(n_post)]
    current = conductances * torch.tensor(across, dtype=torch.float64)
    return -current.sum(0) if transposed else current.sum(1)


@pytest.mark.parametrize("line", LINES, ids=str)
@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (5, 1), (4, 7), (9, 5)], ids=str)
def test_reads_in_both_directions_equal_a_dense_nodal_solve(shape: tuple[int, int], line: Wires) -> None:
    grid = WireGrid(cells(*shape), line)
    for transposed, lines in ((False, shape[1]), (True, shape[0])):
        voltages = 2 * uniform(2, lines) - 1
        wanted = torch.stack([dense_read(grid.conductances, v, line, transposed) for v in voltages])
        torch.testing.assert_close(grid.solve(voltages, transposed), wanted, rtol=1e-6, atol=1e-9 * wanted.abs().max())


@pytest.mark.parametrize("shape", [(32, 32), (24, 32), (32, 17)], ids=str)
def test_larger_grids_equal_a_dense_nodal_solve(shape: tuple[int, int]) -> None:
    line, voltages = Wires(20.0, 3.0, r_sense=10.0), uniform(1, shape[1])
    wanted = dense_read(cells(*shape), voltages[0], line)
    torch.testing.assert_close(exact_currents(cells(*shape), voltages, line)[0], wanted, rtol=1e-9, atol=0)


@pytest.mark.parametrize("circuit", CIRCUITS, ids=lambda circuit: str(circuit["name"]))
def test_currents_equal_badcrossbars(circuit: dict[str, Any]) -> None:
    conductances, voltages, wanted = (
        torch.tensor(circuit[key], dtype=torch.float64) for key in ("conductances_S", "voltages_V", "output_currents_A")
    )
    line = Wires(circuit["r_word_line_ohm"], circuit["r_bit_line_ohm"])
    torch.testing.assert_close(exact_currents(conductances.T, voltages.T, line), wanted, rtol=1e-9, atol=0)


def test_wires_without_resistance_change_nothing_at_all() -> None:
    line, voltages = Wires(0.0, 0.0), uniform(3, 9)
    for shape in ((6, 9), (12, 9)):
        conductances = cells(*shape)
        assert torch.equal(exact_currents(conductances, voltages, line), voltages @ conductances.T)
        assert torch.equal(effective_conductances(conductances, line), conductances)
        assert line_load(conductances, line) == 0


def test_float32_is_solved_in_float64() -> None:
    line, conductances, voltages = Wires(5.0, 5.0), cells(4, 6).float(), uniform(2, 6).float()
    grid, wanted = WireGrid(conductances, line), exact_currents(conductances.double(), voltages.double(), line)
    assert torch.equal(grid.solve(voltages), wanted)
    word, bit = grid.node_voltages(voltages)
    torch.testing.assert_close((conductances * (word - bit)).sum(2), wanted, rtol=1e-12, atol=0)


def test_one_cell_is_a_series_circuit() -> None:
    line = Wires(3.0, 5.0, r_driver=7.0, r_sense=11.0)
    found = exact_currents(torch.tensor([[1e-3]], dtype=torch.float64), torch.tensor([[2.0]]), line)
    assert float(found) == pytest.approx(2.0 / (1000 + 3 + 5 + 7 + 11), rel=1e-14)


def test_kirchhoff_holds_at_every_node_of_128_lines() -> None:
    voltages = uniform(2, 128)
    for ohm in (0.1, 20.0):
        grid = WireGrid(cells(128, 128), Wires(ohm, ohm, r_driver=10.0, r_sense=5.0))
        word, bit = grid.node_voltages(voltages)
        assert kirchhoff_residual(grid, voltages, word, bit) < 1e-9
        word[1, 60, 70] += 1e-7  # volt: the check sees it
        assert kirchhoff_residual(grid, voltages, word, bit) > 1e-9


def test_128_lines_and_100_inputs_take_less_than_the_goal() -> None:
    conductances, voltages, times = cells(128, 128), uniform(100, 128), []
    for _ in range(3):
        began = time.perf_counter()
        exact_currents(conductances, voltages, Wires(1.0, 1.0))
        times.append(time.perf_counter() - began)
    assert min(times) < 0.4


def test_the_best_cell_is_next_to_both_ends_and_resistance_only_takes() -> None:
    equal = torch.full((6, 8), 1e-5, dtype=torch.float64)
    share = exact_conductances(equal, Wires(10.0, 10.0)) / equal
    assert int(share.argmax()) == 7  # post 0, the last pre
    assert int(share.argmin()) == 5 * 8  # the last post, pre 0
    more = exact_conductances(equal, Wires(20.0, 10.0)) / equal
    assert bool((more < share).all())
    assert float(share.max()) < 1


def unequal_cells(n_post: int, n_pre: int) -> dict[str, Tensor]:
    """Return the kinds of conductances the bounds are stated for."""
    strong = torch.full((n_post, n_pre), 2e-6, dtype=torch.float64)
    strong[:: n_post // 4] = strong[:, :: n_pre // 4] = 1e-4
    return {
        "log-uniform": cells(n_post, n_pre),
        "rank 1": 1e-6 * 10 ** (uniform(n_post, 1) + uniform(1, n_pre, seed=1)),
        "sparse": 1e-4 * (uniform(n_post, n_pre) < 0.1).double(),
        "strong lines": strong,
    }


@pytest.mark.parametrize(
    "line", [Wires(0.2, 0.2), Wires(3.0, 0.5), Wires(1.0, 1.0, 20.0, 20.0), Wires(5.0, 5.0)], ids=str
)
@pytest.mark.parametrize("shape", [(16, 16), (64, 64), (32, 100), (100, 40)], ids=str)
def test_the_approximation_keeps_its_bounds(shape: tuple[int, int], line: Wires) -> None:
    dense, signed = uniform(20, shape[1]), 2 * uniform(20, shape[1], seed=1) - 1
    fifth, single = dense * (uniform(20, shape[1], seed=2) < 0.2), torch.eye(shape[1], dtype=torch.float64)
    for kind, conductances in unequal_cells(*shape).items():
        load, exact = line_load(conductances, line), exact_conductances(conductances, line)
        found = effective_conductances(conductances, line)
        bound = min(load**2, load)
        for inputs, factor in ((dense, 0.02), (fifth, 0.05), (signed, 0.1), (single, 0.1)):
            assert current_error(found, exact, inputs) < factor * bound + 1e-6, (kind, load, factor)
        assert current_error(conductances, exact, dense) > 10 * current_error(found, exact, dense)


def test_the_error_falls_with_the_square_of_the_resistance() -> None:
    conductances, single = cells(40, 40), torch.eye(40, dtype=torch.float64)
    lines = [Wires(ohm, ohm) for ohm in (0.4, 0.2)]
    coarse, fine = (
        current_error(effective_conductances(conductances, w), exact_conductances(conductances, w), single)
        for w in lines
    )
    assert coarse / fine == pytest.approx(4, rel=0.1)


def test_equal_inputs_and_lines_of_one_kind_are_exact() -> None:
    conductances = cells(30, 40)
    found, exact = (f(conductances, Wires(10.0, 10.0)) for f in (effective_conductances, exact_conductances))
    torch.testing.assert_close(found.sum(1), exact.sum(1), rtol=1e-5, atol=0)
    torch.testing.assert_close(found.sum(0), exact.sum(0), rtol=1e-5, atol=0)
    assert float(((found - exact).abs() / exact).max()) > 1e-3  # and only these sums are
    for line in (Wires(10.0, 0.0, r_driver=50.0), Wires(0.0, 10.0, r_sense=50.0)):
        found, exact = (f(conductances, line) for f in (effective_conductances, exact_conductances))
        torch.testing.assert_close(found, exact, rtol=1e-4, atol=1e-10)


def test_the_approximation_keeps_the_dtype_and_takes_cells_that_do_not_conduct() -> None:
    line, conductances = Wires(5.0, 5.0), cells(50, 60)
    conductances[:, 3] = 0
    conductances[7] = 0
    found = effective_conductances(conductances.float(), line)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), effective_conductances(conductances, line), rtol=1e-4, atol=1e-10)
    assert torch.equal(found == 0, conductances == 0)
    assert not effective_conductances(torch.zeros(3, 4), line).any()
    assert not exact_conductances(torch.zeros(3, 4), line).any()
    assert bool((effective_conductances(cells(64, 64).float(), Wires(1000.0, 1000.0)) > 0).all())  # a load of 118


def test_line_load_of_equal_cells_is_the_stated_formula() -> None:
    equal = torch.full((20, 20), 1e-5, dtype=torch.float64)
    assert line_load(equal, Wires(2.0, 3.0)) == pytest.approx(1e-5 * 5 * 20 * 21 / 2)


def test_no_convergence_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_STEPS", 2)
    with pytest.raises(NeurohwError, match=r"converge in 2 steps.*exact_conductances"):
        effective_conductances(cells(30, 30), Wires(50.0, 50.0))


@pytest.mark.parametrize("name", ["r_row", "r_column", "r_driver", "r_sense"])
@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_wrong_resistances_are_named(name: str, value: float) -> None:
    with pytest.raises(InputError, match=f"{name} must be a finite number of ohm, at least 0, but got {value}"):
        Wires(**({"r_row": 1.0, "r_column": 1.0} | {name: value}))


@pytest.mark.parametrize("value", [-1e-6, float("nan"), float("inf")])
def test_wrong_conductances_are_placed(value: float) -> None:
    conductances = cells(3, 4)
    conductances[2, 1] = value
    for call in (exact_conductances, effective_conductances, line_load, WireGrid):
        with pytest.raises(InputError, match=rf"conductances must be finite.*\(post 2, pre 1\) has {value}"):
            call(conductances, Wires(1.0, 1.0))


@pytest.mark.parametrize("wrong", [torch.zeros(3), torch.zeros(0, 3), torch.ones(2, 2, dtype=torch.int64)])
def test_conductances_must_be_a_matrix_of_floats(wrong: Tensor) -> None:
    with pytest.raises(InputError, match=r"must be a floating-point matrix \[n_post, n_pre\].*shape"):
        effective_conductances(wrong, Wires(1.0, 1.0))


def test_wrong_voltages_are_named() -> None:
    grid = WireGrid(cells(3, 4), Wires(1.0, 1.0))
    with pytest.raises(InputError, match=r"voltages must be \[B, 4\], one for each word line, but got shape \(2, 3\)"):
        grid.solve(torch.zeros(2, 3))
    with pytest.raises(InputError, match=r"\[B, 3\], one for each bit line, but got shape \(4,\)"):
        grid.solve(torch.zeros(4), transposed=True)
    with pytest.raises(InputError, match="sample 1 has nan on word line 2"):
        grid.node_voltages(torch.tensor([[0.0] * 4, [0.0, 0.0, float("nan"), 0.0]]))


def test_the_benchmark_reaches_its_goals_on_a_small_crossbar() -> None:
    rows = wires(lines=16, inputs=3, rounds=1, cases=((32, 1.0), (64, 5.0)))
    assert all(row["value"] < row["goal"] for row in rows if row["goal"] != "")
    assert sum(row["goal"] != "" for row in rows) == 6
