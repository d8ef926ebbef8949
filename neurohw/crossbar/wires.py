"""IR drop: what the resistance of a crossbar's own wires does to its reads, exactly and approximately.

The grid. Conductances are [n_post, n_pre] like every weight matrix of the project: pre lines are word lines, post lines
are bit lines, and cell (j, i) joins word line i to bit line j. Word line i is driven in front of post 0 and runs to the
last post; bit line j is sensed (virtual ground) behind the last pre and begins at pre 0. This is the usual drawing
(sources on the left, sensing at the bottom), and badcrossbar's (Joksas & Mehonic 2020, SoftwareX 12, 100617).
Every line has as many segments as cells, the one between its end and the nearest cell included.

The network is linear, so any read is I = K V with one matrix K of transfer conductances, and it is reciprocal, so
driving the bit lines at their sensed ends and sensing the word lines at their driven ends reads K^T. Both series
resistances belong to the ends of the lines and stay there when the direction of a read changes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from neurohw.errors import InputError, NeurohwError

_TOLERANCE = 1e-6  # relative residual of the approximation's linear system, far below the approximation's own error
_MOST_STEPS = 500  # of conjugate gradients; a load of 1000 takes about 100


@dataclass(frozen=True)
class Wires:
    """Resistances of the lines, in ohm.

    Args:
        r_row: one segment of a word line.
        r_column: one segment of a bit line.
        r_driver: in series with every word line, at its driven end.
        r_sense: in series with every bit line, at its sensed end.

    Raises:
        InputError: a resistance that is negative or not finite.
    """

    r_row: float
    r_column: float
    r_driver: float = 0.0
    r_sense: float = 0.0

    def __post_init__(self) -> None:
        for name in ("r_row", "r_column", "r_driver", "r_sense"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InputError(f"{name} must be a finite number of ohm, at least 0, but got {getattr(self, name)!r}")


def wires_of(resistance: float | Wires) -> Wires | None:
    """Return the wires whose segments all have one resistance, ohm, unless they are given; None: they have none."""
    if isinstance(resistance, Wires):
        return resistance
    return Wires(resistance, resistance) if resistance else None


class WireGrid:
    """A crossbar with its wires, factorised once and solved for many inputs.

    Args:
        conductances: [n_post, n_pre], siemens; at least 0.
        wires: their resistances.

    Attributes:
        conductances: the same in float64.
        wires: as given.
        transfer: [n_post, n_pre], siemens: K of `exact_conductances`.

    Raises:
        InputError: conductances that are no matrix, negative or not finite.
    """

    def __init__(self, conductances: Tensor, wires: Wires) -> None:
        self.conductances = _checked_conductances(conductances).detach().double()
        self.wires = wires
        self.transfer = exact_conductances(conductances, wires)

    def solve(self, voltages: Tensor, transposed: bool = False) -> Tensor:
        """Return the currents that flow into the sensed ends, all of them virtual grounds: I = V K^T, or V K.

        Args:
            voltages: [B, n_pre], volt, at the driven ends of the word lines.
            transposed: drive the sensed ends of the bit lines ([B, n_post]), sense the driven ends of the word lines.

        Returns:
            [B, n_post], or [B, n_pre] if transposed; ampere, float64.

        Raises:
            InputError: voltages of another shape, or not finite.
        """
        transfer = self.transfer if transposed else self.transfer.T
        return _checked_voltages(voltages, transfer.shape[0], "bit" if transposed else "word").double() @ transfer

    @torch.no_grad()
    def node_voltages(self, voltages: Tensor) -> tuple[Tensor, Tensor]:
        """Return the voltages of the word lines and of the bit lines at every cell: a diagnosis, not needed to read.

        It walks the ladder of `exact_conductances` from the drivers on: w_j = X_j w_{j-1}, c_j = A_j w_j, b_j = R c_j.
        Memory: 16 n_post n_pre^2 bytes (34 MB for 128 x 128).

        Args:
            voltages: [B, n_pre], volt.

        Returns:
            Two of [B, n_post, n_pre], volt, float64.
        """
        cells = self.conductances
        _, paths = _common_paths(cells, self.wires)
        line = _checked_voltages(voltages, cells.shape[1], "word").double()
        word, bit = [], []
        for _, admittance, transfer in reversed(list(_rungs(cells, paths, self.wires.r_row, self.wires.r_driver))):
            line = line @ transfer.T
            word.append(line)
            bit.append(line @ admittance.T @ paths)
        return torch.stack(word, 1), torch.stack(bit, 1)


@torch.no_grad()
def exact_conductances(conductances: Tensor, wires: Wires) -> Tensor:
    """Return K, the current into sense end j per volt on word line i: Kirchhoff's laws solved by block elimination.

    A bit line whose cells sit at word-line voltages w carries c = g (w - R c), where R_ik is the resistance that cells
    i and k share on their way to the sensed end. So it is an admittance A_j = (1 + diag(g_j) R)^-1 diag(g_j) of n_pre
    ports, and the word lines chain these. From the far end, with Y_j the admittance of bit line j and all behind it:

        Y_j = A_j + Y_{j+1} X_{j+1},    X_j = (1 + r Y_j)^-1,    w_j = X_j w_{j-1},

    where r is the segment's resistance (with the driver's in the first). Nothing is divided by a resistance: zero is
    allowed everywhere, and without wires K is the conductances exactly. The chain runs along the longer side (by
    reciprocity it may be either), which takes about 4 n_long n_short^3 operations in float64.

    Args:
        conductances: [n_post, n_pre], siemens.
        wires: resistances of the lines.

    Returns:
        [n_post, n_pre], siemens, float64.

    Raises:
        InputError: conductances that are no matrix, negative or not finite.
    """
    cells = _checked_conductances(conductances).double()
    word, bit = _common_paths(cells, wires)
    if cells.shape[0] >= cells.shape[1]:
        return _ladder(cells, bit, wires.r_row, wires.r_driver)
    turned = cells.T.flip(0)  # the last pre is nearest to the sensed ends
    return _ladder(turned, word, wires.r_column, wires.r_sense).flip(0).T.contiguous()


@torch.no_grad()
def remaining_voltages(conductances: Tensor, wires: Wires) -> Tensor:
    """Return an approximation of K / g fast enough for training: what is left of one volt when all inputs are equal.

    With one volt on every word line, the cell currents c and the voltages u that are left across the cells obey

        c = g u,    u = 1 - R_word c - c R_bit,    R: resistance that two cells share up to the end of their line.

    K is then approximated by c. By reciprocity that is K to first order in the resistances whatever the inputs; and it
    is exact to all orders for equal inputs, for equal inputs of a transposed read, and where only one kind of line has
    resistance. The system is symmetric positive definite in c / sqrt(g); 5 to 15 steps of conjugate gradients solve
    it, each of two matrix products, on the tensor's device and in its dtype.

    Error: root mean square of the output currents' errors over that of the currents, in a batch, as a function of the
    load x (`line_load`, about r g n^2). Measured against the exact solution on 16 to 256 lines, square or not, 0.1 to
    20 ohm a segment, 0 to 300 ohm at the ends, conductances log-uniform from 1 to 100 uS, of rank 1, sparse, in blocks,
    or strong on some lines, it stays below f x^2 for x <= 1, and below f x for 1 < x <= 7, with

        f = 0.02 for dense inputs, 0.05 where a fifth to a half of the lines are driven, 0.1 for any (single lines,
        random signs). Ignoring the wires costs 0.15 x to x.

    A factor per output that makes one typical input exact was tried and left out: it changes little for non-negative
    inputs and does harm for signed ones.

    Args:
        conductances: [n_post, n_pre], siemens; a cell of none has the voltage at its place.
        wires: resistances of the lines.

    Returns:
        u, [n_post, n_pre], in the same dtype, 1 without wires: reads are products with g u, transposed reads with its
        transpose.

    Raises:
        InputError: conductances that are no matrix, negative or not finite.
        NeurohwError: conjugate gradients do not converge: the wires are far too resistive for these cells.
    """
    cells = _checked_conductances(conductances)
    word, bit = _common_paths(cells, wires)
    currents = _equal_input_currents(cells, word, bit)
    return 1 - word @ currents - currents @ bit


def line_load(conductances: Tensor, wires: Wires) -> float:
    """Return the share of its voltage that the worst cell would lose if no loss reduced the currents: 0 without wires.

    For n x n equal cells it is g (r_row + r_column) n (n + 1) / 2. It says where `remaining_voltages` holds.

    Args:
        conductances: [n_post, n_pre], siemens.
        wires: resistances of the lines.

    Raises:
        InputError: conductances that are no matrix, negative or not finite.
    """
    cells = _checked_conductances(conductances)
    word, bit = _common_paths(cells, wires)
    return float((word @ cells + cells @ bit).max())


def _rungs(cells: Tensor, paths: Tensor, segment: float, end: float) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Yield (step, its line's admittance A, the transfer X of the segment in front of it), the farthest step first.

    Args:
        cells: [n_steps, n_ports], step 0 nearest to the drivers.
        paths: [n_ports, n_ports], ohm, shared on the cross lines.
        segment, end: ohm, of a segment between steps, and added to the first.
    """
    one = torch.eye(cells.shape[1], dtype=cells.dtype, device=cells.device)
    behind = torch.zeros_like(one)
    for step in range(cells.shape[0] - 1, -1, -1):
        admittance = torch.linalg.inv(one + cells[step, :, None] * paths) * cells[step]
        behind = behind + admittance
        transfer = torch.linalg.inv(one + (segment if step else segment + end) * behind)
        yield step, admittance, transfer
        behind = behind @ transfer


