"""What makes a conductance a signed weight: what is subtracted from it, by name.

"array": a device of the same kind for each device, in a crossbar of its own: on wires of its own, it drifts, makes
noise, may be broken, and is counted. It stands where the device's weight is 0 (the middle of a range of -1 to 1), or at
the device's symmetry point (zero-shifting: Gokmen & Haensch 2020, 10.3389/fnins.2020.00103).

"offset": a constant number. It costs nothing, makes no noise, loses nothing in wires and does not drift, while the
devices do: an idealisation.

"none": nothing, the weights are signed by themselves (as aihwkit's are), and drift, decay and noise relative to the
conductance act on the weight.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from neurohw.crossbar.cells import CellBank, DevicePopulation
from neurohw.crossbar.wires import Wires
from neurohw.errors import InputError

REFERENCES = ("array", "offset", "none")


class ReferenceBank(CellBank):
    """Devices that are set once: what they read as is kept until it changes.

    They may stand between the levels of a device that has levels (of two, as a high and a low one averaged).

    Args:
        weights: where they stand, [n_post, n_pre].
        device, generator, wires: as of `CellBank`.
    """

    def __init__(
        self, weights: Tensor, device: DevicePopulation, generator: torch.Generator, wires: Wires | None = None
    ) -> None:
        lasting = replace(device, levels=None, faults=replace(device.faults, endurance=0.0))
        super().__init__(weights, lasting, generator, wires=wires)
        self.parameters = {name: self.parameters[name] for name in ("w_min", "w_max")}
        self._of: Tensor | None = None  # what was seen when it was read last
        self._read = self.seen

    def as_read(self) -> Tensor:
        """Return the weights that a read sees now: 1/f noise and IR drop included."""
        if self.aging.flicker is not None:
            return super().as_read()
        if self._of is not self.seen:
            self._of, self._read = self.seen, super().as_read()
            self._zero = not bool(self._read.any())
        return self._read

    @property
    def reads_zero(self) -> bool:  # type: ignore[override]
        """Whether all of them read as 0, as they do when they are new and stand there."""
        if self.aging.flicker is not None:
            return False
        self.as_read()
        return self._zero


def chosen_reference(asked: str | None, signed: bool, wired: bool, paired: bool) -> str:
    """Return the reference that weights have, or "pair".

    Args:
        asked: for one of `REFERENCES`; None: what suits the device.
        signed: the device's weights are signed by themselves.
        wired: lines have resistance: they carry currents of conductances, which a signed weight has not.
        paired: two devices make a weight, each the other's reference.

    Raises:
        InputError: an unknown reference, one beside that of a pair, or none where currents flow.
    """
    if asked not in (None, *REFERENCES):
        raise InputError(f"reference: got {asked!r}; allowed: {', '.join(REFERENCES)}")
    if asked is not None and paired:
        raise InputError(f"reference: got {asked!r}, but each device of a pair is the other's; leave it out")
    if paired:
        return "pair"
    if asked == "none" and wired:
        others = ", ".join(name for name in REFERENCES if name != "none")
        raise InputError(f"reference: got 'none' on lines with resistance, which carry currents; allowed: {others}")
    return asked or ("none" if signed and not wired else "array")
