"""A generic transistor for netlists: a BSIM3v3 card of round numbers, nobody's process, and what mismatch does to it.

The numbers describe a 180 nm-like technology (4 nm oxide, 0.45 V threshold, 1.8 V supply). They are this project's
own, chosen for a subthreshold slope factor of about 1.36 and an Early voltage of about 6 V per um of length; they come
from no foundry, and no figure that follows from them says anything about one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from neurohw.errors import InputError

_COMMON = """\
+ level=49 version=3.3.0 capmod=3 mobmod=1 tox=4n xj=0.15u nch=2.5e17 k1=0.5 k2=0 k3=0 nlx=0
+ dvt0=0 dvt1=0.5 dvt2=0 vsat=1e5 voff=-0.08 nfactor=2 cdsc=0 cit=0 eta0=0.05 etab=0 dsub=0.5
+ pclm=0.5 pdiblc1=0.1 pdiblcb=0 drout=0.5 pscbe1=4e8 pscbe2=1e-8
+ cgso=0.3n cgdo=0.3n cgbo=0 cj=1m cjsw=0.1n js=1u jsw=0"""
CARD = f"""\
* generic 180 nm-like transistors, written for neurohw; not a foundry's
.model nfet nmos
+ vth0=0.45 u0=0.04 rdsw=200 pdiblc2=0.005
{_COMMON}
.model pfet pmos
+ vth0=-0.45 u0=0.01 rdsw=500 pdiblc2=0.01
{_COMMON}"""
_DIFFUSION = 0.5e-6  # m: length of a source or drain, for its junction
_SIZES = {"width": (0.22e-6, 100e-6), "length": (0.18e-6, 20e-6)}


@dataclass(frozen=True)
class Size:
    """A transistor's drawn size.

    Args:
        width, length: of the gate, m.

    Raises:
        InputError: a side outside what the card is written for.
    """

    width: float
    length: float

    def __post_init__(self) -> None:
        for name, (low, high) in _SIZES.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise InputError(f"{name} of a transistor: got {value:g} m; allowed: {low:g} to {high:g} m")

    def sigma_threshold(self, a_vt: float) -> float:
        """Return the standard deviation of one transistor's threshold, V: A_Vt / sqrt(2 W L), with A_Vt in V m.

        A_Vt is that of the difference of a pair, sigma(V_T1 - V_T2) = A_Vt / sqrt(W L) (Pelgrom 1989, Eq. 5), as
        foundries state it and as `inputs.a_vt` of a target circuit means it.
        """
        return a_vt / math.sqrt(2 * self.width * self.length)


def transistor(
    name: str, nodes: str, kind: str, size: Size, *, count: float = 1, delta_threshold: float | None = None
) -> str:
    """Return a netlist line of one transistor.

    Args:
        name: unique in the netlist, without the leading m.
        nodes: drain, gate, source and bulk.
        kind: "nfet" or "pfet".
        size: of its gate.
        count: how many are in parallel.
        delta_threshold: added to the threshold, V (for a pfet, positive makes it conduct more); None is none.
    """
    junction = f"ad={size.width * _DIFFUSION:.6g} as={size.width * _DIFFUSION:.6g}"
    edge = 2 * (size.width + _DIFFUSION)
    line = f"m{name} {nodes} {kind} w={size.width:.6g} l={size.length:.6g} {junction} pd={edge:.6g} ps={edge:.6g}"
    line += f" m={count:g}" if count != 1 else ""
    return line + (f" delvto={delta_threshold:.9g}" if delta_threshold is not None else "")
