"""1/f noise of cells as what it is made of: traps that change now and then, as many at every time scale.

Each cell has one trap per decade of time constants tau_k. At events of rate 1 / tau_k a trap takes a fresh sign, so
that its share of the noise has the covariance exp(-t / tau_k), a Lorentzian; their sum over log-uniform tau has the
spectrum 1/f (McWhorter 1957; Dutta & Horn 1981, 10.1103/RevModPhys.53.497).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from neurohw.crossbar.base import StateDict
from neurohw.draws import uniform

_TRAPS = 15  # decades; with the usual read time the slowest trap takes ten years
_EULER = 0.5772156649015329


class Flicker:
    """The 1/f noise n(t) of every cell since its last write, for a one-sided spectrum S(f) = 1/f up to 1 / (2 t_read).

    A write starts it anew from zero, since what is written is what is read then. A trap counts from its first event on:

        n = sum_k sqrt(ln 10) s_k,    <n(t) n(t')> = ln 10 sum_k (1 - exp(-t / tau_k)) exp(-(t' - t) / tau_k),  t <= t',

    with tau_k = tau 10^(k + 1/2) and tau = 2 exp(gamma) t_read, gamma Euler's constant. The variance is
    ln(t / (2 t_read)), as Nandakumar et al. 2019 (ICECS, 8964852) have it, to 0.3 % after 1 s. An event of a cell goes
    so and so deep: it changes the traps of all shorter time constants too. Signs are fresh and independent, so the
    covariance above is exact for steps of any length; shorter ones than the fastest time constant (eleven reads) wait.

    Args:
        shape: (n_post, n_pre).
        read_time: t_read, seconds.
        generator: draws the events.
    """

    def __init__(self, shape: tuple[int, int], read_time: float, generator: torch.Generator) -> None:
        self.read_time = read_time
        self._fastest = 2 * math.exp(_EULER) * read_time * 10**0.5
        self._generator, device = generator, generator.device
        self._awake = torch.zeros(shape, dtype=torch.int16, device=device)  # a bit a trap: has it had an event?
        self._signs = torch.zeros(shape, dtype=torch.int16, device=device)
        self._waiting = 0.0  # seconds that passed since the state was brought up to date
        self._counts = torch.tensor([bits.bit_count() for bits in range(2**_TRAPS)], dtype=torch.int8, device=device)

    def write(self, index: Tensor | None = None) -> None:
        """Start anew in cells (flat indices; None: all) that have just been written."""
        if index is None:
            self._awake.zero_()
        else:
            self._awake.view(-1).index_fill_(0, index, 0)

    def elapse(self, seconds: float) -> bool:
        """Let time pass, and return whether the noise has changed."""
        self._waiting += seconds
        if self._waiting < self._fastest:
            return False
        # trap k has an event within t where -ln u < t / tau_k, u uniform and the same for all traps of a cell
        depth = uniform(self._awake.shape, self._generator)
        depth = depth.log_().neg_().log10_().neg_().add_(math.log10(self._waiting / self._fastest))
        changed = depth.ceil_().clamp_(0, _TRAPS).exp2_().sub_(1).to(torch.int16)
        fresh = torch.empty_like(changed).random_(generator=self._generator)  # 15 bits, one a trap
        self._signs ^= (self._signs ^ fresh).bitwise_and_(changed)
        self._awake |= changed
        self._waiting = 0.0
        return True

    def noise(self) -> Tensor:
        """Return n now, [n_post, n_pre]."""
        up, down = self._counted(self._awake & self._signs), self._counted(self._awake & ~self._signs)
        return up.sub_(down).mul_(math.sqrt(math.log(10)))

    def _counted(self, bits: Tensor) -> Tensor:
        """Return how many bits are set, as float32."""
        return self._counts.index_select(0, bits.view(-1).int()).float().view(bits.shape)

    def state_dict(self) -> StateDict:
        """Return the traps and the time that waits."""
        waiting = torch.tensor(self._waiting, dtype=torch.float64)
        return {"awake": self._awake.clone(), "signs": self._signs.clone(), "waiting": waiting}

    def load_state_dict(self, state: StateDict) -> None:
        """Restore `state_dict`."""
        self._awake.copy_(state["awake"])
        self._signs.copy_(state["signs"])
        self._waiting = float(state["waiting"])
