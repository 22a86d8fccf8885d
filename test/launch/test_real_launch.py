# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The launch files on the real `ros2 launch`."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from ament_index_python.packages import get_packages_with_prefixes

from test.dds.peers import PATIENCE_S, Peer, peer, stamp_of
from test.inference.toy_bundle import save_toy_bundle, toy_cloud
from test.launch.stand_ins import DETECTOR, LAUNCH_FILES

_MISSING = [name for name in ("launch_ros", "ros2launch") if importlib.util.find_spec(name) is None]
pytestmark = [
    pytest.mark.usefixtures("ros"),
    pytest.mark.skipif(
        bool(_MISSING) or shutil.which("ros2") is None,
        reason=f"no `ros2 launch` ({', '.join(_MISSING) or 'ros2'} missing): it is not on PyPI, a ROS 2 brings it",
    ),
]


@contextmanager
def launched(log: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Yield a running `ros2 launch` that is gone afterwards."""
    with log.open("wb") as file:
        process = subprocess.Popen(
            ["ros2", "launch", *arguments],
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, "ROS_LOG_DIR": str(log.parent)},
            start_new_session=True,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(PATIENCE_S)


@pytest.mark.parametrize("path", LAUNCH_FILES, ids=lambda path: path.name)
def test_the_arguments_of_every_file_can_be_shown(path: Path) -> None:
    done = subprocess.run(
        ["ros2", "launch", str(path), "--show-args"], capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert done.returncode == 0, done.stderr
    assert "'machine':\n        parameters of a machine type" in done.stdout
    assert "no description given" not in done.stdout


def test_a_launched_detector_detects_and_ends_in_order(tmp_path: Path) -> None:
    model, log = save_toy_bundle(tmp_path).folder, tmp_path / "log"
    arguments = ("points:=points", "detections:=/found", f"model:={model}")
    with launched(log, str(DETECTOR), *arguments) as process, peer() as listener:
        found = subscribe(listener, "/found")
        stamp = answered(listener, process)
        listener.wait_until(lambda: stamp in [stamp_of(array) for array in found], "detections where they are mapped")
    text = log.read_text()
    assert process.returncode == 0, text
    assert text.count("process has finished cleanly") == 2, text


def test_without_autostart_the_detector_waits_for_a_lifecycle_manager(tmp_path: Path) -> None:
    with launched(tmp_path / "log", str(DETECTOR), "autostart:=false"), peer() as listener:
        listener.wait_until(
            lambda: ("pointpillars_detector", "/") in listener.get_node_names_and_namespaces(), "the detector"
        )
        assert not listener.get_subscriptions_info_by_topic("/velodyne_points")


@pytest.mark.parametrize(
    ("name", "arguments", "sentence"),
    [
        ("detector", ["mode:=fast"], 'Argument "mode" provided value "fast" is not valid'),
        ("detector", ["rviz:=true"], "rviz:=true needs rviz2, which is not installed"),
        ("velodyne", [], "driver:=true needs velodyne_driver, which is not installed"),
        ("bag_replay", ["bag:=/bag"], "playing a bag needs ros2bag, which is not installed"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_leaves_no_node_behind(
    name: str, arguments: list[str], sentence: str, tmp_path: Path
) -> None:
    package = sentence.removesuffix(", which is not installed").rpartition(" ")[2]
    if package in get_packages_with_prefixes():
        pytest.skip(f"{package} is installed here")
    with launched(tmp_path / "log", str(DETECTOR.with_name(f"{name}.launch.py")), *arguments) as process:
        process.wait(PATIENCE_S)
    text = (tmp_path / "log").read_text()
    assert process.returncode == 1
    assert sentence in text and "Traceback" not in text
    assert "process started" not in text and not leftovers(tmp_path)


def leftovers(log_folder: Path) -> list[str]:
    """Return the commands of processes left by a launch with this log folder, found by their environment."""
    mark, found = f"ROS_LOG_DIR={log_folder}".encode(), []
    for environ in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if mark in environ.read_bytes().split(b"\0"):
                found.append(environ.with_name("cmdline").read_text())
    return found


def subscribe(listener: Peer, topic: str) -> list[object]:
    from vision_msgs.msg import Detection3DArray

    from pointpillars_ov_ros.ros import qos

    found: list[object] = []
    listener.create_subscription(Detection3DArray, topic, found.append, qos.keep_last(100))
    return found


def answered(listener: Peer, process: subprocess.Popen[bytes]) -> tuple[int, int]:
    """Send clouds, one at a time, until the detector reports on one; give its stamp."""

    def has_answer() -> bool:
        assert process.poll() is None, "ros2 launch has ended"
        if listener.count_subscribers("points") and not listener.timings:
            listener.clouds.publish(listener.make_cloud(toy_cloud(0)))
        return bool(listener.timings)

    listener.wait_until(has_answer, "an answer")
    return next(iter(listener.timing_of))
