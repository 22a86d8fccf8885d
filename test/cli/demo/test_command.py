# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The demo as a user runs it: processes on DDS, and what it leaves behind."""

from __future__ import annotations

import collections
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from rosbags.highlevel import AnyReader

from pointpillars_ov_ros.bags.message_types import typestore
from pointpillars_ov_ros.cli.demo.recorder import FrameScore
from pointpillars_ov_ros.cli.demo.run import describe_scores
from pointpillars_ov_ros.conversion.importers import read_preset
from test.shared_data import KITTI, KITTI_CAR, needs_shared_data

FRAMES = 4


def run_tool(*arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pointpillars_ov_ros.cli.main", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=os.environ, cwd=folder)


@needs_shared_data
def test_the_demo_leaves_picture_bag_and_tables(tmp_path: Path) -> None:
    out = tmp_path / "out"
    ended = run_tool(
        "demo", "--data", str(KITTI), "--model", str(KITTI_CAR), "--frames", str(FRAMES), "--out", str(out)
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "treated as smallmunich_car" in ended.stdout, "a guess must be said"
    assert f"{FRAMES} clouds played, {FRAMES} received on the topic; the detector received {FRAMES}" in ended.stdout
    for stage in ("convert", "pillars", "pfe", "scatter", "rpn", "decode", "total"):
        assert f"\n{stage}" in ended.stdout
    assert (out / "birds_eye_view.png").stat().st_size > 20_000
    with AnyReader([out / "bag"], default_typestore=typestore()) as reader:
        counts = collections.Counter(connection.topic for connection, _, _ in reader.messages())
    for topic in ("/points", "/detections", "/markers", "/timing"):
        assert counts[topic] == FRAMES, counts
    assert counts["/diagnostics"] >= 1 and counts["/tf_static"] == 1 and counts["/label_info"] == 1


def test_with_nothing_given_a_simulated_drive_is_played_and_replaces_that_of_an_earlier_demo(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for frames in (3, 2):
        ended = run_tool("demo", "--frames", str(frames), "--out", str(out), folder=tmp_path)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert "simulated" in ended.stdout
        assert f"{frames} clouds played, {frames} received on the topic; the detector received {frames}" in ended.stdout
        assert f"in {frames} labelled frames" in ended.stdout
        assert re.search(r"of the objects with at least 20 points within 40 m: \d+% found \(\d+ of \d+\)", ended.stdout)
        assert len(list((out / "drive" / "velodyne").iterdir())) == frames
    # What it says to type next is typed as it stands there.
    (line,) = re.findall(r"^next     (.*)$", ended.stdout, re.MULTILINE)
    typed = subprocess.run(line, shell=True, capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert typed.returncode == 0, typed.stderr
    assert "\n000000: " in typed.stdout and (tmp_path / "boxes.png").is_file()


def test_what_was_found_is_said_of_clear_objects_and_of_all() -> None:
    flags = [(True, True), (True, False), (False, True), (True, True), (False, False)]
    is_found, is_clear = (np.array(column) for column in zip(*flags, strict=True))
    scores = [FrameScore(is_found, is_clear, 3), FrameScore(is_found[:0], is_clear[:0], 0)]
    text = describe_scores(scores, read_preset("smallmunich_car"))
    assert text.startswith("Car in 2 labelled frames:")
    assert "with at least 20 points within 40 m: 67% found (2 of 3)" in text
    assert "that are labelled, however far and hidden: 60% found (3 of 5)" in text
    assert "1.5 a frame (3)" in text
    assert "there is none" in describe_scores(scores[1:], read_preset("smallmunich_car"))


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--data", "/nowhere", "--model", "/nowhere"], "/nowhere"),
        (["--data", str(KITTI), "--model", "/nowhere"], "bundle.yaml"),
    ],
)
@needs_shared_data
def test_a_wrong_folder_is_one_sentence(arguments: list[str], named: str, tmp_path: Path) -> None:
    ended = run_tool("demo", *arguments, "--out", str(tmp_path / "out"))
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    errors = [line for line in ended.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and named in errors[0]


@needs_shared_data
def test_a_detector_that_cannot_start_ends_the_demo_with_its_reason(tmp_path: Path) -> None:
    ended = run_tool(
        "demo", "--data", str(KITTI), "--model", str(KITTI_CAR), "--device", "TOASTER", "--out", str(tmp_path / "out")
    )
    assert ended.returncode == 1
    assert "TOASTER" in ended.stderr and "Traceback" not in ended.stderr
