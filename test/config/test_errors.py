# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Representation of foreign values in messages."""

from __future__ import annotations

import pytest

from pointpillars_ov_ros.config.errors import list_names, missing_module


@pytest.mark.parametrize(
    ("names", "listed"),
    [
        ([], ""),
        (["x", "y", "z"], "x y z"),
        (["x", "y\n"], "x 'y\\n'"),
        (["x" * 61], f"'{'x' * 60}'"),
        ([str(k) for k in range(5000)], "0 1 2 3 4 5 6 7 8 9 10 11 … (5000 in all)"),
    ],
)
def test_lists_stay_short_and_on_a_line(names: list[str], listed: str) -> None:
    assert list_names(names, " ") == listed


@pytest.mark.parametrize(
    ("module", "remedy"),
    [
        ("rclpy", "source your ROS 2 workspace"),
        ("vision_msgs.msg", "source your ROS 2 workspace"),
        ("sensor_msgs_py", "source your ROS 2 workspace"),
        ("openvino", "pip install -r requirements.txt"),
    ],
)
def test_a_missing_module_comes_with_where_to_get_it(module: str, remedy: str) -> None:
    text = missing_module(ModuleNotFoundError(f"No module named {module!r}", name=module))
    assert text.startswith(f"the Python module {module} is missing") and remedy in text


def test_a_missing_module_of_our_own_is_a_fault_of_ours() -> None:
    with pytest.raises(ModuleNotFoundError):
        missing_module(ModuleNotFoundError(name="pointpillars_ov_ros.core.nothing"))
