"""The target circuit: Eqs. 1, 2, 9 to 13, by closed forms and invariants."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from neurohw.circuits.target import Homeostasis, IdealTarget, TargetRule
from neurohw.circuits.winners import winners
from neurohw.errors import InputError
from neurohw.testing import TargetCircuitConformance


class TestIdealTarget(TargetCircuitConformance):
    def make_circuit(self, n_out: int, k: int) -> IdealTarget:
        return IdealTarget(TargetRule(n_out, k, gamma=0.5))


def circuit(n: int = 20, k: int = 3, gamma: float = 0.5, **kwargs: object) -> IdealTarget:
    return IdealTarget(TargetRule(n, k, gamma, **kwargs))  # type: ignore[arg-type]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 12), st.integers(1, 6), st.integers(2, 5))
def test_winners_agree_with_a_stable_sort(seed: int, k: int, batch: int, levels: int) -> None:
    n = 12
    y = torch.randint(levels, (batch, n), generator=torch.Generator().manual_seed(seed)).float()
    expected = torch.sort(y, dim=1, descending=True, stable=True).indices[:, :k]
    assert [set(row) for row in winners(y, k).indices.tolist()] == [set(row) for row in expected.tolist()]


def test_random_ties_are_fair_and_seeded() -> None:
    y = torch.tensor([[1.0, 0.5, 0.5, 0.5, 0.5]]).repeat(4000, 1)
    chosen = winners(y, 2, "random", torch.Generator().manual_seed(1)).indices
    again = winners(y, 2, "random", torch.Generator().manual_seed(1)).indices
    assert torch.equal(chosen, again)
    counts = torch.bincount(chosen.flatten(), minlength=5)
    assert counts[0] == 4000
    assert (counts[1:] - 1000).abs().max() < 5 * (4000 * 0.25 * 0.75) ** 0.5


def test_lowest_index_wins_ties() -> None:
    assert set(winners(torch.zeros(1, 9), 4).indices[0].tolist()) == {0, 1, 2, 3}


def test_threshold_moves_the_competition() -> None:
    c = circuit(4, 1)
    y = torch.tensor([[0.9, 0.5, 0.1, 0.0]])
    h = Homeostasis(torch.tensor([0.6, 0.0, 0.0, 0.0]), torch.zeros(4))
    assert c(y, h).target.tolist() == [[0, 1, 0, 0]]


def test_batch_average_updates_by_equation_10_and_12() -> None:
    c = circuit(5, 2, gamma=0.4, activity_target=0.3)
    y = torch.rand(7, 5)
    decision = c(y, c.initial())
    expected = 0.4 * (decision.target.mean(0) - 0.3)
    torch.testing.assert_close(decision.homeostasis.threshold, expected)


def test_moving_average_equals_one_example_after_the_other() -> None:
    torch.manual_seed(0)
    y = torch.rand(9, 20)
    together = circuit(average="ema", eta=0.3, gamma=0.0)
    state = together.initial()
    for row in y:
        state = together(row.unsqueeze(0), state).homeostasis
    torch.testing.assert_close(together(y, together.initial()).homeostasis.activity, state.activity)


def test_homeostasis_equalises_the_winning_frequencies() -> None:
    """With fixed, unequal outputs the thresholds make every neuron win k/n of the time; without, a few win always."""
    g = torch.Generator().manual_seed(3)
    bias = torch.linspace(0, 1, 20)

    def frequencies(gamma: float) -> torch.Tensor:
        c = circuit(gamma=gamma)
        state, wins = c.initial(), torch.zeros(20)
        for i in range(600):
            decision = c(bias + 0.1 * torch.rand(16, 20, generator=g), state)
            state = decision.homeostasis
            wins += decision.target.mean(0) * (i >= 300)
        return wins / 300

    assert (frequencies(0.5) - 3 / 20).abs().max() < 0.02
    assert frequencies(0.0).max() > 0.9


def test_smoothing_keeps_the_sum() -> None:
    target = circuit(smoothing=0.3)(torch.rand(4, 20), circuit().initial()).target
    torch.testing.assert_close(target.sum(1), torch.full((4,), 3.0))
    assert target.unique().numel() == 2
    torch.testing.assert_close(target.max(), torch.tensor(0.7 + 0.3 * 3 / 20))


def test_mask_takes_winners_away_after_the_decision() -> None:
    """A masked neuron whose threshold is very low wins and is then lost: fewer than k remain (FACTS B.3)."""
    c = circuit(4, 1)
    h = Homeostasis(torch.tensor([-9.0, 0, 0, 0]), torch.zeros(4))
    active = torch.tensor([[0.0, 1, 1, 1]])
    decision = c(torch.tensor([[0.0, 0.5, 0.4, 0.3]]), h, active=active)
    assert decision.target.sum() == 0


def test_what_is_averaged_is_a_setting() -> None:
    active = torch.ones(6, 20)
    active[:, :10] = 0
    y = torch.rand(6, 20) * active
    masked = circuit(average_of="target", smoothing=0.3)(y, circuit().initial(), active=active).homeostasis
    plain = circuit(average_of="winners", smoothing=0.3)(y, circuit().initial(), active=active).homeostasis
    hot = torch.zeros(6, 20).scatter_(1, winners(y, 3).indices, 1.0)
    torch.testing.assert_close(plain.threshold, 0.5 * (hot.mean(0) - 3 / 20))
    torch.testing.assert_close(masked.threshold, 0.5 * (((0.7 * hot + 0.3 * 3 / 20) * active).mean(0) - 3 / 20))


def test_labels_give_blocks_and_leave_the_thresholds_alone() -> None:
    c = circuit(20, 1, n_classes=10)
    h = Homeostasis(torch.rand(20), torch.rand(20))
    decision = c(torch.rand(2, 20), h, labels=torch.tensor([0, 7]))
    assert decision.homeostasis is h
    assert decision.target.nonzero().tolist() == [[0, 0], [0, 1], [1, 14], [1, 15]]


def test_label_blocks_are_smoothed_by_their_own_share() -> None:
    c = circuit(20, 1, n_classes=10, smoothing=0.3)
    decision = c(torch.rand(1, 20), c.initial(), labels=torch.tensor([1]))
    torch.testing.assert_close(decision.target.sum(), torch.tensor(2.0))


def test_labelled_samples_dilute_no_share_of_the_decided_ones() -> None:
    """As in an epoch in which batches with and without labels take turns."""
    c = circuit(20, 3)
    y = torch.rand(6, 20)
    y[:2] = 0.5  # tied
    decided = c(y, c.initial()).events
    labelled = c(y, c.initial(), labels=torch.zeros(6, dtype=torch.int64)).events
    shares = (decided + labelled).shares()
    assert (shares["winners_per_image"], shares["tied_share"]) == (3, 2 / 6)
    assert not labelled.shares()


@pytest.mark.parametrize("k", [0, 21])
def test_impossible_k(k: int) -> None:
    with pytest.raises(InputError, match=r"target\.k: got .* 1 to 20"):
        circuit(k=k)


def test_outputs_that_are_no_blocks() -> None:
    with pytest.raises(InputError, match="equal blocks"):
        circuit(21, 1)(torch.rand(1, 21), circuit(21, 1).initial(), labels=torch.tensor([1]))
