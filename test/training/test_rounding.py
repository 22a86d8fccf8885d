# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Rounding as INT8: the same levels as a literal twin's, gradients as if it were not there, and nothing left behind."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed, which only training needs")

from torch import nn

from pointpillars_ov_ros.training.rounding import round_activation, round_weight, rounding

from .runs import tiny_trainer


def test_activations_are_rounded_to_256_levels_from_0_to_the_largest() -> None:
    data = torch.tensor([0.0, 0.4, 1.0, 1.49, 1.51, 254.6, 255.0, 300.0], requires_grad=True)
    rounded = round_activation(data, torch.tensor(255.0))
    assert rounded.tolist() == [0.0, 0.0, 1.0, 1.0, 2.0, 255.0, 255.0, 255.0]
    rounded.sum().backward()
    assert data.grad.tolist() == [1.0] * 7 + [0.0]


@pytest.mark.parametrize("convolution", [nn.Conv2d(3, 5, 3), nn.ConvTranspose2d(3, 5, 2, 2)])
def test_weights_are_rounded_by_output_channel(convolution: nn.Module) -> None:
    torch.nn.init.normal_(convolution.weight)
    axis = 1 if isinstance(convolution, nn.ConvTranspose2d) else 0
    given = np.moveaxis(convolution.weight.detach().numpy(), axis, 0)
    rounded = np.moveaxis(round_weight(convolution).detach().numpy(), axis, 0)
    for channel, result in zip(given, rounded, strict=True):
        step = np.abs(channel).max() / 127
        np.testing.assert_allclose(result, np.round(channel / step) * step, atol=1e-6)
    round_weight(convolution).sum().backward()
    np.testing.assert_allclose(convolution.weight.grad, 1.0)


def test_only_while_it_lasts_and_nothing_of_it_is_saved() -> None:
    network = tiny_trainer().network.eval()
    names = set(network.state_dict())
    data = torch.rand(1, network.backbone_2d.blocks[0][1].in_channels, 32, 32)
    with torch.no_grad():
        before = network.backbone_2d(data)
        with rounding(network):
            during = network.backbone_2d(data)
            assert set(network.state_dict()) == names
        after = network.backbone_2d(data)
    assert torch.equal(before, after)
    assert not torch.equal(before, during)
    assert (before - during).abs().max() < 0.1 * before.abs().max()
