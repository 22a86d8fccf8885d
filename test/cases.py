# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Run the inputs that people brought (../shared/cases) through the tools; print what is expected and what is seen.

`.venv/bin/ros-run python -m test.cases [NAME…]`; the exit code is the number of cases that are not right.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from test.shared_data import SHARED

CASES = SHARED / "cases"
TIMEOUT_S = 300


class Outcome(NamedTuple):
    """Outcome of a command."""

    code: int
    text: str
    """Its output on both streams."""

    @property
    def line(self) -> str:
        """The most informative line."""
        words = ("error: ", "warning: ", "note: ", "refused", "with detections", "keys: ", "clouds")
        lines = [line.strip() for line in self.text.replace("\r", "\n").splitlines()]
        return next((line for word in words for line in lines if word in line), lines[-1] if lines else "")[:150]


Check = Callable[[Path], tuple[bool, Outcome]]
"""Runs a case in a scratch folder; whether it is right, and what tells most of what was seen."""


def tool(*arguments: object) -> Outcome:
    """Run `pointpillars_ov`."""
    command = [sys.executable, "-m", "pointpillars_ov_ros.cli.main", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIMEOUT_S)
    return Outcome(done.returncode, done.stdout + done.stderr)


def boxes_of(scratch: Path, source: Path, *flags: object) -> tuple[list[list[float]], Outcome]:
    """Return the boxes (x y z, score) that `detect` finds in all clouds of `source`."""
    report = scratch / f"{len(list(scratch.iterdir()))}.json"
    outcome = tool("detect", source, "--score-threshold", 0.3, "--json", report, *flags)
    if outcome.code:
        return [], outcome
    clouds = json.loads(report.read_text())["clouds"]
    return [[*one["center"], one["score"]] for cloud in clouds for one in cloud["detections"]], outcome


def same_boxes(source: str, reference: str) -> Check:
    """Expect the boxes of another input."""

    def check(scratch: Path) -> tuple[bool, Outcome]:
        (found, outcome), (wanted, _) = (boxes_of(scratch, CASES / one) for one in (source, reference))
        # Intensities of 0 to 255 are rounded, so scores near the threshold may be on either side of it.
        strong = [np.array([box for box in boxes if box[3] >= 0.5]).reshape(-1, 4) for boxes in (found, wanted)]
        apart = np.linalg.norm(strong[0][:, None, :3] - strong[1][None, :, :3], axis=2)
        is_same = strong[0].shape == strong[1].shape and apart.size > 0 and float(apart.min(axis=1).max()) < 0.2
        return is_same, Outcome(outcome.code, f"note: {len(found)} boxes, {len(wanted)} wanted")

    return check


def says(words: Sequence[str], *arguments: object, codes: Sequence[int] = (0, 1), out: bool = False) -> Check:
    """Expect all `words` in what a command says; with `out`, it is given a new folder."""

    def check(scratch: Path) -> tuple[bool, Outcome]:
        outcome = tool(*arguments, *([scratch / "out"] if out else []))
        lines = [line for line in outcome.text.splitlines() if any(word in line for word in words)]
        is_right = outcome.code in codes and all(word in outcome.text for word in words)
        return is_right and "Traceback" not in outcome.text, Outcome(outcome.code, "\n".join(lines[:1]) or outcome.line)

    return check


def detect_bag(source: str, *words: str, codes: Sequence[int] = (0,)) -> Check:
    """Expect `words` of detect_bag."""

    def check(scratch: Path) -> tuple[bool, Outcome]:
        outcome = tool("detect_bag", CASES / source, "--out", scratch / "out")
        lines = [line for line in outcome.text.splitlines() if words[0] in line]
        is_right = outcome.code in codes and all(word in outcome.text for word in words)
        return is_right, Outcome(outcome.code, "\n".join(lines[:1]) or outcome.line)

    return check


def lost_scans(scratch: Path) -> tuple[bool, Outcome]:
    """Expect the times of the scans that are there."""
    from rosbags.highlevel import AnyReader

    drive = CASES / "03-raw-drive-lost-scans/2011_09_26/2011_09_26_drive_0009_sync"
    outcome = tool("kitti_to_bag", "--data", drive, "--out", scratch / "bag")
    if outcome.code:
        return False, outcome
    with AnyReader([scratch / "bag"]) as reader:
        stamps = [stamp for connection, stamp, _ in reader.messages() if connection.topic == "/points"]
    seconds = [stamp % 60_000_000_000 / 1e9 for stamp in stamps]
    return seconds == [25.0, 25.1, 25.4, 25.5], Outcome(0, f"note: clouds at {seconds}")


def evaluate(case: str, *words: str) -> Check:
    """Expect `words` of evaluate."""
    return says(words, "evaluate", "--data", CASES / case, codes=(0,))


