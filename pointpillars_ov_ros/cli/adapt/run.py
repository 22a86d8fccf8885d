# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Main part of `pointpillars_ov adapt`."""

from __future__ import annotations

import argparse
import shutil
import tempfile
from itertools import count
from pathlib import Path

import numpy as np

from pointpillars_ov_ros.cli.adapt.sensor_file import (
    SENSOR_FILE,
    check_sensor,
    describe_sensor,
    fit_intensity,
    fit_losses,
    make_sensor,
    write_sensor,
)
from pointpillars_ov_ros.cli.detect.sources import check_inputs, read_inputs
from pointpillars_ov_ros.clouds.points import clean_points
from pointpillars_ov_ros.clouds.sensor_estimate import SensorEstimate, estimate_sensor
from pointpillars_ov_ros.config.errors import ConfigError, DatasetError, TrainingError, count_of
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.synthetic import Sensor, load_sensor

MIN_CLOUDS = 5
"""Minimum number of clouds for an estimate of the sensor."""
_REPOSITORY_WEIGHTS = Path(__file__).parents[3] / "models" / "streets.pth"


def run_adapt(options: argparse.Namespace) -> int:
    """Estimate, simulate, train, choose thresholds, compare; a run that fails leaves nothing behind."""
    check_inputs(options)
    if options.out.exists() and any(options.out.iterdir()):
        raise ConfigError(f"--out {options.out}: already exists; choose a new folder")
    weights = None if options.sensor_only else find_weights(options)
    clouds = read_spread(options)
    estimate = estimate_sensor(clouds)
    sensor = choose_sensor(options, estimate)
    source = f"{estimate.clouds} clouds of {', '.join(str(path) for path in options.inputs)}"
    print(f"{source}\n" + "\n".join(describe_sensor(estimate, sensor)), flush=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{options.out.name}.", dir=options.out.parent) as scratch:
        made = Path(scratch) / "made"
        made.mkdir()
        write_sensor(made / SENSOR_FILE, sensor, source)
        if weights is not None:
            from pointpillars_ov_ros.cli.adapt.fine_tune import fine_tune

            fine_tune(options, weights, made, Path(scratch), clouds)
        if options.out.exists():
            options.out.rmdir()
        shutil.move(made, options.out)
    for path in sorted(options.out.iterdir()):
        print(f"made     {path}")
    return 0


def read_spread(options: argparse.Namespace) -> list[FloatArray]:
    """Read at most --clouds clouds, (N, 4) each, evenly spread over all; DatasetError if there are too few."""
    kept: list[FloatArray] = []
    stride, total = 1, 0
    for number, cloud in zip(count(), read_inputs(options), strict=False):
        total += 1
        if number % stride:
            continue
        kept.append(clean_points(np.array(cloud.points, np.float32, order="C"), 1.0)[0])
        if len(kept) == 2 * options.clouds:
            kept, stride = kept[::2], 2 * stride
    if total < MIN_CLOUDS:
        raise DatasetError(
            f"{', '.join(map(str, options.inputs))}: {count_of(total, 'cloud')}, but the estimate needs at least "
            f"{MIN_CLOUDS} of a drive"
        )
    chosen = np.linspace(0, len(kept) - 1, min(len(kept), options.clouds)).round().astype(int)
    return [kept[index] for index in chosen]


def choose_sensor(options: argparse.Namespace, estimate: SensorEstimate) -> Sensor:
    """Return the estimated sensor, or that of --sensor; ConfigError if the clouds are insufficient or contradict it."""
    if options.sensor is not None:
        sensor = load_sensor(options.sensor)
        check_sensor(sensor, estimate, options.sensor)
    if estimate.troubles:
        raise ConfigError(f"the sensor cannot be estimated: {'; '.join(estimate.troubles)}")
    if options.sensor is not None:
        return sensor
    made = make_sensor(estimate, f"the sensor of {options.inputs[0].name}")
    return fit_intensity(fit_losses(made, estimate), estimate)


def find_weights(options: argparse.Namespace) -> Path:
    """Return the checkpoint to start from; TrainingError if there is none."""
    path: Path = options.weights or _REPOSITORY_WEIGHTS
    if not path.is_file():
        raise TrainingError(
            f"{path}: no such checkpoint; --from names the weights to start from, which `pointpillars_ov train` writes "
            "to weights.pth and the repository has in models/streets.pth (those of a bundle cannot be trained further)"
        )
    return path
