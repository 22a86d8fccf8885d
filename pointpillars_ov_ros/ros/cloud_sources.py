# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Publishers of clouds according to the ROS graph, and why a subscription receives nothing from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSCompatibility, QoSProfile, qos_check_compatible

from pointpillars_ov_ros.config.errors import list_names
from pointpillars_ov_ros.ros.qos import is_best_effort

CLOUD_TYPE = "sensor_msgs/msg/PointCloud2"
_MOST_LISTED = 3
_UNKNOWN = "_NODE_NAME_UNKNOWN_"
"""Name that ROS gives a node of which only an endpoint is known so far."""


def find_publishers(node: Node, topic: str) -> list[Any]:
    """Return the graph's information on each publisher of clouds on `topic`."""
    return [info for info in node.get_publishers_info_by_topic(topic) if info.topic_type == CLOUD_TYPE]


def publisher_names(infos: Iterable[Any]) -> str:
    """Return the names of the nodes that publish, each once."""
    names = {str(info.node_name) for info in infos}
    # DDS may tell of a publisher before it tells whose it is.
    return list_names(sorted("a node not known by name yet" if name == _UNKNOWN else name for name in names))


def explain_silence(node: Node, topic: str, profile: QoSProfile, listener: str) -> str:
    """Explain in one sentence why no cloud can reach a subscription; return an empty string if one can.

    `listener` is the node that subscribes to `topic` with `profile`; its own publishers are not counted.
    """
    infos = [info for info in node.get_publishers_info_by_topic(topic) if info.node_name != listener]
    clouds = [info for info in infos if info.topic_type == CLOUD_TYPE]
    if not clouds:
        return _explain_absence(node, topic, infos, listener)
    refused = [info for info in clouds if is_refused(info.qos_profile, profile)]
    return explain_refusal(topic, refused, profile) if len(refused) == len(clouds) else ""


def is_refused(offered: QoSProfile, asked: QoSProfile) -> bool:
    """Whether a publisher with `offered` is incompatible with a subscription with `asked`."""
    return bool(qos_check_compatible(offered, asked)[0] == QoSCompatibility.ERROR)


def explain_refusal(topic: str, refused: Sequence[Any], profile: QoSProfile) -> str:
    """Explain in one sentence why publishers (`refused`) are incompatible with `profile`; empty if there are none."""
    if not refused:
        return ""
    names = publisher_names(refused)
    if any(is_best_effort(info.qos_profile) for info in refused) and not is_best_effort(profile):
        return (
            f"{names} offers {topic} best effort and cannot be received, since reliable is requested: "
            "set input_reliability to auto or best_effort"
        )
    reason = qos_check_compatible(refused[0].qos_profile, profile)[1].removeprefix("ERROR:").strip(" ;")
    return f"{names} publishes {topic} but cannot be received ({reason}): its quality of service must match"


def _explain_absence(node: Node, topic: str, others: Sequence[Any], listener: str) -> str:
    if others:
        types = list_names(sorted({str(info.topic_type) for info in others}))
        return f"{publisher_names(others)} publishes {topic} as {types}, but the detector needs {CLOUD_TYPE}"
    found = find_cloud_topics(node, listener)
    if not found:
        return (
            f"nobody publishes {topic}, nor PointCloud2 on any topic: does the driver run, with the same ROS_DOMAIN_ID "
            "and RMW_IMPLEMENTATION?"
        )
    best = get_close_matches(topic, found, n=1, cutoff=0.0)[0]
    more = f" and {len(found) - _MOST_LISTED} more" if len(found) > _MOST_LISTED else ""
    return (
        f"nobody publishes {topic}; PointCloud2 is on {list_names(found[:_MOST_LISTED])}{more}: start the detector "
        f"with points:={best} (`ros2 launch`) or -r points:={best} (`ros2 run`)"
    )


def find_cloud_topics(node: Node, listener: str) -> list[str]:
    """Return the PointCloud2 topics of nodes other than `listener`."""
    names = [name for name, types in node.get_topic_names_and_types() if CLOUD_TYPE in types]
    return sorted(name for name in names if any(info.node_name != listener for info in find_publishers(node, name)))
