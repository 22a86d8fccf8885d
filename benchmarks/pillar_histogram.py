# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Comparison of a height-histogram encoder of pillars with today's, trained side by side on the same samples.

    python -m benchmarks.pillar_histogram --steps 240 --out benchmarks/2026-11-30/pillar_histogram.md

Histograms of height in the manner of PillarHist (arXiv 2405.18734): for each pillar the shares of its points in bins of
height, their intensities by bin, their number and their centre, a linear layer, batch norm, ReLU. All inputs are within
0..1 or a few metres. The RPN is the same. Held-out streets are compared after equal steps.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from pathlib import Path

import torch
from torch import Tensor, nn

from pointpillars_ov_ros.cli.tables import format_table
from pointpillars_ov_ros.conversion.importers import read_preset
from pointpillars_ov_ros.conversion.network_graph import BATCH_NORM_EPSILON
from pointpillars_ov_ros.training.augmentation import AS_SEEN
from pointpillars_ov_ros.training.feed import feed_samples, fill_bank
from pointpillars_ov_ros.training.losses import compute_losses
from pointpillars_ov_ros.training.network import Cloud, PillarEncoder, PointPillars
from pointpillars_ov_ros.training.samples import Sample, SampleMaker
from pointpillars_ov_ros.training.scenes import SimulatedScenes
from pointpillars_ov_ros.training.session import PRESET
from pointpillars_ov_ros.training.settings import TrainingSettings, choose_architecture, configure
from pointpillars_ov_ros.training.trainer import Trainer, choose_device, collate, helps_half

_LOW_M, _HIGH_M, _BINS = -3.0, 1.0, 16
_HELD_OUT_SEED = 77
_ANCHOR_DIAGONAL_AXIS = 2
"""Index of the height in a residual, as a share of the anchor's."""


class HistogramEncoder(nn.Module):
    """Encoder of the heights of the points in a pillar, and their intensities."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(2 * _BINS + 4, channels, bias=False)
        self.norm = nn.BatchNorm1d(channels, eps=BATCH_NORM_EPSILON, momentum=0.03)

    def forward(self, cloud: Cloud) -> Tensor:
        """Return the features of pillars, (P, C)."""
        points, owners, pillars = cloud.decorated, cloud.owners, len(cloud.cells)
        places = ((points[:, 2] - _LOW_M) / (_HIGH_M - _LOW_M) * _BINS).long().clamp(0, _BINS - 1)
        index = owners * _BINS + places
        counts = points.new_zeros(pillars * _BINS).index_add(0, index, torch.ones_like(points[:, 0]))
        bright = points.new_zeros(pillars * _BINS).index_add(0, index, points[:, 3])
        counts, bright = counts.view(pillars, _BINS), bright.view(pillars, _BINS)
        total = counts.sum(dim=1, keepdim=True).clamp(min=1.0)
        middle = points.new_zeros(pillars, 3).index_add(0, owners, points[:, [7, 8, 2]]) / total
        features = torch.cat([counts / total, bright / total, torch.log1p(total) / 4.0, middle], dim=1)
        return torch.relu(self.norm(self.linear(features)))


class BothEncoders(nn.Module):
    """Encoder with half of the channels from points, as today, and half from heights."""

    def __init__(self, point_features: int, channels: int) -> None:
        super().__init__()
        self.points = PillarEncoder(point_features, channels // 2)
        self.heights = HistogramEncoder(channels - channels // 2)

    def forward(self, cloud: Cloud) -> Tensor:
        """Return the features of pillars, (P, C)."""
        return torch.cat([self.points(cloud), self.heights(cloud)], dim=1)


def make_trainers(options: argparse.Namespace, settings: TrainingSettings) -> dict[str, Trainer]:
    """Return a trainer for each encoder; their RPNs start with the same weights."""
    sizes = choose_architecture(configure(read_preset(PRESET), options.width, 1.7, "benchmark"), options.width)
    device = choose_device()
    trainers = {}
    for name in ("today's", "histogram", "both"):
        torch.manual_seed(settings.seed)
        network = PointPillars(sizes)
        if name == "histogram":
            network.vfe = HistogramEncoder(sizes.channels)
        elif name == "both":
            network.vfe = BothEncoders(sizes.point_features, sizes.channels)
        trainers[name] = Trainer(network, settings, device, helps_half(device))
    return trainers


def measure(trainer: Trainer, batches: list[list[Sample]], shape: tuple[int, int]) -> tuple[float, float, float]:
    """Return class loss, box loss and the mean error of height (share of the anchor's) over held-out samples."""
    trainer.network.eval()
    sums = torch.zeros(4, dtype=torch.float64)
    with torch.no_grad():
        for batch in batches:
            cloud, answers = collate(batch, shape, torch.device("cpu"))
            outputs = trainer.network(cloud)
            losses = compute_losses(outputs, answers)
            number = len(answers.positives)
            found = outputs.boxes.reshape(-1, 7)[answers.positives]
            height = (found - answers.residuals)[:, _ANCHOR_DIAGONAL_AXIS].abs().sum()
            sums += torch.tensor([float(losses.classes) * number, float(losses.boxes) * number, float(height), number])
    return tuple(float(value / sums[3]) for value in sums[:3])  # type: ignore[return-value]


def main() -> None:
    """Train all, and print the losses on held-out streets."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=240)
    parser.add_argument("--width", type=float, default=0.5)
    parser.add_argument("--crop", type=int, nargs=2, default=(160, 160))
    parser.add_argument("--held-out", type=int, default=48)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    config = configure(read_preset(PRESET), options.width, 1.7, "benchmark")
    settings = TrainingSettings(steps=options.steps, seed=options.seed, crop=tuple(options.crop), bank_scenes=12)
    scenes = SimulatedScenes("hdl_64e", config.classes)
    bank = fill_bank(scenes, settings, len(config.classes), 0)
    maker = SampleMaker(config, scenes, settings, bank, 16)
    shape = (settings.crop[1], settings.crop[0])
    trainers, begin = make_trainers(options, settings), time.monotonic()
    spent = dict.fromkeys(trainers, 0.0)
    batches = feed_samples(maker, 0, 0)
    for step in range(options.steps):
        batch = next(batches)
        for name, trainer in trainers.items():
            started = time.monotonic()
            trainer.advance(batch, shape)
            spent[name] += time.monotonic() - started
        if step % 20 == 19:
            print(f"step {step + 1}, {time.monotonic() - begin:.0f} s", file=sys.stderr, flush=True)
    apart = dataclasses.replace(settings, seed=_HELD_OUT_SEED, samples_per_scene=1, augmentation=AS_SEEN)
    feed = feed_samples(dataclasses.replace(maker, settings=apart, bank=()), 0, 0)
    held_out = [next(feed) for _ in range(options.held_out // settings.batch)]
    rows = []
    for name, trainer in trainers.items():
        classes, boxes, height = measure(trainer, held_out, shape)
        rows.append([name, f"{classes:.3f}", f"{boxes:.3f}", f"{height:.3f}", f"{spent[name] / options.steps:.2f}"])
    header = ["encoder", "class loss", "box loss", "height error (of the anchor's)", "s a step"]
    said = f"{options.steps} steps, width {options.width:g}, crop {settings.crop}, seed {options.seed}"
    text = f"{said}; {options.held_out} held-out crops\n\n{format_table(header, rows)}\n"
    print(text)
    if options.out is not None:
        options.out.write_text(f"# Encoders side by side\n\n```\n{text}```\n", encoding="utf-8")


if __name__ == "__main__":
    main()
