# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Detections and ground truth of a bag, as scored by `pointpillars_ov evaluate --bag`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from pointpillars_ov_ros.bags.reader import choose_topic, first_line, open_bag
from pointpillars_ov_ros.cli.evaluate.sources import SCORED, ScoredFrames
from pointpillars_ov_ros.config.errors import DatasetError, count_of
from pointpillars_ov_ros.core.detections import Detections
from pointpillars_ov_ros.kitti.evaluation_data import ObjectArrays, pack_lidar_boxes
from pointpillars_ov_ros.kitti.evaluation_rules import ANY_DIFFICULTY, CLASS_RULES, Metric, find_rule
from pointpillars_ov_ros.ros.conversions import from_detection_array

TRUTH, FOUND = "ground_truth", "detections"
_TYPE = "vision_msgs/msg/Detection3DArray"

Labelled = tuple[Detections, list[str]]
"""Boxes, and the class name of each."""


def score_bag(options: argparse.Namespace) -> ScoredFrames:
    """Read detections and ground truth from --bag, matched by their stamps."""
    if options.split is not None:
        raise DatasetError(f"--split {options.split}: frames of a bag have no names to select by")
    topics = _read(options.bag)
    truth, found = topics[TRUTH], topics[FOUND]
    stamps = [stamp for stamp in truth if stamp in found]
    stamps = stamps[: options.frames] if options.frames else stamps
    if not stamps:
        raise DatasetError(f"{options.bag}: no message on {FOUND} has the stamp of one on {TRUTH}")
    names = {name for stamp in stamps for name in found[stamp][1]}
    rules = tuple(rule for rule in CLASS_RULES if any(find_rule(name) is rule for name in names))
    if not rules:
        raise DatasetError(f"{options.bag}: no {SCORED} among the detections of {count_of(len(stamps), 'cloud')}")
    notes = ["a bag has no images: only BEV and 3D are scored, and every labelled object counts"]
    if len(stamps) < len(truth):
        notes.append(f"{len(truth) - len(stamps)} of {len(truth)} labelled clouds are not among those scored")
    return ScoredFrames(
        title=f"detections in {options.bag}",
        frames=len(stamps),
        truth=_pack([truth[stamp] for stamp in stamps]),
        found=_pack([found[stamp] for stamp in stamps]),
        rules=rules,
        notes=tuple(notes),
        details={"bag": str(options.bag)},
        results={},
        metrics=(Metric.BEV, Metric.BOX_3D),
        difficulties=(ANY_DIFFICULTY,),
    )


def _read(bag: Path) -> dict[str, dict[tuple[int, int], Labelled]]:
    """Return the messages of both topics by stamp; a topic may be in any namespace."""
    found: dict[str, dict[tuple[int, int], Labelled]] = {TRUTH: {}, FOUND: {}}
    with open_bag(bag) as reader:
        names = {choose_topic(reader, bag, _TYPE, name, "--bag of one detector"): name for name in found}
        chosen = [c for c in reader.connections if c.msgtype == _TYPE and c.topic in names]
        for connection, _, data in reader.messages(chosen):
            try:
                message = reader.deserialize(data, connection.msgtype)
            # Broken bytes make rosbags raise any kind of exception.
            except Exception as error:
                raise DatasetError(
                    f"{bag}: a message on {connection.topic} cannot be parsed ({first_line(error)})"
                ) from None
            found[names[connection.topic]][_stamp(message)] = _labelled(message)
    return found


def _stamp(message: Any) -> tuple[int, int]:
    return message.header.stamp.sec, message.header.stamp.nanosec


def _labelled(message: Any) -> Labelled:
    named = [d.results[0].hypothesis.class_id for d in message.detections if len(d.results)]
    classes = tuple(dict.fromkeys(named))
    detections = from_detection_array(message, classes)
    return detections, [classes[label] for label in detections.labels]


def _pack(frames: list[Labelled]) -> ObjectArrays:
    return pack_lidar_boxes(
        [detections.boxes for detections, _ in frames],
        [names for _, names in frames],
        [detections.scores for detections, _ in frames],
    )
