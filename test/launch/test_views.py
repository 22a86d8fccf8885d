# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The files for RViz and Foxglove show topics that there are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest
import yaml

from pointpillars_ov_ros.ros.timing_message import FrameTiming
from test.launch.stand_ins import REPOSITORY

TOPICS = {"points": "PointCloud2", "detections": "Detection3DArray", "markers": "MarkerArray"}
RVIZ = yaml.safe_load((REPOSITORY / "config" / "pointpillars.rviz").read_text())["Visualization Manager"]
FOXGLOVE = json.loads((REPOSITORY / "config" / "foxglove_layout.json").read_text())


def displays() -> dict[str, dict[str, Any]]:
    return {display["Name"]: display for display in RVIZ["Displays"]}


def panels(node: Any) -> Iterator[str]:
    """Yield the panels of a layout, which is a tree of two at a time."""
    if isinstance(node, str):
        yield node
    else:
        yield from (*panels(node["first"]), *panels(node["second"]))


@pytest.mark.parametrize("topic", TOPICS)
def test_rviz_shows_what_the_detector_reads_and_publishes(topic: str) -> None:
    shown = [d for d in displays().values() if d.get("Topic", {}).get("Value") == f"/{topic}"]
    assert [d["Class"].split("/")[1] for d in shown] == [TOPICS[topic]]
    assert all(d["Enabled"] for d in shown)


def test_rviz_shows_no_other_topic_but_the_ground_truth() -> None:
    shown = {d["Topic"]["Value"] for d in displays().values() if "Topic" in d}
    assert shown == {*(f"/{topic}" for topic in TOPICS), "/ground_truth"}


def test_rviz_hears_clouds_of_reliable_and_of_best_effort_publishers() -> None:
    assert displays()["Cloud"]["Topic"]["Reliability Policy"] == "Best Effort"


def test_rviz_shows_tf_in_the_frame_of_the_clouds() -> None:
    assert displays()["TF"]["Class"] == "rviz_default_plugins/TF"
    assert RVIZ["Global Options"]["Fixed Frame"] == "velodyne"


def test_foxglove_has_a_configuration_for_every_panel_and_no_other() -> None:
    assert set(panels(FOXGLOVE["layout"])) == set(FOXGLOVE["configById"])


def test_foxglove_shows_clouds_and_markers() -> None:
    topics = FOXGLOVE["configById"]["3D!clouds"]["topics"]
    parts = {f"/pointpillars_detector/{part}" for part in ("objects", "background")}
    assert set(topics) == {"/points", "/velodyne_points", "/markers", *parts}
    # Those are made only where somebody listens.
    assert {name for name, topic in topics.items() if not topic["visible"]} == parts


def test_foxglove_plots_values_that_timing_has_and_shows_diagnostics() -> None:
    paths = [path["value"] for path in FOXGLOVE["configById"]["Plot!latency"]["paths"]]
    names = {field.name for field in fields(FrameTiming)}
    assert paths and all(path.split('"')[1] in names for path in paths)
    assert all(path.startswith("/timing.status[0].values[:]{key==") for path in paths)
    assert FOXGLOVE["configById"]["DiagnosticSummary!all"]["topicToRender"] == "/diagnostics"
