# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Configurations that the flags of `benchmark` request."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Sequence
from typing import Any

from pointpillars_ov_ros.cli.arguments import device_settings
from pointpillars_ov_ros.config.runtime_config import DropPolicy, EncoderChoice, RuntimeConfig, from_plain

MATRIX = {
    "mode": ("latency", "balanced", "throughput"),
    "encoder": ("openvino", "host"),
    "pfe_shape": ("static", "dynamic"),
    "precision": ("default", "f32", "f16", "bf16"),
}
"""Values that `all` stands for, by setting."""


def expand(options: argparse.Namespace) -> list[RuntimeConfig]:
    """Return every combination of the requested values once; ConfigError if one is out of bounds."""
    common: dict[str, Any] = {
        **device_settings(options),
        "drop_policy": DropPolicy.REPLAY.value,
    }
    if options.pfe_block is not None:
        common["pfe_block"] = options.pfe_block
    values = [_values(name, getattr(options, name)) for name in MATRIX]
    wanted = [dict(zip(MATRIX, chosen, strict=True)) for chosen in itertools.product(*values)]
    for chosen in wanted:
        if chosen["encoder"] == EncoderChoice.HOST.value:
            # The host encoder has no network whose shape could matter; the same thing is not measured twice.
            del chosen["pfe_shape"]
    return list(dict.fromkeys(from_plain(RuntimeConfig, {**common, **chosen}) for chosen in wanted))


def encoder_name(runtime: RuntimeConfig) -> str:
    """Return the name of encoder and shape."""
    if runtime.encoder is EncoderChoice.HOST:
        return runtime.encoder.value
    return f"{runtime.encoder.value} {runtime.pfe_shape.value}"


def describe(runtime: RuntimeConfig) -> str:
    """Return what distinguishes a configuration."""
    return f"{runtime.mode.value}, {encoder_name(runtime)}, {runtime.precision.value}"


def _values(name: str, asked: Sequence[str]) -> list[str]:
    """Return the values of a setting, with `all` expanded, once each."""
    return list(dict.fromkeys(value for word in asked for value in (MATRIX[name] if word == "all" else (word,))))
