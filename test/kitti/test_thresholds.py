# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Thresholds proposed from labelled frames, against a loop over all of them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from pointpillars_ov_ros.cli.evaluate.run import write_thresholds
from pointpillars_ov_ros.config.errors import BundleError, ConfigError
from pointpillars_ov_ros.config.model_config import ClassThreshold
from pointpillars_ov_ros.kitti.counting import count_found
from pointpillars_ov_ros.kitti.evaluation_data import ObjectArrays, pack_objects
from pointpillars_ov_ros.kitti.evaluation_rules import CLASS_RULES, DIFFICULTIES
from pointpillars_ov_ros.kitti.labels import KittiObject
from pointpillars_ov_ros.kitti.thresholds import FAR_FROM_M, count_published, f1, propose_thresholds
from pointpillars_ov_ros.model.bundle import load_bundle
from test.inference.toy_bundle import save_toy_bundle

CAR = CLASS_RULES[:1]
HARD = DIFFICULTIES[-1]


def car(x: float, z: float, score: float | None = None) -> KittiObject:
    """Return a car in the camera's frame, `z` m ahead."""
    return KittiObject("Car", 0.0, 0, 0.0, (100.0, 100.0, 200.0, 200.0), 1.5, 1.7, 4.0, (x, 1.7, z), 0.0, score)


def frames(near: int, far: int, seed: int = 1) -> tuple[ObjectArrays, ObjectArrays]:
    """Return truth and detections: right ones score high nearby and lower far away, wrong ones below both."""
    random, truth, found = np.random.default_rng(seed), [], []
    for distance, count, mean in ((15.0, near, 0.7), (50.0, far, 0.45)):
        for _ in range(count):
            truth.append([car(0.0, distance)])
            right, wrong = mean + random.uniform(-0.1, 0.1), mean - 0.25 + random.uniform(-0.1, 0.1)
            found.append([car(0.0, distance, right), car(10.0, distance, wrong)])
    return pack_objects(truth), pack_objects(found)


def test_near_and_far_have_thresholds_of_their_own_where_there_are_enough_objects() -> None:
    (proposal,) = propose_thresholds(*frames(30, 30), CAR, HARD, 0.3)
    threshold, near, far = proposal
    assert far is not None and (near.found, near.missed, near.false) == (far.found, far.missed, far.false) == (30, 0, 0)
    assert 0.55 <= threshold.score <= 0.65 and 0.3 <= threshold.far_score <= 0.4 and threshold.far_from == FAR_FROM_M
    (proposal,) = propose_thresholds(*frames(30, 3), CAR, HARD, 0.3)
    assert proposal.far is None and proposal.threshold.far_score == 0.0
    assert not propose_thresholds(*frames(5, 4), CAR, HARD, 0.3)


def test_no_other_threshold_has_a_better_f1() -> None:
    truth, found = frames(20, 0)
    (proposal,) = propose_thresholds(truth, found, CAR, HARD, 0.3)
    others = count_found(truth, found, CAR, np.linspace(0.05, 0.95, 91).tolist(), 0.3, HARD)
    assert f1(proposal.near) == max(map(f1, others)) > 0.9


@pytest.mark.parametrize("precision", [0.6, 0.8, 1.0])
def test_a_wanted_precision_is_reached_by_the_lowest_threshold(precision: float) -> None:
    truth, found = frames(40, 0)
    (proposal,) = propose_thresholds(truth, found, CAR, HARD, 0.3, precision)
    assert proposal.near.precision >= precision
    (lower,) = count_found(truth, found, CAR, [proposal.threshold.score - 0.01], 0.3, HARD)
    assert lower.precision < precision


def test_thresholds_are_written_into_a_bundle_and_those_of_others_stay(tmp_path: Path) -> None:
    folder = save_toy_bundle(tmp_path).folder
    write_thresholds(folder, [ClassThreshold("Car", 0.4)])
    write_thresholds(folder, [ClassThreshold("Pedestrian", 0.5, 0.4, 20.0)])
    written = load_bundle(folder).config.postprocess.publish
    assert {threshold.class_name: threshold for threshold in written} == {
        "Car": ClassThreshold("Car", 0.4),
        "Pedestrian": ClassThreshold("Pedestrian", 0.5, 0.4, 20.0),
    }
    with pytest.raises(BundleError):
        write_thresholds(tmp_path / "nowhere", [])


def test_what_is_published_is_counted_near_and_far() -> None:
    truth = pack_objects([[car(0.0, 10.0), car(0.0, 20.0), car(0.0, 40.0)]])
    found = pack_objects([[car(0.0, 10.0, 0.6), car(0.0, 20.0, 0.4), car(0.0, 40.0, 0.4), car(5.0, 15.0, 0.7)]])
    for threshold, counts in (
        (ClassThreshold("Car", 0.5), (1, 2, 1)),
        (ClassThreshold("Car", 0.5, 0.3, 35.0), (2, 1, 1)),
        (ClassThreshold("Car", 0.65), (0, 3, 1)),
    ):
        (count,) = count_published(truth, found, CLASS_RULES, HARD, 0.3, [threshold])
        assert (count.class_name, count.score) == ("Car", threshold.score)
        assert (count.found, count.missed, count.false) == counts
    assert count_published(truth, found, CLASS_RULES, HARD, 0.3, []) == []


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"score": 0.0}, "publish.Car.score"),
        ({"score": 1.1}, "publish.Car.score"),
        ({"far_score": -0.1}, "publish.Car.far_score"),
        ({"far_from": 0.0}, "publish.Car.far_from"),
    ],
)
def test_a_bad_threshold_is_named(changes: dict[str, float], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        dataclasses.replace(ClassThreshold("Car", 0.5), **changes)


def test_a_bundle_names_classes_that_it_has_and_each_once(tmp_path: Path) -> None:
    config = save_toy_bundle(tmp_path).config
    for publish in ((ClassThreshold("Tram", 0.5),), (ClassThreshold("Car", 0.5), ClassThreshold("Car", 0.6))):
        with pytest.raises(ConfigError, match=r"postprocess\.publish"):
            dataclasses.replace(config, postprocess=dataclasses.replace(config.postprocess, publish=publish))
