# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Losses against their twin in numpy, and gradients against differences of the twin."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed, which only training needs")

from pointpillars_ov_ros.training.losses import Answers, compute_losses
from pointpillars_ov_ros.training.network import Outputs
from pointpillars_ov_ros.training.schedule import one_cycle
from test.reference import losses as slow

ANCHORS, CLASSES = 24, 3
PARTS = ("scores", "boxes", "directions")


class Case:
    """Random outputs and answers for 2 x 3 cells of four anchors."""

    def __init__(self, seed: int, objects: int) -> None:
        random = np.random.default_rng(seed)
        self.arrays = {
            "scores": random.normal(0.0, 2.0, (ANCHORS, CLASSES)),
            "boxes": random.normal(0.0, 0.4, (ANCHORS, 7)),
            "directions": random.normal(0.0, 1.0, (ANCHORS, 2)),
        }
        self.labels = random.choice([-1, -2], ANCHORS)
        anchors = random.permutation(ANCHORS)[:objects]
        self.labels[anchors] = random.integers(0, CLASSES, objects)
        self.owners = {int(a): (random.normal(0.0, 0.4, 7), int(random.integers(2))) for a in anchors}

    def twin(self) -> tuple[float, float, float]:
        return slow.losses(
            self.arrays["scores"], self.arrays["boxes"], self.arrays["directions"], self.labels, self.owners
        )

    def compute(self):
        tensors = {name: torch.tensor(array, requires_grad=True) for name, array in self.arrays.items()}
        shaped = {name: tensor.reshape(1, 2, 3, -1) for name, tensor in tensors.items()}
        residuals = np.array([wanted for wanted, _ in self.owners.values()]).reshape(-1, 7)
        answers = Answers(
            torch.tensor(self.labels),
            torch.tensor(list(self.owners), dtype=torch.int64),
            torch.tensor(residuals),
            torch.tensor([wanted for _, wanted in self.owners.values()], dtype=torch.int64),
        )
        return compute_losses(Outputs(**shaped), answers), tensors


@pytest.mark.parametrize("objects", [0, 1, 7])
@pytest.mark.parametrize("seed", range(3))
def test_losses_are_those_of_the_twin(seed: int, objects: int) -> None:
    case = Case(seed, objects)
    losses, _ = case.compute()
    np.testing.assert_allclose([loss.item() for loss in losses], case.twin(), rtol=1e-6)
    classes, boxes, directions = case.twin()
    assert losses.total().item() == pytest.approx(classes + 2.0 * boxes + 0.2 * directions)


@pytest.mark.parametrize("part", PARTS)
def test_gradients_are_the_slopes_of_the_twin(part: str) -> None:
    case, step = Case(11, 6), 1e-6
    losses, tensors = case.compute()
    losses.total().backward()
    gradient = tensors[part].grad.numpy()
    weights = (1.0, 2.0, 0.2)
    random = np.random.default_rng(0)
    for anchor in [*case.owners, *random.integers(0, ANCHORS, 4)]:
        column = int(random.integers(case.arrays[part].shape[1]))
        values = []
        for sign in (1, -1):
            case.arrays[part][anchor, column] += sign * step
            values.append(sum(w * loss for w, loss in zip(weights, case.twin(), strict=True)))
            case.arrays[part][anchor, column] -= sign * step
        slope = (values[0] - values[1]) / (2 * step)
        assert gradient[anchor, column] == pytest.approx(slope, abs=1e-6)


def test_a_box_turned_by_half_a_turn_costs_nothing() -> None:
    case = Case(4, 1)
    anchor, (wanted, _) = next(iter(case.owners.items()))
    case.arrays["boxes"][anchor] = wanted + np.array([0, 0, 0, 0, 0, 0, np.pi])
    losses, _ = case.compute()
    assert losses.boxes.item() == pytest.approx(0.0, abs=1e-12)


def test_the_learning_rate_rises_and_falls_and_momentum_falls_and_rises() -> None:
    paces = [one_cycle(progress, 0.003) for progress in np.linspace(0.0, 1.0, 101)]
    rates, momenta = [pace.learning_rate for pace in paces], [pace.momentum for pace in paces]
    assert rates[0] == pytest.approx(0.0003) and rates[-1] == pytest.approx(3e-7)
    assert max(rates) == rates[40] == pytest.approx(0.003)
    assert rates[:41] == sorted(rates[:41]) and rates[40:] == sorted(rates[40:], reverse=True)
    assert momenta[0] == pytest.approx(0.95) and min(momenta) == momenta[40] == pytest.approx(0.85)
    assert momenta[-1] == pytest.approx(0.95)
