# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Tiny runs; imports torch."""

from __future__ import annotations

import dataclasses

import torch

from pointpillars_ov_ros.training.checkpoint import Checkpoint
from pointpillars_ov_ros.training.network import PointPillars
from pointpillars_ov_ros.training.settings import TrainingSettings
from pointpillars_ov_ros.training.trainer import Record, Trainer
from test.training.scenes import SETTINGS, small_architecture, trainable_config

# Several threads for a tiny network wait for each other most of the time, on a busy machine for seconds.
torch.set_num_threads(1)

CPU = torch.device("cpu")
CONFIG = dataclasses.replace(trainable_config(), provenance="trained in a test")


def tiny_trainer(settings: TrainingSettings = SETTINGS, seed: int = 1) -> Trainer:
    torch.manual_seed(seed)
    return Trainer(PointPillars(small_architecture(CONFIG)), settings, CPU)


def checkpoint_of(trainer: Trainer, records: list[Record] | None = None) -> Checkpoint:
    return Checkpoint(
        CONFIG,
        small_architecture(CONFIG),
        trainer.settings,
        {"data": "", "split": "", "sensor": "hdl_64e"},
        trainer.step,
        trainer.elapsed_s,
        trainer.network.state_dict(),
        trainer.optimizer.state_dict(),
        [list(record) for record in records or []],
    )
