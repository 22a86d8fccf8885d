# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A sensor for the simulation, made of what the clouds of a real one tell, or checked against it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import yaml

from pointpillars_ov_ros.clouds.sensor_estimate import RangeShare, SensorEstimate
from pointpillars_ov_ros.config.errors import ConfigError
from pointpillars_ov_ros.config.files import write_text
from pointpillars_ov_ros.config.mapping import to_mapping
from pointpillars_ov_ros.synthetic import Sensor, simulate
from pointpillars_ov_ros.synthetic.lidar.sensor import BeamBlock, DropoutModel, IntensityModel
from pointpillars_ov_ros.synthetic.world.mount import MountModel

SENSOR_FILE = "sensor.yaml"
_ROAD_REFLECTIVITY = 0.2
_DARK_RANGES_M = tuple(float(value) for value in np.geomspace(20.0, 400.0, 61))
_NEAR_M = 25.0
"""Within this range rays are lost whatever the range."""
_FEWEST_BINS = 3
_SAME_BEAM_DEG = 0.02
_DRIVE_SPREAD_DEG, _DRIVE_SPREAD_M = 0.3, 0.03
"""What mount and load vary by from one drive to another."""
_MAX_ELEVATION_ERROR_DEG, _MAX_HEIGHT_ERROR_M, _MAX_TILT_ERROR_DEG, _MAX_STEP_RATIO = 0.5, 0.25, 1.5, 1.2
_MIN_MATCHED = 0.9
"""Share of the beams of the clouds that a sensor file must have."""
_CALIBRATION_SEEDS = (7001, 7002, 7003)
_SECONDS_A_TURN = 0.1


def make_sensor(estimate: SensorEstimate, name: str) -> Sensor:
    """Return the sensor that `estimate`, which has no troubles, describes; its intensities are not fitted yet."""
    assert estimate.azimuth_step_deg is not None and estimate.height is not None
    assert estimate.pitch_deg is not None and estimate.roll_deg is not None
    blocks = _make_blocks(estimate)
    return Sensor(
        name=name,
        beams=sum(len(block.elevations_deg) for block in blocks),
        blocks=blocks,
        azimuth_step_deg=round(estimate.azimuth_step_deg, 4),
        spin_rate_hz=1.0 / _SECONDS_A_TURN,
        min_range=round(min(max(estimate.min_range, 0.1), 5.0), 2),
        max_range=float(min(400, max(20, math.ceil(estimate.max_range)))),
        mounting_height=round(min(max(estimate.height, 0.2), 10.0), 3),
        mount=MountModel(
            pitch_deg=round(estimate.pitch_deg, 2),
            pitch_spread_deg=_DRIVE_SPREAD_DEG,
            roll_deg=round(estimate.roll_deg, 2),
            roll_spread_deg=_DRIVE_SPREAD_DEG,
            height_spread=_DRIVE_SPREAD_M,
        ),
        dropout=fit_dropout(estimate.returns, estimate.height),
        intensity=IntensityModel(step=_clip_step(estimate.intensity.step)),
    )


def _clip_step(step: float) -> float:
    return round(min(max(step, 1e-4), 0.5), 6)


def _make_blocks(estimate: SensorEstimate) -> tuple[BeamBlock, ...]:
    """Return the beams by their optical centres; such as are the same but for the noise are one."""
    beams = estimate.beams
    assert beams is not None
    blocks = []
    for height in sorted({float(value) for value in beams.heights}, reverse=True):
        kept: list[float] = []
        for elevation in beams.elevations_deg[beams.heights == height]:
            if not kept or kept[-1] - elevation > _SAME_BEAM_DEG:
                kept.append(round(float(elevation), 3))
        blocks.append(BeamBlock(tuple(kept), height))
    return tuple(blocks)


def fit_dropout(returns: Sequence[RangeShare], height: float) -> DropoutModel:
    """Return the loss with range that fits best what comes back from the ground, `height` (m) below the sensor.

    Too few ranges leave the defaults.
    """
    near = [one.share for one in returns if one.range_m < _NEAR_M]
    if len(returns) < _FEWEST_BINS or not near:
        return DropoutModel()
    lost = round(min(max(1.0 - max(near), 0.0), 0.5), 3)
    ranges = np.array([one.range_m for one in returns])
    shares = np.array([one.share for one in returns])
    weights = np.sqrt([one.rays for one in returns])
    errors = []
    for dark in _DARK_RANGES_M:
        light = dark**2 / 0.1 * _ROAD_REFLECTIVITY * np.minimum(height / ranges, 1.0) / ranges**2
        errors.append(float(np.sum(weights * ((1.0 - lost) * (1.0 - 2.0**-light) - shares) ** 2)))
    return DropoutModel(dark_range=round(_DARK_RANGES_M[int(np.argmin(errors))], 1), share=lost)