def _ladder(cells: Tensor, paths: Tensor, segment: float, end: float) -> Tensor:
    """Return the current out of each step's cross line per volt on each port, [n_steps, n_ports]."""
    conductances = torch.zeros_like(cells)
    for step, admittance, transfer in _rungs(cells, paths, segment, end):
        conductances[step] = admittance.sum(0)
        conductances[step:] = conductances[step:] @ transfer
    return conductances


def _common_paths(cells: Tensor, wires: Wires) -> tuple[Tensor, Tensor]:
    """Return the resistance that two cells share up to the end of their word line, and of their bit line, in ohm.

    With cells counted from that end, R_ik = end + segment (1 + min(i, k)): [n_post, n_post] and [n_pre, n_pre].
    """

    def shared(n: int, segment: float, end: float) -> Tensor:
        place = torch.arange(1, n + 1, dtype=cells.dtype, device=cells.device)
        return end + segment * torch.minimum(place[:, None], place)

    n_post, n_pre = cells.shape
    bit = shared(n_pre, wires.r_column, wires.r_sense).flip(0, 1)  # bit lines end behind the last pre
    return shared(n_post, wires.r_row, wires.r_driver), bit


def _equal_input_currents(cells: Tensor, word: Tensor, bit: Tensor) -> Tensor:
    """Return the cell currents at one volt on every word line: y + s (R_word s y + s y R_bit) = s, s^2 = g, c = s y."""
    root = cells.sqrt()
    solution, rest, direction = torch.zeros_like(root), root, root
    size = start = rest.square().sum()
    for _ in range(_MOST_STEPS):
        if size <= _TOLERANCE**2 * start:
            return root * solution
        current = root * direction
        image = direction + root * (word @ current + current @ bit)
        length = size / (direction * image).sum()
        solution, rest = solution + length * direction, rest - length * image
        last, size = size, rest.square().sum()
        direction = rest + (size / last) * direction
    raise NeurohwError(
        f"remaining_voltages did not converge in {_MOST_STEPS} steps: the wires are too resistive for these cells "
        "(see line_load); lower their resistances, or use exact_conductances"
    )


def _checked_conductances(conductances: Tensor) -> Tensor:
    if conductances.ndim != 2 or not conductances.numel() or not conductances.is_floating_point():
        raise InputError(
            "conductances must be a floating-point matrix [n_post, n_pre] with at least one cell, "
            f"but got {conductances.dtype} of shape {tuple(conductances.shape)}"
        )
    allowed = (conductances >= 0) & conductances.isfinite()
    if not allowed.all():
        j, i = (~allowed).nonzero()[0].tolist()
        value = conductances[j, i].item()
        raise InputError(
            f"conductances must be finite and at least 0 siemens, but cell (post {j}, pre {i}) has {value}"
        )
    return conductances


def _checked_voltages(voltages: Tensor, lines: int, kind: str) -> Tensor:
    if voltages.ndim != 2 or voltages.shape[1] != lines:
        raise InputError(
            f"voltages must be [B, {lines}], one for each {kind} line, but got shape {tuple(voltages.shape)}"
        )
    if not voltages.isfinite().all():
        b, k = (~voltages.isfinite()).nonzero()[0].tolist()
        raise InputError(f"voltages must be finite, but sample {b} has {voltages[b, k].item()} on {kind} line {k}")
    return voltages
