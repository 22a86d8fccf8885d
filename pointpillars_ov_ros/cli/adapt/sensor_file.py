# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sensor for the simulation, created from an estimate or checked against it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import yaml

from pointpillars_ov_ros.clouds.ground import GroundPlane
from pointpillars_ov_ros.clouds.sensor_estimate import SensorEstimate, count_returns
from pointpillars_ov_ros.config.errors import ConfigError
from pointpillars_ov_ros.config.files import write_text
from pointpillars_ov_ros.config.mapping import to_mapping
from pointpillars_ov_ros.synthetic import Sensor, simulate
from pointpillars_ov_ros.synthetic.lidar.sensor import BeamBlock, DropoutModel, IntensityModel
from pointpillars_ov_ros.synthetic.world.mount import MountModel

SENSOR_FILE = "sensor.yaml"
_DARK_RANGES_M, _HALVINGS = (20.0, 400.0), 6
"""Bounds of the search for the loss range, and the number of bisections of the remaining loss."""
_MIN_RAYS = 400
"""Minimum number of simulated rays per range for fitting the losses."""
_NEAR_M = 20.0
"""Range within which the loss of rays does not depend on the range."""
_FEWEST_BINS = 3
_SAME_BEAM_DEG = 0.02
_DRIVE_SPREAD_DEG, _DRIVE_SPREAD_M = 0.3, 0.03
"""Variation of mount and load from one drive to another."""
_MAX_ELEVATION_ERROR_DEG, _MAX_HEIGHT_ERROR_M, _MAX_TILT_ERROR_DEG, _MAX_STEP_RATIO = 0.5, 0.25, 1.5, 1.2
_MIN_MATCHED = 0.9
"""Minimum share of the beams in the clouds that a sensor file must have."""
_CALIBRATION_SEEDS = (7001, 7002, 7003, 7004)
_SECONDS_A_TURN = 0.1


def make_sensor(estimate: SensorEstimate, name: str) -> Sensor:
    """Return the sensor described by `estimate`, which has no troubles; losses and intensities remain to be fitted."""
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
        intensity=IntensityModel(step=_clip_step(estimate.intensity.step)),
    )


def _clip_step(step: float) -> float:
    return round(min(max(step, 1e-4), 0.5), 6)


def _make_blocks(estimate: SensorEstimate) -> tuple[BeamBlock, ...]:
    """Return the beams grouped by optical centre; beams that differ only by noise are merged."""
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


def fit_losses(sensor: Sensor, estimate: SensorEstimate) -> Sensor:
    """Return `sensor` with losses fitted so that the share of ground returns by range matches the real one.

    If too little of the ground was seen, the losses are unchanged.
    """
    real = {one.range_m: one.share for one in estimate.returns}
    if len(real) < _FEWEST_BINS:
        return sensor
    near = _shares(_lossless(sensor), estimate, lambda range_m: range_m < _NEAR_M)
    if not near:
        return sensor
    # The best of the near ranges: at the others the vehicle may be in the way.
    lost = 1.0 - max(real[range_m] / near[range_m] for range_m in near)
    share = round(min(max(lost, 0.0), 0.5), 3)
    low, high = _DARK_RANGES_M
    for _ in range(_HALVINGS):
        dark = math.sqrt(low * high)
        found = _shares(_with_losses(sensor, dark, share), estimate, lambda range_m: range_m > _NEAR_M / 2)
        if not found:
            return sensor
        if _mean(found, found) < _mean(real, found):
            low = dark
        else:
            high = dark
    return _with_losses(sensor, round(math.sqrt(low * high), 1), share)


def _with_losses(sensor: Sensor, dark_range: float, share: float) -> Sensor:
    return dataclasses.replace(sensor, dropout=DropoutModel(dark_range, share))


def _lossless(sensor: Sensor) -> Sensor:
    return _with_losses(sensor, _DARK_RANGES_M[1], 0.0)


def _shares(sensor: Sensor, estimate: SensorEstimate, wanted: Callable[[float], bool]) -> dict[float, float]:
    """Return the share of simulated rays that return, by range (m), for the ranges of the estimate."""
    assert estimate.beams is not None
    mount = MountModel(pitch_deg=sensor.mount.pitch_deg, roll_deg=sensor.mount.roll_deg)
    parts = [simulate(dataclasses.replace(sensor, mount=mount), seed).points for seed in _CALIBRATION_SEEDS]
    rise_x, rise_y = (-math.tan(math.radians(angle)) for angle in (mount.pitch_deg, mount.roll_deg))
    ground = GroundPlane(rise_x, rise_y, -sensor.mounting_height)
    counted = count_returns(parts, estimate.beams, sensor.azimuth_step_deg, ground, _MIN_RAYS)
    known = {one.range_m for one in estimate.returns}
    return {one.range_m: one.share for one in counted if one.range_m in known and wanted(one.range_m)}


def _mean(shares: Mapping[float, float], ranges: Iterable[float]) -> float:
    return float(np.mean([shares[range_m] for range_m in ranges]))


def fit_intensity(sensor: Sensor, estimate: SensorEstimate) -> Sensor:
    """Return `sensor` with gain and zeros fitted to the brightness of the real intensities and their share of 0."""
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
    # Glossy bodies are dark more often than the rest, so the overall share is higher than `zeros`.
    more = zeros * zeros / max(1.0 - len(bright) / len(seen), zeros, 1e-6)
    fitted = dataclasses.replace(fitted, gain=round(min(max(gain, 0.01), 100.0), 3), zeros=round(more, 3))
    return dataclasses.replace(sensor, intensity=fitted)


def check_sensor(sensor: Sensor, estimate: SensorEstimate, where: str) -> None:
    """Raise ConfigError with all contradictions between `sensor`, from `where`, and the clouds."""
    contradictions = [*_compare_beams(sensor, estimate), *_compare_mounting(sensor, estimate)]
    if contradictions:
        raise ConfigError(
            f"{where} contradicts the clouds: {'; '.join(contradictions)}. Correct the file, or omit --sensor to "
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
    """Write the YAML that `load_sensor` reads; `source` describes what it was made from."""
    values = to_mapping(sensor)
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=110)
    write_text(path, f"# Estimated by `pointpillars_ov adapt` from {source}.\n{text}")


def describe_sensor(estimate: SensorEstimate, sensor: Sensor) -> list[str]:
    """Return lines that describe the sensor."""
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
