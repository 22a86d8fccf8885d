# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Model descriptions: presets, derived numbers, and the values that are refused."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest

from pointpillars_ov_ros.config.errors import ConfigError
from pointpillars_ov_ros.config.mapping import from_mapping, to_mapping
from pointpillars_ov_ros.config.model_config import ModelConfig
from pointpillars_ov_ros.conversion.importers import preset_names, read_preset
from test.builders import tiny_config, tiny_document


def changed_document(path: str, value: object) -> dict[str, Any]:
    """Return the tiny model's document with the value at a dotted path replaced; a number is a list's index."""
    document = tiny_document()
    *parents, last = path.split(".")
    place: Any = document
    for name in parents:
        place = place[int(name)] if name.isdigit() else place[name]
    place[int(last) if last.isdigit() else last] = value
    return document


def test_derived_numbers_follow_from_the_fields() -> None:
    config = tiny_config()
    assert (config.grid.nx, config.grid.ny) == (24, 16)
    assert config.output_shape == (8, 12)
    assert config.canvas_shape == (1, 3, 16, 24)
    assert config.anchors_per_cell == 3
    assert config.classes == ("Car", "Pedestrian")


def test_the_car_preset_has_the_shapes_of_the_published_network() -> None:
    config = read_preset("smallmunich_car")
    assert config.canvas_shape == (1, 64, 496, 432)
    assert config.output_shape == (248, 216)
    assert config.anchors_per_cell * 7 == 14
    assert config.classes == ("Car",)


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_loads_and_survives_the_round_trip(name: str) -> None:
    config = read_preset(name)
    assert config.name == name
    assert from_mapping(ModelConfig, to_mapping(config)) == config


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_has_its_anchors_in_the_middle_of_the_canvas(name: str) -> None:
    """The first and the last anchor are equally far from the two borders, to less than an output cell."""
    config = read_preset(name)
    for axis, (low, high) in enumerate((config.grid.x_range, config.grid.y_range)):
        step, cells = config.anchor_grid.step[axis], config.output_shape[1 - axis]
        first = config.anchor_grid.offset[axis]
        last = first + step * (cells - 1)
        assert abs((first - low) - (high - last)) < step


def test_there_is_at_least_one_preset() -> None:
    assert preset_names()


@pytest.mark.parametrize("size", [0.16, 0.2, 0.1, 0.32])
@pytest.mark.parametrize("cells", [8, 100, 432, 496])
def test_rounding_of_the_range_neither_loses_nor_adds_a_cell(size: float, cells: int) -> None:
    high = round(cells * size, 6)
    grid = dataclasses.replace(tiny_config().grid, x_range=(0.0, high), y_range=(-high, high), pillar_size=(size, size))
    assert (grid.nx, grid.ny) == (cells, 2 * cells)


def test_configurations_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        tiny_config().name = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("grid.x_range", [1.0, 1.0]),
        ("grid.x_range", [2.0, 1.0]),
        ("grid.x_range", [math.nan, 1.0]),
        ("grid.y_range", [0.0, math.inf]),
        ("grid.z_range", [-math.inf, 1.0]),
        ("grid.z_range", [1.0, -3.0]),
        ("grid.max_pillars", 0),
        ("grid.max_points_per_pillar", -1),
        ("grid.pillar_size", [0.0, 0.2]),
        ("grid.pillar_size", [0.16, -0.2]),
        ("grid.pillar_size", [math.nan, 0.2]),
        ("postprocess.score_threshold", 0.0),
        ("postprocess.score_threshold", 1.1),
        ("postprocess.score_threshold", math.nan),
        ("postprocess.nms_threshold", -0.1),
        ("postprocess.nms_threshold", 2.0),
        ("postprocess.max_detections", 0),
        ("postprocess.max_candidates", -5),
        ("direction.first_bin", 2),
        ("direction.first_bin", -1),
        ("anchor_grid.step", [0.0, 0.4]),
        ("anchor_grid.step", [0.32, -0.4]),
        ("format", 2),
    ],
)
def test_a_value_out_of_bounds_raises_naming_field_and_value(path: str, value: object) -> None:
    with pytest.raises(ConfigError) as raised:
        from_mapping(ModelConfig, changed_document(path, value))
    assert str(raised.value).startswith(f"{path}: {value}")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (
            "grid.x_range",
            [0.0, 3.9],
            "grid.pillar_size: [0.16, 0.2] is not such that 3.9 m is a whole number of pillars",
        ),
        (
            "grid.y_range",
            [-1.6, 1.7],
            "grid.pillar_size: [0.16, 0.2] is not such that 3.3 m is a whole number of pillars",
        ),
        ("rpn.stride", 5, "rpn.stride: 5 is not a divisor of 24 cells"),
        ("rpn.stride", 3, "rpn.stride: 3 is not a divisor of 16 cells"),
        ("anchors", [], "anchors: [] is not a list of at least one class"),
        ("box_coder.angle", "up", "box_coder.angle: 'up' is not one of yaw, rotation_y"),
        ("box_coder.z_origin", "top", "box_coder.z_origin: 'top' is not one of bottom, center"),
        ("box_coder.size_order", "hwl", "box_coder.size_order: 'hwl' is not one of wlh, lwh"),
        ("anchors.1.size", [1.0, 2.0], "anchors[1].size: expected 3 values, got 2"),
    ],
)
def test_values_that_do_not_fit_together_raise_naming_the_field(path: str, value: object, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        from_mapping(ModelConfig, changed_document(path, value))
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("rpn.stride", 0),
        ("rpn.stride", -2),
        ("rpn.channels", 0),
        ("grid.pillar_size", [1e5, 0.2]),
        ("grid.pillar_size", [math.inf, 0.2]),
        ("anchors.0.size", [0.0, 1.6, 1.5]),
        ("anchors.0.size", [3.9, -1.6, 1.5]),
        ("anchors.0.angles", []),
        ("anchors.0.class_name", ""),
        ("anchors.0.class_name", " "),
        ("anchors.0.class_name", "Car,Van"),
        ("anchors.0.class_name", "Car=Van"),
        ("anchors.0.class_name", "Car\n"),
        ("anchor_mask.min_pillars", -1),
        ("direction.offset", math.nan),
        ("sensor.intensity_max", 0.0),
        ("sensor.beams", -1),
    ],
)
def test_a_value_that_no_network_can_have_raises_naming_the_field(path: str, value: object) -> None:
    with pytest.raises(ConfigError) as raised:
        from_mapping(ModelConfig, changed_document(path, value))
    assert path.rsplit(".", maxsplit=1)[-1] in str(raised.value)


def test_anchors_may_have_any_number_of_angles() -> None:
    anchor = {"class_name": "Car", "size": [1, 1, 1], "bottom_z": 0, "angles": list(np.arange(5.0))}
    assert tiny_config(anchors=[anchor]).anchors_per_cell == 5
