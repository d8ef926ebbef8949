"""The cost of clustering in Deep-STDP (Lu & Sengupta 2024, Eqs. 16 to 18), k-means against STDP.

Operations at 45 nm: float addition 0.9 pJ, float multiplication 3.7 pJ. Memory, argmin, PCA, leaks and the ConvNet are
left out, as in the paper.
"""

from __future__ import annotations

from dataclasses import dataclass

ADD = 0.9e-12  # J, float addition at 45 nm
MULTIPLY = 3.7e-12  # J, float multiplication at 45 nm


@dataclass(frozen=True)
class KMeans:
    """k-means over a data set.

    Args:
        clusters: k.
        dimensions: d.
        iterations: it.
        samples: N.
    """

    clusters: int = 100
    dimensions: int = 256
    iterations: int = 20
    samples: int = 5000

    @property
    def multiplications(self) -> int:
        """k d it N (Eq. 16)."""
        return self.clusters * self.dimensions * self.iterations * self.samples

    @property
    def additions(self) -> int:
        """[k (2 d - 1) + d] it N (Eq. 17)."""
        per_sample = self.clusters * (2 * self.dimensions - 1) + self.dimensions
        return per_sample * self.iterations * self.samples

    def energy(self, add: float = ADD, multiply: float = MULTIPLY) -> float:
        """Return the energy of an epoch's clustering, J."""
        return self.additions * add + self.multiplications * multiply


@dataclass(frozen=True)
class STDP:
    """STDP clustering over a data set.

    Args:
        input_probability: p_input, spikes per input and time step. The paper does not give it; its 55.34 mJ per epoch
            imply 0.599 at T = 400 (and an impossible 2.40 at the T = 100 of Alg. 2).
        excitatory_probability: p_exc, spikes per neuron and time step.
        neurons: k.
        dimensions: d, one sign of the inputs.
        timesteps: T.
        samples: N.
        learns: weights change; a pass that only labels has no middle term.
    """

    input_probability: float
    excitatory_probability: float = 0.0019
    neurons: int = 100
    dimensions: int = 256
    timesteps: int = 400
    samples: int = 5000
    learns: bool = True

    @property
    def additions(self) -> float:
        """[p_input |w_exc| + (p_input + p_exc) |w_exc| + p_exc |w_inh|] T N (Eq. 18): input, learning, inhibition."""
        excitatory = self.neurons * self.dimensions
        inhibitory = self.neurons * (self.neurons - 1)
        p_in, p_exc = self.input_probability, self.excitatory_probability
        learning = (p_in + p_exc) * excitatory * self.learns
        per_step = p_in * excitatory + learning + p_exc * inhibitory
        return per_step * self.timesteps * self.samples

    def energy(self, add: float = ADD) -> float:
        """Return the energy of an epoch's clustering, J."""
        return self.additions * add


def implied_input_probability(energy: float, like: STDP | None = None) -> float:
    """Return the p_input at which STDP costs `energy` (J per epoch), everything else as in `like`."""
    given = like or STDP(0.0)
    at_rest = _at(given, 0.0)
    return (energy - at_rest) / (_at(given, 1.0) - at_rest)


def _at(like: STDP, input_probability: float) -> float:
    return STDP(
        input_probability, like.excitatory_probability, like.neurons, like.dimensions, like.timesteps, like.samples
    ).energy()
