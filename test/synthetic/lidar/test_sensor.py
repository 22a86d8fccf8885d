# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sensors from YAML: those of the package are what their makers say; a bad one is one sentence."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from pointpillars_ov_ros.config.errors import ConfigError
from pointpillars_ov_ros.config.mapping import to_mapping
from pointpillars_ov_ros.synthetic import SENSORS, load_sensor
from pointpillars_ov_ros.synthetic.lidar.sensor import BlindSector
from pointpillars_ov_ros.synthetic.lidar.sweep import make_sweep
from test.synthetic.scenes import ideal_sensor


@pytest.mark.parametrize(
    ("name", "beams", "lowest", "highest"),
    [("hdl_64e", 64, -25.0, 1.94), ("vlp_16", 16, -15.0, 15.0), ("vlp_32c", 32, -25.0, 15.0), ("generic", 40, -25, 15)],
)
def test_a_sensor_has_the_beams_of_its_device(name: str, beams: int, lowest: float, highest: float) -> None:
    sensor = load_sensor(name)
    assert len(sensor.elevations) == len(sensor.heights) == sensor.beams == beams
    assert np.degrees(sensor.elevations.min()) == pytest.approx(lowest)
    assert np.degrees(sensor.elevations.max()) == pytest.approx(highest)


def test_every_sensor_of_the_package_is_named() -> None:
    assert SENSORS == ("generic", "hdl_64e", "vlp_16", "vlp_32c")


def test_a_sensor_is_read_from_a_path_as_from_a_name(tmp_path: Path) -> None:
    sensor = load_sensor("vlp_16")
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(to_mapping(sensor)))
    assert load_sensor(path) == load_sensor(str(path)) == sensor


def set_field(field: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(document: dict[str, Any]) -> None:
        *parents, last = field.split(".")
        for parent in parents:
            document = document[parent]
        document[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (set_field("colour", "red"), ["colour", "unknown key"]),
        (set_field("edges.gap", 1.0), ["edges.gap", "unknown key"]),
        (set_field("beams", 17), ["beams", "17", "16"]),
        (set_field("blocks", [{"elevations_deg": [1.0, 2.0]}]), ["elevations_deg", "[1.0, 2.0]"]),
        (set_field("max_range", -80.0), ["max_range", "-80.0"]),
        (set_field("max_range", "far"), ["max_range", "far"]),
        (set_field("max_range", math.nan), ["max_range", "nan"]),
        (set_field("min_range", -1.0), ["min_range", "-1.0"]),
        (set_field("azimuth_step_deg", 0.0), ["azimuth_step_deg", "0.0"]),
        (set_field("range_noise", 9.0), ["range_noise", "9.0"]),
        (set_field("dropout.share", 1.5), ["dropout.share", "1.5"]),
        (set_field("intensity.step", 0.0), ["intensity.step", "0.0"]),
        (set_field("intensity.zeros", 1.5), ["intensity.zeros", "1.5"]),
        (set_field("intensity.dark_from", -1.0), ["intensity.dark_from", "-1.0"]),
        (set_field("mount.pitch_deg", 45.0), ["mount.pitch_deg", "45.0"]),
        (set_field("mount.roll_spread_deg", math.nan), ["mount.roll_spread_deg", "nan"]),
        (set_field("mount.height_spread", -0.1), ["mount.height_spread", "-0.1"]),
    ],
)
def test_a_bad_sensor_is_one_sentence_with_field_and_value(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], words: list[str]
) -> None:
    document = to_mapping(load_sensor("vlp_16"))
    change(document)
    path = tmp_path / "bad.yaml"
    path.write_text(yaml.safe_dump(document))
    with pytest.raises(ConfigError) as error:
        load_sensor(path)
    assert "\n" not in str(error.value)
    assert all(word in str(error.value) for word in [str(path), *words])


def test_a_missing_field_is_named(tmp_path: Path) -> None:
    document = to_mapping(load_sensor("vlp_16"))
    del document["beams"]
    (tmp_path / "bad.yaml").write_text(yaml.safe_dump(document))
    with pytest.raises(ConfigError, match="beams: missing"):
        load_sensor(tmp_path / "bad.yaml")


@pytest.mark.parametrize("name", ["vlp_128", "no/such/file.yaml"])
def test_an_unknown_sensor_is_named_with_those_that_exist(name: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_sensor(name)
    assert all(word in str(error.value) for word in (name, *SENSORS))


def test_what_is_no_yaml_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("beams: [1,\nblocks: }")
    with pytest.raises(ConfigError, match=r"bad\.yaml.*invalid YAML") as error:
        load_sensor(tmp_path / "bad.yaml")
    assert "\n" not in str(error.value)


def test_rays_go_where_beam_and_column_say() -> None:
    sensor = ideal_sensor(azimuth_step_deg=5.0)
    sweep = make_sweep(sensor, 0.1)
    np.testing.assert_allclose(np.linalg.norm(sweep.directions, axis=2), 1.0)
    np.testing.assert_allclose(np.arcsin(sweep.directions[..., 2]), np.tile(sensor.elevations[:, None], 72))
    azimuths = np.arctan2(sweep.directions[..., 1], sweep.directions[..., 0])
    expected = 0.1 + np.radians(5.0) * np.arange(72) + sensor.stagger[:, None]
    np.testing.assert_allclose(np.cos(azimuths - expected), 1.0)
    assert abs(sensor.stagger).max() <= np.radians(2.5)


def test_a_rolling_shutter_moves_the_sensor_during_the_sweep() -> None:
    sweep = make_sweep(ideal_sensor(rolling_shutter=True), 0.0, velocity=(10.0, 0.0), yaw_rate=0.5)
    # Clockwise: what is to the left is fired a quarter of a turn before what is ahead.
    assert sweep.times[90] == pytest.approx(-0.025)
    assert sweep.times[270] == pytest.approx(0.025)
    np.testing.assert_allclose(sweep.shifts[90], (-0.25, 0.0), atol=1e-12)
    assert sweep.turns[90] == pytest.approx(-0.0125)
    assert (make_sweep(ideal_sensor(), 0.0, velocity=(10.0, 0.0)).shifts == 0.0).all()


def test_the_vehicle_hides_what_is_below_its_sector() -> None:
    sensor = ideal_sensor(blind=(BlindSector((170.0, -170.0), -10.0),))
    blind = sensor.blind_below > -math.pi
    assert blind[170:191].all()
    assert blind.sum() == 21
    assert sensor.blind_below[180] == pytest.approx(math.radians(-10.0))
