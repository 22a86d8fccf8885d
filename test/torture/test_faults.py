# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Faults of device, processes and time, in short; what is measured is measured by `python -m test.torture` alone."""

from __future__ import annotations

from pathlib import Path

from test.torture.device_faults import device_is_gone, pfe_gives_nan
from test.torture.process_faults import detector_stopped
from test.torture.time_faults import looped_bag


def test_frames_that_are_nan_fail_and_no_others(tmp_path: Path) -> None:
    pfe_gives_nan(tmp_path / "arena", seconds=1.0)


def test_a_device_that_hangs_for_good_is_replaced_by_a_reload(tmp_path: Path) -> None:
    device_is_gone(tmp_path / "arena", seconds=2.0)


def test_a_detector_that_was_stopped_goes_on_with_the_newest(tmp_path: Path) -> None:
    detector_stopped(tmp_path / "arena", pause_s=1.0, after_s=2.0)


def test_a_bag_may_begin_again(tmp_path: Path) -> None:
    looped_bag(tmp_path / "arena", seconds=2.0)
