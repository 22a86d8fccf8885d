# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Warnings about odd clouds, in the log and in diagnostics: once, and with the parameter to set."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from rclpy.lifecycle import LifecycleNode
from std_msgs.msg import Header

from pointpillars_ov_ros.clouds.points import SensorCloud
from pointpillars_ov_ros.clouds.transform import Transform
from pointpillars_ov_ros.config.model_config import ModelConfig
from pointpillars_ov_ros.conversion.importers import read_preset
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.nodes.detector.input import _LOOKED_AT, _MANY_EMPTY, CloudWatch
from pointpillars_ov_ros.ros.settings import DetectorNodeConfig
from test.clouds.cloud_files import street

HEADER = Header(stamp=Time(sec=1), frame_id="lidar")
EMPTY = SensorCloud(np.zeros((0, 4), np.float32), has_intensity=True, brightest=0.0)


class Outputs:
    """The one attribute of `DetectorOutputs` that a watch writes."""

    sensor = ""


@pytest.fixture
def node(ros: None) -> Iterator[LifecycleNode]:
    node = LifecycleNode("watcher")
    yield node
    node.destroy_node()


@pytest.fixture(scope="module")
def config() -> ModelConfig:
    return read_preset("smallmunich_car")


def upside_down(points: FloatArray) -> FloatArray:
    turned = points.copy()
    Transform.from_pose(0, 0, 0, np.pi, 0, 0).move(turned)
    return turned


def watch_of(node: Any, **settings: Any) -> tuple[CloudWatch, Outputs]:
    outputs = Outputs()
    return CloudWatch(node, DetectorNodeConfig(**settings), outputs), outputs  # type: ignore[arg-type]


def test_an_oddity_is_in_the_log_and_in_diagnostics_once(
    node: LifecycleNode, config: ModelConfig, capfd: pytest.CaptureFixture[str]
) -> None:
    watch, outputs = watch_of(node)
    for seed in range(2 * _LOOKED_AT):
        watch.look_for_oddities(street(20_000, seed) * np.array([1000, 1000, 1000, 1], np.float32), config)
    assert outputs.sensor.count("in millimetres") == 1
    assert capfd.readouterr().err.count("in millimetres") == 1


def test_what_it_says_of_the_axes_puts_them_right(node: LifecycleNode, config: ModelConfig) -> None:
    watch, outputs = watch_of(node)
    cloud = upside_down(street(20_000))
    watch.look_for_oddities(cloud, config)
    pose = ast.literal_eval(outputs.sensor.partition("sensor_pose to ")[2])
    assert all(isinstance(value, float) for value in pose)
    Transform.from_pose(*pose).move(cloud)
    better, said = watch_of(node, sensor_pose=tuple(pose))
    better.look_for_oddities(cloud, config)
    assert said.sensor == ""


def test_a_pose_that_is_set_already_is_not_to_be_replaced(node: LifecycleNode, config: ModelConfig) -> None:
    watch, outputs = watch_of(node, sensor_pose=(0.0, 0.0, 0.5, 0.0, 0.0, 0.0))
    watch.look_for_oddities(upside_down(street(20_000)), config)
    assert "must rotate them further" in outputs.sensor


def test_good_clouds_are_not_talked_of(node: LifecycleNode, config: ModelConfig) -> None:
    watch, outputs = watch_of(node)
    for seed in range(_LOOKED_AT):
        watch.look_for_oddities(street(20_000, seed), config)
    assert outputs.sensor == ""


def test_clouds_that_stay_empty_are_said_and_single_ones_are_not(
    node: LifecycleNode, capfd: pytest.CaptureFixture[str]
) -> None:
    watch, _ = watch_of(node)
    full = SensorCloud(street(100), has_intensity=True, brightest=1.0)
    for cloud in [*[EMPTY] * (_MANY_EMPTY - 1), full] * 3:
        watch.look(cloud, HEADER)
    assert "no valid point" not in capfd.readouterr().err
    for _ in range(_MANY_EMPTY):
        watch.look(EMPTY, HEADER)
    assert f"the last {_MANY_EMPTY} clouds contain no valid point" in capfd.readouterr().err


def test_headers_without_frame_or_stamp_are_said_once_and_a_first_stamp_of_zero_is_not(node: LifecycleNode) -> None:
    watch, outputs = watch_of(node)
    full = SensorCloud(street(100), has_intensity=True, brightest=1.0)
    for stamp in (Time(), Time(sec=1), Time(sec=2), Time()):
        watch.look(full, Header(stamp=stamp, frame_id="lidar"))
    assert outputs.sensor == ""
    for _ in range(3):
        watch.look(full, Header())
    assert outputs.sensor.count("frame_id is empty") == outputs.sensor.count("stamp in the header of clouds is 0") == 1
