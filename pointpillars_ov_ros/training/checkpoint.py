# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Checkpoints: the input of `convert`, plus everything a run needs to continue as if it had never stopped."""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor, nn

from pointpillars_ov_ros.config.errors import ConfigError, TrainingError
from pointpillars_ov_ros.config.files import write_whole
from pointpillars_ov_ros.config.mapping import from_mapping, to_mapping
from pointpillars_ov_ros.config.model_config import ModelConfig
from pointpillars_ov_ros.conversion.architecture import Architecture
from pointpillars_ov_ros.conversion.checkpoint_layouts import OWN_CONFIG_KEY, OWN_FORMAT, OWN_FORMAT_KEY
from pointpillars_ov_ros.training.settings import TrainingSettings

_WEIGHTS, _OPTIMIZER = "model_state", "optimizer_state"
_NEEDED = (OWN_CONFIG_KEY, _WEIGHTS, _OPTIMIZER, "architecture", "settings", "source", "step", "elapsed_s", "records")


@dataclass(frozen=True)
class Checkpoint:
    """State of a run after one of its steps."""

    config: ModelConfig
    architecture: Architecture
    settings: TrainingSettings
    source: Mapping[str, str]
    """Command-line options that say where the scenes come from."""
    step: int
    elapsed_s: float
    weights: Mapping[str, Tensor]
    optimizer: Mapping[str, Any]
    records: list[list[float]]
    """Records of the steps so far, see `Record`."""


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write `path`, completely or not at all: if that fails (OSError), the old file is kept."""
    content = {
        OWN_FORMAT_KEY: OWN_FORMAT,
        OWN_CONFIG_KEY: yaml.safe_dump(to_mapping(checkpoint.config), sort_keys=False, allow_unicode=True),
        _WEIGHTS: dict(checkpoint.weights),
        _OPTIMIZER: dict(checkpoint.optimizer),
        "architecture": to_mapping(checkpoint.architecture),
        "settings": to_mapping(checkpoint.settings),
        "source": dict(checkpoint.source),
        "step": checkpoint.step,
        "elapsed_s": checkpoint.elapsed_s,
        "records": checkpoint.records,
    }
    # To memory first: torch's own writer turns a full disk into errors of many kinds.
    buffer = io.BytesIO()
    torch.save(content, buffer)
    write_whole(path, lambda fresh: fresh.write_bytes(buffer.getbuffer()), durably=True)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint of our own to the CPU.

    Raises TrainingError if it is damaged or another's, OSError if it cannot be opened.
    """
    # Opened before torch does: torch raises the same errors for a damaged file as for one that cannot be opened.
    data = io.BytesIO(path.read_bytes())
    try:
        content = torch.load(data, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, pickle.UnpicklingError) as error:
        reason = " ".join(str(error).split())[:150]
        raise TrainingError(f"{path} is damaged or not a checkpoint of this package ({reason})") from None
    if not isinstance(content, dict) or content.get(OWN_FORMAT_KEY) != OWN_FORMAT:
        raise TrainingError(f"{path} is not a checkpoint of this package: it lacks {OWN_FORMAT_KEY!r}: {OWN_FORMAT!r}")
    missing = [name for name in _NEEDED if name not in content]
    if missing:
        raise TrainingError(f"{path}: {missing[0]!r} is missing, so training cannot continue from this checkpoint")
    try:
        return Checkpoint(
            config=from_mapping(ModelConfig, yaml.safe_load(content[OWN_CONFIG_KEY])),
            architecture=from_mapping(Architecture, content["architecture"]),
            settings=from_mapping(TrainingSettings, content["settings"]),
            source=content["source"],
            step=content["step"],
            elapsed_s=content["elapsed_s"],
            weights=content[_WEIGHTS],
            optimizer=content[_OPTIMIZER],
            records=content["records"],
        )
    except (ConfigError, yaml.YAMLError) as error:
        raise TrainingError(f"{path}: {error}") from None


def load_weights(network: nn.Module, weights: Mapping[str, Tensor], path: Path) -> None:
    """Load the weights found in `path` into a network; TrainingError names the first that does not fit."""
    wanted = network.state_dict()
    for name, tensor in wanted.items():
        if name not in weights:
            raise TrainingError(f"{path}: key {name!r} is missing; it belongs to another architecture")
        if weights[name].shape != tensor.shape:
            shapes = f"shape {tuple(weights[name].shape)}, but the architecture needs {tuple(tensor.shape)}"
            raise TrainingError(f"{path}: key {name!r} has {shapes}")
    left = [name for name in weights if name not in wanted]
    if left:
        raise TrainingError(f"{path}: key {left[0]!r} does not belong to the architecture")
    network.load_state_dict(dict(weights))
