# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Implementation of `pointpillars_ov parity`, once its arguments are known."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

from tqdm import tqdm

from pointpillars_ov_ros.cli.arguments import file_reading
from pointpillars_ov_ros.cli.model.parity_report import (
    format_detections,
    format_tensors,
    format_verdict,
    make_report,
)
from pointpillars_ov_ros.clouds.points import clean_points
from pointpillars_ov_ros.config.files import write_json
from pointpillars_ov_ros.config.runtime_config import RuntimeConfig, from_plain
from pointpillars_ov_ros.conversion.open_model import open_model
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.inference.engine import Engine
from pointpillars_ov_ros.inference.parity.check import (
    NOTHING_TO_COMPARE,
    check_cloud,
    is_reference,
    make_reference,
    subject,
)
from pointpillars_ov_ros.inference.parity.cloud import built_in_cloud
from pointpillars_ov_ros.inference.parity.compare import Comparison, Tolerances
from pointpillars_ov_ros.kitti.frames import open_frames

Cloud = Callable[[], FloatArray]


def run_parity(options: argparse.Namespace) -> int:
    """Compare, print, and write the requested outputs."""
    # Checked now, to fail before compiling instead of after it.
    clouds = None if options.data is None else list_clouds(options)
    runtime = read_runtime(options)
    with tempfile.TemporaryDirectory() as scratch:
        engine = Engine(open_model(options.model, Path(scratch) / "bundle"), runtime)
        comparisons = compare(engine, clouds or {"built-in": lambda: built_in_cloud(engine.config)})
    title, tolerances = f"{engine.config.name}, {subject(engine)}", Tolerances.of(runtime)
    notes = [NOTHING_TO_COMPARE] if is_reference(engine) else []
    print(f"\n{title}, compared with the original graphs on CPU in f32\n")
    print(format_tensors(engine.config, comparisons))
    print()
    print(format_detections(comparisons))
    for note in notes:
        print(f"\nnote: {note}")
    mismatches = {name: each.mismatch for name, each in comparisons.items() if each.mismatch}
    print(f"\n{format_verdict(comparisons, mismatches, tolerances)}")
    if options.json is not None:
        write_json(options.json, make_report(title, engine.effective_settings(), tolerances, notes, comparisons))
        print(f"report   {options.json}")
    return 1 if mismatches else 0


def read_runtime(options: argparse.Namespace) -> RuntimeConfig:
    """Return the settings of the flags; ConfigError names field and value."""
    device = options.device or "CPU"
    values = {
        "pfe_device": options.pfe_device or device,
        "rpn_device": options.rpn_device or device,
        "device_properties": " ".join(options.set),
        "precision": options.precision,
        "encoder": options.encoder,
        "lean_rpn": not options.no_lean,
        "parity_min_correlation": options.min_correlation,
        "parity_max_shift": options.max_shift,
        "parity_max_score_change": options.max_score_change,
    }
    return from_plain(RuntimeConfig, {name: value for name, value in values.items() if value is not None})


def list_clouds(options: argparse.Namespace) -> dict[str, Cloud]:
    """Return the clouds of --data by name; a cloud is read when it is needed."""
    frames = open_frames(options.data, options.frames, file_reading(options))
    return {frame.name: lambda frame=frame: clean_points(frame.read_points().copy(), 1.0)[0] for frame in frames}  # type: ignore[misc]


def compare(engine: Engine, clouds: dict[str, Cloud]) -> dict[str, Comparison]:
    """Compare the answers to each cloud."""
    reference = make_reference(engine)
    return {
        name: check_cloud(engine, reference, cloud())
        for name, cloud in tqdm(clouds.items(), unit="cloud", desc="comparing", disable=len(clouds) == 1)
    }
