"""Whether pulses move conductances as they are said to: resistances taken for conductances do not."""

from __future__ import annotations

import numpy as np

from neurohw.errors import InputError
from neurohw.fitting.importing.options import Notes
from neurohw.fitting.measurements import PulseTrains


def check_directions(trains: PulseTrains, by_sign: bool, notes: Notes) -> None:
    """Warn of potentiation that lowers conductances and depression that raises them, or refuse a guess of them.

    Args:
        trains: as imported.
        by_sign: what potentiates was guessed from the sign of voltages.
        notes: takes the warning.

    Raises:
        InputError: it was guessed, and the other way round is right.
    """
    both = trains.valid[..., 1:] & trains.valid[..., :-1]
    moves = {side: np.diff(trains.conductance)[both & (trains.up[..., 1:] == side)] for side in (True, False)}
    wrong = [_clear(moves[side] * (-1 if side else 1)) for side in (True, False) if len(moves[side])]
    if not wrong or not all(wrong):
        return
    if by_sign:
        raise InputError(
            f"{trains.source}: pulses of positive voltage lower the conductances: if negative ones "
            "potentiate, --polarity negative; if the values are resistances, --unit Ohm or kOhm"
        )
    notes.caution("", "potentiating pulses lower the conductances, and depressing ones raise them: are polarities "
                  "exchanged, or are the values resistances (--unit Ohm or kOhm)?")  # fmt: skip


def _clear(moves: np.ndarray) -> bool:
    """Return whether the mean of changes is positive by more than chance."""
    return bool(len(moves) > 3 and moves.mean() > 3 * moves.std() / np.sqrt(len(moves)) and moves.mean() > 0)
