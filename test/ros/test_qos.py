# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Quality of service, by policy and by parameter."""

from __future__ import annotations

import pytest
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSCompatibility, QoSProfile, ReliabilityPolicy
from rclpy.qos import qos_check_compatible as check
from rclpy.qos import qos_profile_sensor_data as sensor_data

from pointpillars_ov_ros.config.runtime_config import DropPolicy
from pointpillars_ov_ros.ros import qos
from pointpillars_ov_ros.ros.settings import InputReliability

BEST_EFFORT, RELIABLE = ReliabilityPolicy.BEST_EFFORT, ReliabilityPolicy.RELIABLE
LIVE, REPLAY = DropPolicy.LIVE, DropPolicy.REPLAY


@pytest.mark.parametrize(
    ("policy", "asked", "expected"),
    [
        (LIVE, InputReliability.AUTO, BEST_EFFORT),
        (REPLAY, InputReliability.AUTO, RELIABLE),
        (LIVE, InputReliability.RELIABLE, RELIABLE),
        (REPLAY, InputReliability.RELIABLE, RELIABLE),
        (LIVE, InputReliability.BEST_EFFORT, BEST_EFFORT),
        (REPLAY, InputReliability.BEST_EFFORT, BEST_EFFORT),
    ],
)
def test_reliability_follows_the_policy_unless_it_is_asked_for(
    policy: DropPolicy, asked: InputReliability, expected: ReliabilityPolicy
) -> None:
    assert qos.cloud_input(policy, asked, 0).reliability == expected


@pytest.mark.parametrize(
    ("offered", "expected"),
    [([], RELIABLE), ([qos.OUTPUT], RELIABLE), ([sensor_data], BEST_EFFORT), ([qos.OUTPUT, sensor_data], BEST_EFFORT)],
)
def test_in_replay_auto_asks_for_what_all_publishers_offer(
    offered: list[QoSProfile], expected: ReliabilityPolicy
) -> None:
    assert qos.cloud_input(REPLAY, InputReliability.AUTO, 0, offered).reliability == expected
    assert qos.cloud_input(REPLAY, InputReliability.RELIABLE, 0, offered).reliability == RELIABLE
    assert qos.cloud_input(LIVE, InputReliability.AUTO, 0, offered).reliability == BEST_EFFORT


@pytest.mark.parametrize("asked", InputReliability)
def test_live_keeps_one_cloud_and_replay_more(asked: InputReliability) -> None:
    assert qos.cloud_input(LIVE, asked, 0).depth == 1
    assert qos.cloud_input(REPLAY, asked, 0).depth > 1


@pytest.mark.parametrize("policy", DropPolicy)
@pytest.mark.parametrize("depth", [1, 7, 1000])
def test_a_depth_that_is_asked_for_is_taken(policy: DropPolicy, depth: int) -> None:
    assert qos.cloud_input(policy, InputReliability.AUTO, depth).depth == depth


@pytest.mark.parametrize("policy", DropPolicy)
@pytest.mark.parametrize("asked", InputReliability)
def test_clouds_are_never_latched_and_never_all_kept(policy: DropPolicy, asked: InputReliability) -> None:
    profile = qos.cloud_input(policy, asked, 0)
    assert profile.durability == DurabilityPolicy.VOLATILE
    assert profile.history == HistoryPolicy.KEEP_LAST


def test_live_hears_every_driver() -> None:
    profile = qos.cloud_input(LIVE, InputReliability.AUTO, 0)
    for driver in (sensor_data, QoSProfile(depth=10), qos.LATCHED):
        assert check(driver, profile)[0] != QoSCompatibility.ERROR


def test_replay_hears_the_player() -> None:
    assert check(qos.OUTPUT, qos.cloud_input(REPLAY, InputReliability.AUTO, 0))[0] != QoSCompatibility.ERROR


def test_latched_is_for_late_subscribers() -> None:
    assert qos.LATCHED.durability == DurabilityPolicy.TRANSIENT_LOCAL
    assert qos.LATCHED.reliability == RELIABLE
    assert qos.LATCHED.depth == 1


@pytest.mark.parametrize("profile", [qos.OUTPUT, qos.TIMING])
def test_what_the_detector_says_arrives(profile: QoSProfile) -> None:
    assert profile.reliability == RELIABLE
    assert profile.depth >= 10
