# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""DDS security: the policy allows what the nodes use in the live graph, and no more; missing files are reported."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import pytest
from ament_index_python.packages import get_package_prefix
from lifecycle_msgs.msg import Transition

from test.dds.peers import PATIENCE_S, Peer, change_state, nodes, peer, set_parameter
from test.inference.toy_bundle import save_toy_bundle, toy_cloud

pytestmark = pytest.mark.usefixtures("ros")

POLICY = Path(__file__).resolve().parents[2] / "config" / "security" / "policy.xml"
EXECUTABLES = Path(get_package_prefix("pointpillars_ov_ros")) / "lib" / "pointpillars_ov_ros"
NODES = ("pointpillars_detector", "pointpillars_diagnostics", "kitti_player")
KINDS = ("publish", "subscribe", "reply", "request")

Rights = set[tuple[str, str]]
"""Pairs of one of KINDS and the full name of a topic or service."""


def profiles(policy: Path = POLICY) -> Iterator[tuple[str, ElementTree.Element]]:
    """Yield (path of the enclave, profile) in the order of the file."""
    for enclave in ElementTree.parse(policy).getroot().iterfind("enclaves/enclave"):
        for profile in enclave.iterfind("profiles/profile"):
            yield enclave.attrib["path"], profile


def allowed(node: str) -> Rights:
    """Return what the policy allows a node."""
    found: Rights = set()
    for path, profile in profiles():
        if path != f"/{node}":
            continue
        base, own = profile.attrib["ns"].rstrip("/"), profile.attrib["node"]
        for group in profile:
            names = [(name.text or "").replace("~", f"{base}/{own}") for name in group]
            full = [name if name.startswith("/") else f"{base}/{name}" for name in names]
            found |= {(kind, name) for kind in KINDS if group.attrib.get(kind) == "ALLOW" for name in full}
    return found


def used(looker: Peer, node: str) -> Rights:
    """Return what a node uses at the moment; empty while it is not known."""
    if (node, "/") not in looker.get_node_names_and_namespaces():
        return set()
    looks = (
        looker.get_publisher_names_and_types_by_node,
        looker.get_subscriber_names_and_types_by_node,
        looker.get_service_names_and_types_by_node,
        looker.get_client_names_and_types_by_node,
    )
    return {(kind, name) for kind, look in zip(KINDS, looks, strict=True) for name, _ in look(node, "/")}


def assert_comes_to_use(looker: Peer, node: str, expected: Rights) -> None:
    """Wait until a node uses this and nothing else; AssertionError says what differs."""
    try:
        looker.wait_until(lambda: used(looker, node) == expected, "")
    except AssertionError:
        now = used(looker, node)
        unused, forbidden = sorted(expected - now), sorted(now - expected)
        raise AssertionError(f"{node} uses what is not allowed: {forbidden}, and does not use: {unused}") from None


def test_there_is_one_enclave_for_each_node_of_the_package() -> None:
    assert [(path, profile.attrib["ns"], profile.attrib["node"]) for path, profile in profiles()] == [
        (f"/{node}", "/", node) for node in NODES
    ]


def test_nothing_is_allowed_by_a_wildcard() -> None:
    assert not [name for node in NODES for _, name in allowed(node) if set(name) & set("*?[")]


def test_what_is_allowed_is_what_the_nodes_use(tmp_path: Path) -> None:
    """With simulated time and TF, all rights are used; without TF, only the rest."""
    parameters = own_parameters(tmp_path)
    parameters[NODES[0]] |= {"sweeps": 2, "odom_frame": "odom"}
    with peer() as looker, nodes(tmp_path / "logs") as processes:
        for node in NODES:
            processes.start(node, {**parameters[node], "use_sim_time": True})
        for node in NODES:
            assert_comes_to_use(looker, node, allowed(node))
        detector = NODES[0]
        for transition in (Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP):
            assert change_state(looker, transition)
        assert set_parameter(looker, "sweeps", 1)[0]
        assert set_parameter(looker, "use_sim_time", False)[0]
        for transition in (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE):
            assert change_state(looker, transition)
        elsewhere = {("subscribe", name) for name in ("/tf", "/tf_static", "/clock")}
        assert_comes_to_use(looker, detector, allowed(detector) - elsewhere)
        assert set_parameter(looker, "drop_policy", "replay")[0]
        assert_comes_to_use(looker, detector, allowed(detector) - elsewhere)


@pytest.mark.parametrize(
    ("node", "arguments", "named"),
    [
        (NODES[1], ["--enclave", "/nowhere"], "/enclaves/nowhere' does not exist (security is on: "),
        (NODES[1], ["--points", "/a"], "ROS does not know the arguments ['--points', '/a']"),
        # A topic of another type.
        (NODES[1], ["-r", "timing:=/rosout"], "Failed to create subscription"),
        (NODES[0], ["-r", "detections:=/rosout"], "Failed to create publisher"),
        (NODES[0], ["-r", "points:=/rosout"], "Failed to create subscription"),
    ],
)
def test_what_ros_refuses_is_one_sentence(tmp_path: Path, node: str, arguments: list[str], named: str) -> None:
    (tmp_path / "enclaves").mkdir()
    security = {
        "ROS_SECURITY_ENABLE": "true" if "--enclave" in arguments else "false",
        "ROS_SECURITY_STRATEGY": "Enforce",
        "ROS_SECURITY_KEYSTORE": str(tmp_path),
    }
    for name, value in own_parameters(tmp_path)[node].items():
        arguments += ["-p", f"{name}:={str(value).lower() if isinstance(value, bool) else value}"]
    ended = subprocess.run(
        [sys.executable, str(EXECUTABLES / node), "--ros-args", *arguments],
        env={**os.environ, **security},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert (ended.returncode, "Traceback" in ended.stderr) == (1, False), ended.stderr
    (error,) = (line for line in ended.stderr.splitlines() if "ROS refused: " in line or "ROS does not know" in line)
    assert named in error


def own_parameters(folder: Path) -> dict[str, dict[str, object]]:
    """Return the start parameters of each node, with all its files in `folder`."""
    frames = folder / "kitti" / "training" / "velodyne"
    frames.mkdir(parents=True)
    toy_cloud(0).tofile(frames / "000000.bin")
    model = save_toy_bundle(folder / "toy").folder
    toy = {"model_dir": str(model), "encoder": "openvino", "lean_rpn": False, "parity_check": False}
    return {NODES[0]: toy, NODES[1]: {}, NODES[2]: {"data_dir": str(folder / "kitti")}}
