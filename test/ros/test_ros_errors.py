# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Security that is asked for and may silently not be there is warned of; test/dds/test_security.py has the refusals."""

from __future__ import annotations

import pytest

from pointpillars_ov_ros.ros.ros_errors import security_warning


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"ROS_SECURITY_STRATEGY": "Permissive"},
        {"ROS_SECURITY_ENABLE": "false", "ROS_SECURITY_STRATEGY": "Permissive"},
        # ROS takes this for false.
        {"ROS_SECURITY_ENABLE": "True"},
        {"ROS_SECURITY_ENABLE": "true", "ROS_SECURITY_STRATEGY": "Enforce"},
    ],
)
def test_without_security_and_with_all_of_it_nothing_is_said(environment: dict[str, str]) -> None:
    assert security_warning(environment) == ""


@pytest.mark.parametrize("strategy", [None, "Permissive", "enforce"])
def test_security_that_a_missing_enclave_switches_off_is_warned_of(strategy: str | None) -> None:
    environment = {"ROS_SECURITY_ENABLE": "true", **({"ROS_SECURITY_STRATEGY": strategy} if strategy else {})}
    assert f"ROS_SECURITY_STRATEGY is {strategy or ''!r}, not 'Enforce'" in security_warning(environment)
