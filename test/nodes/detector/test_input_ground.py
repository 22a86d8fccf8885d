# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Warnings about a sensor at another height, whose advice corrects it."""

from __future__ import annotations

import ast

import pytest

from pointpillars_ov_ros.clouds.transform import Transform
from pointpillars_ov_ros.nodes.detector.input import describe_ground

LEVEL = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize("ground_z", [-1.73, -1.5, -1.95])
def test_a_sensor_about_as_high_as_in_training_is_not_worth_a_word(ground_z: float) -> None:
    assert describe_ground(ground_z, 1.73, LEVEL, "the sensor") == ""


def test_the_sentence_has_both_heights_and_the_parameter_with_its_value() -> None:
    assert describe_ground(-0.9, 1.73, LEVEL, "the sensor") == (
        "the ground is 0.90 m below the sensor, but the network expects it 1.73 m below: "
        "set sensor_pose to [0.0, 0.0, -0.83, 0.0, 0.0, 0.0]"
    )


@pytest.mark.parametrize("pose", [LEVEL, (1.5, 0.25, 0.5, 0.0, 0.0, 3.0), (0.0, 0.0, -1.73, 0.0, 0.0, 0.0)])
@pytest.mark.parametrize("height", [0.3, 1.0, 2.6])
def test_doing_what_it_says_brings_the_ground_to_where_the_network_expects_it(
    pose: tuple[float, ...], height: float
) -> None:
    def ground_in_model(pose: tuple[float, ...]) -> float:
        return float(Transform.from_pose(*pose).translation[2]) - height

    said = describe_ground(ground_in_model(pose), 1.73, pose, "base_link")  # type: ignore[arg-type]
    assert f"{height:.2f} m below base_link" in said
    better = ast.literal_eval(said.partition("sensor_pose to ")[2])
    assert ground_in_model(better) == pytest.approx(-1.73, abs=0.01)
    assert better[:2] == list(pose[:2]) and better[3:] == list(pose[3:])
    assert describe_ground(ground_in_model(better), 1.73, tuple(better), "base_link") == ""
