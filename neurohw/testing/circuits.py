"""What every target circuit must do."""

from __future__ import annotations

import abc

import pytest
import torch
from torch import Tensor

from neurohw.circuits.target import Homeostasis, TargetCircuit
from neurohw.energy.rules import RULES


class TargetCircuitConformance(abc.ABC):
    """What every target circuit must do: subclass it and say how a circuit is made, and what it promises.

    The circuit is made with every non-ideality off: the larger an output the larger its target, none for a masked one,
    labels obeyed, events that an account has a rule for.

    Attributes:
        k_hot: it promises exactly k winners, at the two levels 0 and 1; else its targets are graded, within 0 and 1.
        homeostatic: its thresholds follow what it decides.
    """

    k_hot: bool = True
    homeostatic: bool = True

    @abc.abstractmethod
    def make_circuit(self, n_out: int, k: int) -> TargetCircuit:
        """Return a circuit of `n_out` outputs and `k` winners for ten classes, without smoothing."""

    @pytest.mark.parametrize(("n_out", "k"), [(20, 1), (20, 3), (10, 10)])
    def test_the_largest_get_most(self, n_out: int, k: int) -> None:
        """No output gets less than a smaller one; of k winners that are promised d = 1, of the others 0 (Eq. 9)."""
        circuit = self.make_circuit(n_out, k)
        order = torch.stack([torch.randperm(n_out, generator=_generator(i)) for i in range(8)])
        target = circuit(order / n_out, circuit.initial()).target
        assert target.shape == order.shape
        assert ((target >= 0) & (target <= 1)).all()
        assert (target.gather(1, order.argsort(1)).diff(dim=1) >= 0).all()
        assert (target.amax(1) > target.amin(1)).all() or (self.k_hot and k == n_out)
        if self.k_hot:
            assert torch.equal(target == 1, order >= n_out - k)
            assert torch.equal(target == 0, order < n_out - k)

    def test_a_threshold_is_subtracted(self) -> None:
        """A raised H_i lowers d_i (Eq. 1): the largest output, which it puts below all others, gets the least."""
        circuit = self.make_circuit(20, 3)
        y = torch.arange(20.0).repeat(4, 1) / 20
        rested = circuit.initial()
        raised = Homeostasis(rested.threshold.clone().index_fill_(0, torch.tensor(19), 0.99), rested.activity)
        without, target = circuit(y, rested).target, circuit(y, raised).target
        assert (target[:, 19] < without[:, 19]).all()
        assert (target[:, 19] <= target[:, 1:19].amin(1)).all()

    def test_initial_thresholds_are_zero(self) -> None:
        """H = 0 at rest."""
        assert not self.make_circuit(20, 3).initial().threshold.any()

    def test_state_goes_in_and_comes_out(self) -> None:
        """The thresholds that went in are not changed, and the same question gets the same answer."""
        circuit = self.make_circuit(20, 3)
        before = circuit.initial()
        y = torch.rand(5, 20, generator=_generator(0))
        first, second = circuit(y, before), circuit(y, before)
        assert not before.threshold.any()
        assert torch.equal(first.target, second.target)
        assert torch.equal(first.homeostasis.threshold, second.homeostasis.threshold)

    def test_winners_become_less_likely(self) -> None:
        """H rises where a neuron won more often than asked, and falls where it never won (Eq. 10); or it rests."""
        circuit = self.make_circuit(20, 3)
        threshold = circuit(torch.arange(20.0).repeat(4, 1) / 20, circuit.initial()).homeostasis.threshold
        if self.homeostatic:
            assert (threshold.diff() >= 0).all()
            assert threshold[0] < 0 < threshold[-1]
        else:
            assert not threshold.any()
        if self.homeostatic and self.k_hot:
            assert (threshold[-3:] > 0).all()
            assert (threshold[:-3] < 0).all()

    def test_masked_outputs_get_no_target(self) -> None:
        """d = 0 where the dropout mask is 0."""
        circuit = self.make_circuit(20, 3)
        active = (torch.rand(6, 20, generator=_generator(1)) > 0.5).float()
        y = torch.rand(6, 20, generator=_generator(2)) * active
        target = circuit(y, circuit.initial(), active=active).target
        assert not target[active == 0].any()
        assert target[active == 1].any()

    def test_labels_are_obeyed_and_leave_the_thresholds_alone(self) -> None:
        """Given a label the target is its block of outputs, whatever the competition says."""
        circuit = self.make_circuit(20, 3)
        before = circuit.initial()
        decision = circuit(torch.rand(2, 20), before, labels=torch.tensor([4, 9]))
        assert decision.target.nonzero().tolist() == [[0, 8], [0, 9], [1, 18], [1, 19]]
        assert torch.equal(decision.homeostasis.threshold, before.threshold)

    def test_events_are_counted_and_can_be_charged(self) -> None:
        """A decision says how many samples it decided, and counts what it said it would: events with a rule."""
        circuit = self.make_circuit(20, 3)
        events = circuit(self._some(7), circuit.initial()).events
        assert events.decisions == 7
        assert events.homeostasis_updates == self.homeostatic
        counted = circuit.counted(events)
        assert set(counted) == set(circuit.charges)
        assert counted.keys() <= RULES["target"].keys()
        assert all(number >= 0 for number in counted.values())

    def test_twice_the_samples_cost_twice(self) -> None:
        """The same decisions in one batch, or in two."""
        circuit = self.make_circuit(20, 3)
        y = self._some(3)
        one, both = (circuit.counted(circuit(x, circuit.initial()).events) for x in (y, torch.cat([y, y])))
        for event, number in one.items():
            assert both[event] == pytest.approx(2 * number, rel=1e-6)

    @staticmethod
    def _some(batch: int) -> Tensor:
        return torch.rand(batch, 20, generator=_generator(3))


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
