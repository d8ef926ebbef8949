"""What every target circuit must do."""

from __future__ import annotations

import abc

import pytest
import torch

from neurohw.circuits.target import TargetCircuit


class TargetCircuitConformance(abc.ABC):
    """What every target circuit must do: subclass it and say how a circuit is made.

    The circuit is made with every non-ideality off: at most k winners, none of them a masked one, labels obeyed.
    """

    @abc.abstractmethod
    def make_circuit(self, n_out: int, k: int) -> TargetCircuit:
        """Return a circuit of `n_out` outputs and `k` winners for ten classes, without smoothing."""

    @pytest.mark.parametrize(("n_out", "k"), [(20, 1), (20, 3), (10, 10)])
    def test_the_k_largest_win(self, n_out: int, k: int) -> None:
        """d = 1 for the k largest of y, 0 elsewhere (Eq. 9)."""
        circuit = self.make_circuit(n_out, k)
        order = torch.stack([torch.randperm(n_out, generator=torch.Generator().manual_seed(i)) for i in range(8)])
        target = circuit(order / n_out, circuit.initial()).target
        assert torch.equal(target == 1, order >= n_out - k)
        assert torch.equal(target == 0, order < n_out - k)

    def test_initial_thresholds_are_zero(self) -> None:
        """H = 0 at rest."""
        assert not self.make_circuit(20, 3).initial().threshold.any()

    def test_state_goes_in_and_comes_out(self) -> None:
        """The thresholds that went in are not changed, and the same question gets the same answer."""
        circuit = self.make_circuit(20, 3)
        before = circuit.initial()
        y = torch.rand(5, 20, generator=torch.Generator().manual_seed(0))
        first, second = circuit(y, before), circuit(y, before)
        assert not before.threshold.any()
        assert torch.equal(first.target, second.target)
        assert torch.equal(first.homeostasis.threshold, second.homeostasis.threshold)

    def test_winners_become_less_likely(self) -> None:
        """H rises where a neuron won more often than asked, and falls where it never won (Eq. 10)."""
        circuit = self.make_circuit(20, 3)
        decision = circuit(torch.arange(20.0).repeat(4, 1) / 20, circuit.initial())
        assert (decision.homeostasis.threshold[-3:] > 0).all()
        assert (decision.homeostasis.threshold[:-3] < 0).all()

    def test_masked_outputs_get_no_target(self) -> None:
        """d = 0 where the dropout mask is 0."""
        circuit = self.make_circuit(20, 3)
        active = (torch.rand(6, 20, generator=torch.Generator().manual_seed(1)) > 0.5).float()
        target = circuit(torch.rand(6, 20, generator=torch.Generator().manual_seed(2)) * active, circuit.initial(),
                         active=active).target  # fmt: skip
        assert not target[active == 0].any()

    def test_labels_are_obeyed_and_leave_the_thresholds_alone(self) -> None:
        """Given a label the target is its block of outputs, whatever the competition says."""
        circuit = self.make_circuit(20, 3)
        before = circuit.initial()
        decision = circuit(torch.rand(2, 20), before, labels=torch.tensor([4, 9]))
        assert decision.target.nonzero().tolist() == [[0, 8], [0, 9], [1, 18], [1, 19]]
        assert torch.equal(decision.homeostasis.threshold, before.threshold)

    def test_events_are_counted(self) -> None:
        """A decision says how many samples it decided."""
        circuit = self.make_circuit(20, 3)
        assert circuit(torch.rand(7, 20), circuit.initial()).events.decisions == 7
