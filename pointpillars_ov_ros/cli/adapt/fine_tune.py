# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Second half of `adapt`: train on scenes simulated for the sensor, choose thresholds, compare with before."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path

from pointpillars_ov_ros.cli import train
from pointpillars_ov_ros.cli.adapt.report import (
    compare_on_clouds,
    compare_on_streets,
    draw_both,
    score_streets,
    write_report,
)
from pointpillars_ov_ros.cli.adapt.sensor_file import SENSOR_FILE
from pointpillars_ov_ros.cli.evaluate.run import write_thresholds
from pointpillars_ov_ros.cli.evaluate.sources import ScoredFrames
from pointpillars_ov_ros.cli.simulate.run import write_frames
from pointpillars_ov_ros.conversion.checkpoint_import import import_checkpoint
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.kitti.thresholds import LEAST_OBJECTS, propose_thresholds
from pointpillars_ov_ros.model.bundle import ModelBundle, change_postprocess, load_bundle
from pointpillars_ov_ros.synthetic import load_sensor

BUNDLE, WEIGHTS, REPORT = "bundle", "weights.pth", "report.md"
_CROP = (216, 248)
_HELD_OUT_SEED = 3_000_000_000
"""First seed of the held-out streets, above the seeds used in training."""
_MIN_OVERLAP = 0.3
_CLEARANCE_M = 0.02
"""As in the bundled models: between that of simulated labels and that of KITTI's."""
_STEPS = 1000
_MIN_FOUND = 5
"""Number of objects of a class that must be found for a threshold to be chosen."""


def fine_tune(
    options: argparse.Namespace, weights: Path, made: Path, scratch: Path, clouds: Sequence[FloatArray]
) -> None:
    """Add bundle, weights, report and pictures to the folder `made`, which contains the sensor."""
    before = _open_before(options, weights, scratch)
    after = _train(options, weights, made, scratch)
    streets = scratch / "streets"
    print(f"held out: {options.held_out} simulated streets")
    write_frames(streets, load_sensor(made / SENSOR_FILE), options.held_out, _HELD_OUT_SEED + options.seed, False)
    scored = [score_streets(bundle, streets) for bundle in (before, after)]
    notes = _choose_thresholds(scored[1], after)
    if options.model is None:
        # Weights publish every box; compared with chosen scores, they would seem to find far more.
        _choose_thresholds(scored[0], before)
    before, after = load_bundle(before.folder), load_bundle(after.folder)
    tables = [compare_on_streets(scored, options.held_out), compare_on_clouds((before, after), clouds)]
    shutil.copytree(after.folder, made / BUNDLE)
    draw_both(made, (before, after), clouds[len(clouds) // 2])
    write_report(made / REPORT, tables, notes, options)


def _open_before(options: argparse.Namespace, weights: Path, scratch: Path) -> ModelBundle:
    """Open --model, or create a bundle from the weights; BundleError if it cannot be read."""
    if options.model is not None:
        return load_bundle(options.model)
    return _set_on_ground(import_checkpoint(weights, scratch / "before")[0])


def _train(options: argparse.Namespace, weights: Path, made: Path, scratch: Path) -> ModelBundle:
    """Train from `weights` on scenes of the sensor, and return the bundle."""
    from pointpillars_ov_ros.training.checkpoint import load_checkpoint

    base = load_checkpoint(weights)
    grid, alignment = base.config.grid, base.config.rpn.stride * max(base.architecture.upsample_strides)
    crop = [min(side, whole) // alignment * alignment for side, whole in zip(_CROP, (grid.nx, grid.ny), strict=True)]
    length = ["--minutes", f"{options.minutes:g}"] if options.minutes else ["--steps", str(options.steps or _STEPS)]
    parser = argparse.ArgumentParser()
    train.add_arguments(parser)
    arguments = [
        *("--out", str(scratch / "training"), "--sensor", str(made / SENSOR_FILE), "--from", str(weights), *length),
        *("--crop", f"{crop[0]}x{crop[1]}", "--batch", str(options.batch), "--seed", str(options.seed)),
        *("--learning-rate", f"{options.learning_rate:g}", "--workers", str(options.workers)),
    ]
    train.run(parser.parse_args(arguments))
    shutil.copy(scratch / "training" / WEIGHTS, made / WEIGHTS)
    return _set_on_ground(load_bundle(scratch / "training" / BUNDLE))


def _set_on_ground(bundle: ModelBundle) -> ModelBundle:
    """Let the bundle set its boxes on the ground, which needs no knowledge of the sensor's height."""
    return change_postprocess(bundle, ground_clearance=_CLEARANCE_M)


def _choose_thresholds(scored: ScoredFrames, bundle: ModelBundle) -> list[str]:
    """Write the thresholds with the best F1 on the held-out streets to the bundle, and return remarks."""
    hardest = scored.difficulties[-1]
    proposals = propose_thresholds(scored.truth, scored.found, scored.rules, hardest, _MIN_OVERLAP)
    chosen = [proposal.threshold for proposal in proposals if proposal.near.found >= _MIN_FOUND]
    if chosen:
        write_thresholds(bundle.folder, chosen)
    named = {threshold.class_name for threshold in chosen}
    left_out = [name for name in bundle.config.classes if name not in named]
    if not left_out:
        return []
    return [
        f"{', '.join(left_out)}: fewer than {LEAST_OBJECTS} examples in the held-out streets, or fewer than "
        f"{_MIN_FOUND} of them found, so the threshold is unchanged; raise --held-out, or train longer"
    ]