EVERY: dict[str, tuple[str, Check]] = {
    "01 QoS in metadata": ("the cloud of bag_ref", same_boxes("01-qos-in-metadata/bag", "01-qos-in-metadata/bag_ref")),
    "02 five floats a point": (
        "the boxes of kitti/", same_boxes("02-bins-of-5-and-6-floats/nuscenes", "02-bins-of-5-and-6-floats/kitti"),
    ),
    "03 lost scans": ("25.0, 25.1, 25.4, 25.5 s", lost_scans),
    "04 row_step: all bytes": ("the boxes of ok", same_boxes("04-row-step/total_bytes", "04-row-step/ok")),
    "04 row_step: first of two": ("the boxes of ok", same_boxes("04-row-step/flat_first_of_two", "04-row-step/ok")),
    "06 Livox v1": ("the boxes of ref", same_boxes("06-layouts-0-to-255/livox_ros_driver", "06-layouts-0-to-255/ref")),
    "06 RoboSense XYZIRTF": (
        "the boxes of ref", same_boxes("06-layouts-0-to-255/rslidar_XYZIRTF", "06-layouts-0-to-255/ref"),
    ),
    "07 folder of 0 to 255": (
        "scaled, and said", evaluate("07-kitti-folder-0-to-255", "intensities range from 0 to 255"),
    ),
    "08 UTM": ("a warning with the cure", detect_bag("08-no-point-in-range/utm", "UTM", "sensor's frame")),
    "08 millimetres": ("a warning", detect_bag("08-no-point-in-range/millimetres", "in millimetres")),
    "09 is_bigendian lies": ("is_bigendian is named", detect_bag("09-bigendian-flag-lies/bag", "is_bigendian")),
    "11 SQLite's WAL": ("5 clouds", detect_bag("11-sqlite-wal/bag", "5 clouds")),
    "12 db3 without metadata": ("clouds, or ros2 bag reindex", detect_bag("12-db3-without-metadata/bag", "clouds")),
    "15 mmdet3d": (
        "a bundle", says(["mmdet3d_kitti_3class with"], "convert", CASES / "15-mmdet3d-checkpoint/hv_pointpillars.pth",
                         codes=(0,), out=True),
    ),
    "16 prefixes": (
        "the prefix is named", says(["the prefix '_orig_mod.'", "openpcdet_kitti_3class with"], "convert",
                                    CASES / "16-prefixes/compiled.pth", codes=(0,), out=True),
    ),
    "17 labels without 2D boxes": (
        "how many do not count, and the flag",
        evaluate("17-labels-without-2d-boxes", "have an empty 2D box", "--no-image-filter"),
    ),
    "18 identity calibration": ("a warning", evaluate("18-identity-calibration", "the camera sees", "--no-crop")),
    "21 LFS: folder of ONNX": (
        "git lfs pull", says(["git lfs pull"], "convert", CASES / "21-git-lfs-pointers/folder", codes=(1,), out=True),
    ),
    "21 LFS: checkpoint": (
        "git lfs pull",
        says(["git lfs pull"], "convert", CASES / "21-git-lfs-pointers/epoch_160.pth", codes=(1,), out=True),
    ),
    "21 LFS: bag": ("git lfs pull", detect_bag("21-git-lfs-pointers/drive.mcap", "git lfs pull", codes=(1,))),
    "22 tracking set": ("read", evaluate("22-tracking-set", "1 frame")),
    "23 .pcd": ("boxes", says(["Car"], "detect", CASES / "23-pcd-and-npy/pcd", codes=(0,))),
    "23 .npy": ("the boxes of .pcd", same_boxes("23-pcd-and-npy/npy", "23-pcd-and-npy/pcd")),
    "25 ONNX by its path": (
        "the folder is asked for",
        says(["folder that holds both"], "convert", CASES / "25-onnx-by-its-path/pfe.onnx", codes=(1,), out=True),
    ),
}  # fmt: skip


def main(names: Sequence[str]) -> int:
    """Run the cases that begin with `names`, or all; return how many are not right."""
    wrong = 0
    for name, (expected, check) in EVERY.items():
        if names and not any(name.startswith(wanted) for wanted in names):
            continue
        begin = time.monotonic()
        with tempfile.TemporaryDirectory() as scratch:
            is_right, outcome = check(Path(scratch))
        wrong += not is_right
        print(f"{'ok   ' if is_right else 'WRONG'} {name} ({time.monotonic() - begin:.0f} s)")
        print(f"      expected: {expected}\n      observed: exit {outcome.code}, {outcome.line}", flush=True)
    print(f"{wrong} not right")
    return wrong


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
