# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The table of all targets: what is fed with bytes, how much of it, and what it begins with."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from pointpillars_ov_ros.config.errors import PointPillarsError
from test.torture.fuzz import bundles, checkpoints, clouds, kitti_files, recordings, settings

LONGEST_SENTENCE = 20_000
"""Characters: a sentence may hold a name or two of an input, and inputs are no longer than 4096 bytes."""


class Target(NamedTuple):
    """Something that reads bytes."""

    function: Callable[[bytes], None]
    share: int
    """Inputs per thousand, according to speed and expected findings."""
    seeds: Callable[[], tuple[bytes, ...]]
    """Inputs to begin with."""


def _none() -> tuple[bytes, ...]:
    """Return no seeds, for targets that build their input from numbers."""
    return tuple(bytes((i * step + 7) % 256 for i in range(200)) for step in (0, 1, 3, 37, 97))


TARGETS = {
    "cloud": Target(clouds.cloud, 115, _none),
    "cloud_file": Target(kitti_files.cloud_file, 15, kitti_files.cloud_file_seeds),
    "cloud_bytes": Target(clouds.cloud_bytes, 80, clouds.cloud_seeds),
    "bundle_text": Target(bundles.bundle_text, 10, bundles.text_seeds),
    "bundle_values": Target(bundles.bundle_values, 25, _none),
    "bundle_files": Target(bundles.bundle_files, 2, _none),
    "foreign_description": Target(bundles.foreign_description, 1, _none),
    "lidar_description": Target(bundles.lidar_description, 5, bundles.lidar_seeds),
    "labels": Target(kitti_files.labels, 120, lambda: (kitti_files.LABEL, kitti_files.RESULT * 2)),
    "results": Target(kitti_files.results, 100, lambda: (kitti_files.RESULT, kitti_files.LABEL)),
    "calibration": Target(kitti_files.calibration, 90, kitti_files.calibration_seeds),
    "raw_calibration": Target(kitti_files.raw_calibration, 30, _none),
    "times": Target(kitti_files.times, 80, lambda: kitti_files.TIME_SEEDS),
    "other_files": Target(kitti_files.other_files, 80, lambda: kitti_files.OTHER_SEEDS),
    "trace": Target(recordings.trace, 35, recordings.trace_seeds),
    "trace_again": Target(recordings.trace_again, 20, _none),
    "journal": Target(recordings.journal, 25, recordings.journal_seeds),
    "journal_entries": Target(recordings.journal_entries, 25, _none),
    "manifest": Target(recordings.manifest, 51, lambda: recordings.JSON_SEEDS),
    "recording": Target(recordings.recording, 20, lambda: recordings.JSON_SEEDS),
    "reference": Target(recordings.reference, 3, recordings.reference_seeds),
    "profile": Target(recordings.profile, 5, lambda: recordings.PROFILE_SEEDS),
    "dds_profile": Target(recordings.dds_profile, 20, recordings.dds_seeds),
    "bag": Target(recordings.cut_bag, 3, recordings.bag_seeds),
    "parameter_set": Target(settings.parameter_set, 25, _none),
    "device_text": Target(settings.device_text, 15, _none),
    "timing_message": Target(settings.timing_message, 20, _none),
    "timing_bytes": Target(settings.timing_bytes, 10, settings.timing_seeds),
    "transforms": Target(settings.transforms, 10, _none),
    "checkpoint": Target(checkpoints.read, 10, checkpoints.checkpoint_seeds),
    "checkpoint_pickle": Target(checkpoints.checkpoint_pickle, 10, _none),
}


def run(target: Target, data: bytes) -> None:
    """Feed a target; an error of the package in one sentence is what bad bytes are for, any other is raised."""
    try:
        target.function(data)
    except PointPillarsError as error:
        text = str(error)
        assert not {*text} & {*"\n\r\0"}, f"a refusal is no one line: {text[:200]!r}"
        assert 0 < len(text) <= LONGEST_SENTENCE, f"a refusal has {len(text)} characters"
