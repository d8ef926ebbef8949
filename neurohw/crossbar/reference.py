"""What makes a conductance a signed weight: what is subtracted from it, by name.

"offset": a constant number. It costs nothing, makes no noise, loses nothing in wires and does not drift, while the
devices do: an idealisation. "none": nothing, the weights are signed by themselves (as aihwkit's are), and drift, decay
and noise relative to the conductance act on the weight.
"""

from __future__ import annotations

from neurohw.errors import InputError

REFERENCES = ("offset", "none")


def chosen_reference(asked: str | None, signed: bool, wired: bool, paired: bool) -> str:
    """Return the reference that weights have.

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
    if asked == "none" and wired:
        others = ", ".join(name for name in REFERENCES if name != "none")
        raise InputError(f"reference: got 'none' on lines with resistance, which carry currents; allowed: {others}")
    return asked or ("none" if signed and not wired else "offset")