def fit_intensity(sensor: Sensor, estimate: SensorEstimate) -> Sensor:
    """Return `sensor` with gain and zeros such that simulated intensities are as bright, and as often 0, as real."""
    real = estimate.intensity
    if real.median <= 0.0:
        return dataclasses.replace(sensor, intensity=dataclasses.replace(sensor.intensity, zeros=1.0))
    zeros = min(real.zeros, 0.95)
    fitted = dataclasses.replace(sensor.intensity, zeros=round(zeros, 3))
    sensor = dataclasses.replace(sensor, intensity=fitted)
    seen = np.concatenate([simulate(sensor, seed).points[:, 3] for seed in _CALIBRATION_SEEDS])
    bright = seen[seen > 0.0]
    if not len(bright):
        return sensor
    gain = fitted.gain * real.median / float(np.median(bright))
    # Glossy bodies are dark more often than the rest, so that the share of all comes out higher than `zeros`.
    more = zeros * zeros / max(1.0 - len(bright) / len(seen), zeros, 1e-6)
    fitted = dataclasses.replace(fitted, gain=round(min(max(gain, 0.01), 100.0), 3), zeros=round(more, 3))
    return dataclasses.replace(sensor, intensity=fitted)


def check_sensor(sensor: Sensor, estimate: SensorEstimate, where: str) -> None:
    """Raise ConfigError that names all in which `sensor`, from `where`, and the clouds contradict each other."""
    contradictions = [*_compare_beams(sensor, estimate), *_compare_mounting(sensor, estimate)]
    if contradictions:
        raise ConfigError(
            f"{where} contradicts the clouds: {'; '.join(contradictions)}. Mend the file, or leave --sensor away to "
            "have the sensor estimated"
        )


def _compare_beams(sensor: Sensor, estimate: SensorEstimate) -> list[str]:
    found = np.array(estimate.elevations_deg)
    if not len(found):
        return []
    said = np.degrees(sensor.elevations)
    nearest = np.abs(found[:, None] - said).min(axis=1)
    problems = []
    if np.mean(nearest < _MAX_ELEVATION_ERROR_DEG) < _MIN_MATCHED or len(found) > len(said):
        worst = int(nearest.argmax())
        problems.append(
            f"it has {len(said)} beams from {said.max():.1f} to {said.min():.1f} deg, the clouds show {len(found)} "
            f"from {found.max():.1f} to {found.min():.1f} deg, one of them {nearest[worst]:.1f} deg from all of it"
        )
    elif 2 * len(found) < len(said):
        problems.append(f"it has {len(said)} beams, the clouds show {len(found)} of them")
    step, ratio = estimate.azimuth_step_deg, _MAX_STEP_RATIO
    if step is not None and not 1.0 / ratio < step / sensor.azimuth_step_deg < ratio:
        problems.append(f"azimuth_step_deg is {sensor.azimuth_step_deg:g}, in the clouds {step:.3f}")
    return problems


def _compare_mounting(sensor: Sensor, estimate: SensorEstimate) -> list[str]:
    problems = []
    if estimate.height is not None and abs(estimate.height - sensor.mounting_height) > _MAX_HEIGHT_ERROR_M:
        problems.append(f"mounting_height is {sensor.mounting_height:g} m, in the clouds {estimate.height:.2f} m")
    for name in ("pitch_deg", "roll_deg"):
        found, said = getattr(estimate, name), getattr(sensor.mount, name)
        if found is not None and abs(found - said) > _MAX_TILT_ERROR_DEG:
            problems.append(f"mount.{name} is {said:g}, in the clouds {found:.1f}")
    return problems


def write_sensor(path: Path, sensor: Sensor, source: str) -> None:
    """Write the YAML that `load_sensor` reads; `source` says what it was made of."""
    values = to_mapping(sensor)
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=110)
    write_text(path, f"# Estimated by `pointpillars_ov adapt` from {source}.\n{text}")


def describe_sensor(estimate: SensorEstimate, sensor: Sensor) -> list[str]:
    """Return lines that say what was found."""
    found = estimate.elevations_deg
    centres = sorted({block.height for block in sensor.blocks}, reverse=True)
    lines = [
        f"beams        {len(found)}, from {found[0]:+.2f} to {found[-1]:+.2f} deg, their centre "
        f"{' and '.join(f'{height:g}' for height in centres)} m above the frame's origin",
        f"azimuth step {sensor.azimuth_step_deg:.3f} deg",
        f"mounted      {estimate.height:.2f} m above the ground, its front {estimate.pitch_deg:+.2f} deg up, "
        f"its left side {estimate.roll_deg:+.2f} deg up",
        f"range        {sensor.min_range:g} to {sensor.max_range:g} m; half the returns of a dark surface lost at "
        f"{sensor.dropout.dark_range:g} m, {sensor.dropout.share:.0%} anyway",
        f"intensity    {estimate.intensity.low:.2f} to {estimate.intensity.high:.2f}, median "
        f"{estimate.intensity.median:.2f}, in steps of {estimate.intensity.step:.4f}; "
        f"{estimate.intensity.zeros:.0%} are 0",
    ]
    return lines
