# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Parameters that no node takes are said with the nearest name; those of other nodes are not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import rclpy
from rclpy.node import Node

from pointpillars_ov_ros.config.runtime_config import RuntimeConfig
from pointpillars_ov_ros.ros.parameter_sources import matches, unused_parameters
from pointpillars_ov_ros.ros.parameters import declare_parameters
from pointpillars_ov_ros.ros.settings import DetectorNodeConfig

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def detector() -> Iterator[Node]:
    """Return a node with the parameters of a detector's input, in a namespace."""
    context = rclpy.Context()
    rclpy.init(context=context, args=[])
    options = {"enable_rosout": False, "start_parameter_services": False}
    node = Node("pointpillars_detector", namespace="front", context=context, **options)
    declare_parameters(node, RuntimeConfig)
    declare_parameters(node, DetectorNodeConfig)
    yield node
    node.destroy_node()
    rclpy.shutdown(context=context)


@pytest.mark.parametrize(
    ("pattern", "node", "expected"),
    [
        ("/**", "/a", True),
        ("/**", "/a/b", True),
        ("/**/b", "/b", True),
        ("/**/b", "/a/c/b", True),
        ("/*/b", "/a/b", True),
        ("/*/b", "/b", False),
        ("/a", "/a/b", False),
        ("a", "/a", True),
        ("/a.b", "/axb", False),
    ],
)
def test_a_section_means_the_nodes_that_ros_takes_it_for(pattern: str, node: str, expected: bool) -> None:
    assert matches(pattern, node) is expected


@pytest.mark.parametrize("arguments", [[], ["node"], ["--ros-args"], ["--ros-args", "-p"]])
def test_few_arguments_are_no_trouble(detector: Node, arguments: list[str]) -> None:
    unused_parameters(detector, arguments)


def test_a_misspelt_argument_is_said_with_the_nearest_name(detector: Node) -> None:
    arguments = ["node", "-p", "no", "--ros-args", "-p", "target_fram:=base", "-p", "sweeps:=2", "--param", "qqqq:=1"]
    near, far = unused_parameters(detector, arguments)
    assert near == (
        "-p target_fram:=base: there is no parameter 'target_fram', so it is ignored; the closest is target_frame"
    )
    assert "no parameter 'qqqq'" in far and "`ros2 param list /front/pointpillars_detector`" in far


def write(folder: Path, text: str) -> list[str]:
    path = folder / "params.yaml"
    path.write_text(text)
    return ["node", "--ros-args", "--params-file", str(path)]


@pytest.mark.parametrize(
    "section", ["/front/pointpillars_detector", "/**/pointpillars_detector", "/front/*", "/**", "front: {pointpillars"]
)
def test_a_misspelt_name_in_a_file_is_said(detector: Node, tmp_path: Path, section: str) -> None:
    text = f"{section}:\n  ros__parameters: {{sweep: 2, tf_timeout_ms: 5}}\n"
    if "{" in section:
        text = "front:\n  pointpillars_detector:\n    ros__parameters: {sweep: 2}\n"
    (said,) = unused_parameters(detector, write(tmp_path, text))
    assert said.startswith(f"{tmp_path / 'params.yaml'}: there is no parameter 'sweep'")
    assert said.endswith("the closest is sweeps")


@pytest.mark.parametrize(
    "section",
    ["pointpillars_detector", "/front/pointpilars_detector", "/front/detector", "/rear/pointpillars_detector"],
)
def test_a_section_for_another_name_is_said_with_the_right_one(detector: Node, tmp_path: Path, section: str) -> None:
    (said,) = unused_parameters(detector, write(tmp_path, f"{section}:\n  ros__parameters: {{sweeps: 2}}\n"))
    assert "is not for this node, /front/pointpillars_detector, so its parameters are ignored (sweeps)" in said
    assert said.endswith("write /front/pointpillars_detector, or /**/pointpillars_detector")


@pytest.mark.parametrize(
    "text",
    [
        "/**:\n  ros__parameters: {use_sim_time: true, warn_latency_ms: 5.0, warn_latency: 1}\n",
        "/front/pointpillars_diagnostics:\n  ros__parameters: {period: 1.0}\n",
        "/camera/driver:\n  ros__parameters: {exposure: 1.0}\n",
        "/front/pointpillars_detector:\n  ros__parameters: {sweeps: 2}\n"
        "/rear/pointpillars_detector:\n  ros__parameters: {sweeps: 3}\n",
        "no: [yaml",
        "- a list\n",
        "",
    ],
)
def test_what_is_meant_for_others_is_not_said(detector: Node, tmp_path: Path, text: str) -> None:
    assert unused_parameters(detector, write(tmp_path, text)) == []


def test_the_files_of_this_package_are_taken(detector: Node) -> None:
    for path in sorted((REPOSITORY / "config").glob("*.yaml")):
        said = unused_parameters(detector, ["--ros-args", "--params-file", str(path)])
        assert not said, path
