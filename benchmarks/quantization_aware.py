# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
r"""Last training steps with the RPN's INT8 rounding in the forward pass, beside as many without it.

    python -m benchmarks.quantization_aware checkpoint.pth --steps 100 --out tried
    pointpillars_ov convert tried/aware.pth tried/aware_fp16 --fp16
    pointpillars_ov quantize --model tried/aware_fp16 --data calibration --subset 40 \
        --ignore boxes scores directions --out tried/aware_int8

`nncf.quantize` puts the rounding into the torch network and learns its ranges from some canvases; the weights are then
trained through it. `aware.pth` and `plain.pth` are ordinary checkpoints: both are quantized as the bundled model is,
and compared with `evaluate`.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pointpillars_ov_ros.quantization.quantize import load_nncf
from pointpillars_ov_ros.training.checkpoint import Checkpoint, load_checkpoint, load_weights, save_checkpoint
from pointpillars_ov_ros.training.feed import feed_samples, fill_bank
from pointpillars_ov_ros.training.network import Cloud, Outputs, PointPillars, scatter
from pointpillars_ov_ros.training.samples import Sample, SampleMaker
from pointpillars_ov_ros.training.scenes import SimulatedScenes
from pointpillars_ov_ros.training.trainer import Trainer, choose_device, collate, helps_half

_FLOAT = (".*conv_box.*", ".*conv_cls.*", ".*conv_dir_cls.*")
"""Layers that stay float, as in the bundled model."""


class Rpn(nn.Module):
    """Backbone and heads, from a canvas."""

    def __init__(self, network: PointPillars) -> None:
        super().__init__()
        self.backbone_2d, self.dense_head = network.backbone_2d, network.dense_head

    def forward(self, canvas: Tensor) -> tuple[Tensor, ...]:
        """Return boxes, scores and directions."""
        return tuple(self.dense_head(self.backbone_2d(canvas)))


class Rounded(nn.Module):
    """The network with another RPN in it."""

    def __init__(self, network: PointPillars, rpn: nn.Module) -> None:
        super().__init__()
        self.vfe, self.rpn = network.vfe, rpn

    def forward(self, cloud: Cloud) -> Outputs:
        """Return the outputs for every anchor."""
        with torch.autocast(cloud.decorated.device.type, enabled=False):
            features = self.vfe(cloud)
        return Outputs(*self.rpn(scatter(features, cloud)))


def round_rpn(network: PointPillars, batches: Sequence[Sequence[Sample]], shape: tuple[int, int]) -> Rounded:
    """Return `network` with rounding in its RPN, whose ranges are taken from `batches`."""
    nncf: Any = load_nncf()
    network.eval()
    canvases = []
    with torch.no_grad():
        for batch in batches:
            cloud = collate(batch, shape, torch.device("cpu"))[0]
            canvases.append(scatter(network.vfe(cloud), cloud))
    rpn = nncf.quantize(
        Rpn(network),
        nncf.Dataset(canvases),
        subset_size=len(canvases),
        preset=nncf.QuantizationPreset.PERFORMANCE,
        fast_bias_correction=True,
        ignored_scope=nncf.IgnoredScope(patterns=list(_FLOAT), validate=False),
        advanced_parameters=nncf.AdvancedQuantizationParameters(disable_bias_correction=True),
    )
    return Rounded(network, rpn)


def main() -> int:
    """Train on both ways, and write both checkpoints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--learning-rate", type=float, default=2e-4)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    start = load_checkpoint(options.checkpoint)
    settings = dataclasses.replace(
        start.settings, steps=options.steps, minutes=0.0, learning_rate=options.learning_rate, seed=options.seed
    )
    scenes = SimulatedScenes("hdl_64e", start.config.classes)
    bank = fill_bank(scenes, settings, len(start.config.classes), 0)
    feed = feed_samples(SampleMaker(start.config, scenes, settings, bank, math.prod(start.architecture.strides)), 0, 0)
    shape = (settings.crop[1], settings.crop[0])
    calibration = [next(feed) for _ in range(10)]
    batches = [next(feed) for _ in range(options.steps)]
    plain = PointPillars(start.architecture)
    load_weights(plain, start.weights, options.checkpoint)
    for name, trained in (("plain", plain), ("aware", round_rpn(copy.deepcopy(plain), calibration, shape))):
        train(trained, batches, settings, shape, name)
        keep(options.out / f"{name}.pth", start, trained)
    return 0


def train(network: Any, batches: Sequence[Sequence[Sample]], settings: Any, shape: tuple[int, int], name: str) -> None:
    """Train `network` with one pass over `batches`, its batch norms frozen."""
    device = choose_device()
    trainer = Trainer(network, settings, device, helps_half(device))
    trainer.frozen = True
    for batch in batches:
        record = trainer.advance(batch, shape)
        if record.step % 20 == 0:
            print(f"{name}: step {record.step}, loss {record.loss:.3f}", file=sys.stderr, flush=True)


def keep(path: Path, start: Checkpoint, network: nn.Module) -> None:
    """Write a checkpoint with the weights of `network`, without what the rounding added."""
    # nncf.quantize copies the module that it is given.
    trained = {name.removeprefix("rpn."): value for name, value in network.state_dict().items()}
    weights = {name: trained[name] for name in start.weights}
    save_checkpoint(path, dataclasses.replace(start, weights=weights, optimizer={}, records=[]))


if __name__ == "__main__":
    sys.exit(main())
