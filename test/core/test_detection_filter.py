# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Which detections are published, and under which names."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from pointpillars_ov_ros.config.errors import ConfigError
from pointpillars_ov_ros.core.detection_filter import DetectionFilter, check_filter, check_range, parse_class_names
from pointpillars_ov_ros.core.detections import Detections

KNOWN = ("Car", "Pedestrian", "Truck")


def detections() -> Detections:
    """Return one detection of each class, at 5, 20 and 45 m."""
    boxes = np.zeros((3, 7), np.float32)
    boxes[:, 0], boxes[:, 1], boxes[:, 2] = (3, -12, 27), (4, 16, -36), 100.0
    return Detections(boxes, np.array([0.9, 0.8, 0.7], np.float32), np.array([0, 1, 2], np.int32))


def kept(**wanted: Any) -> list[str]:
    return list(DetectionFilter.make(KNOWN, **wanted).apply(detections()).class_names)


def test_without_a_wish_everything_stays_as_it_is() -> None:
    neutral = DetectionFilter.make(KNOWN)
    assert neutral.is_neutral and neutral.classes == KNOWN
    found = neutral.apply(detections())
    np.testing.assert_array_equal(found.boxes, detections().boxes)
    assert found.labels.tolist() == [0, 1, 2] and found.labels.dtype == np.int32


@pytest.mark.parametrize(
    ("names", "classes", "found"),
    [
        ("Car=vehicle", ("vehicle", "Pedestrian", "Truck"), ["vehicle", "Pedestrian", "Truck"]),
        ("Car=vehicle, Truck = vehicle", ("vehicle", "Pedestrian"), ["vehicle", "Pedestrian", "vehicle"]),
        ("Car=Truck", ("Truck", "Pedestrian"), ["Truck", "Pedestrian", "Truck"]),
        ("Car=Truck,Truck=Car,", ("Truck", "Pedestrian", "Car"), ["Truck", "Pedestrian", "Car"]),
        ("Pedestrian=a person", ("Car", "a person", "Truck"), ["Car", "a person", "Truck"]),
    ],
)
def test_classes_have_the_names_that_they_are_given(names: str, classes: tuple[str, ...], found: list[str]) -> None:
    chosen = DetectionFilter.make(KNOWN, class_names=names)
    assert chosen.classes == classes
    assert kept(class_names=names) == found


@pytest.mark.parametrize(
    ("nearest", "farthest", "found"),
    [
        (0.0, 0.0, ["Car", "Pedestrian", "Truck"]),
        (5.0, 20.0, ["Car", "Pedestrian"]),
        (5.1, 0.0, ["Pedestrian", "Truck"]),
        (0.0, 19.9, ["Car"]),
        (45.1, 1000.0, []),
    ],
)
def test_the_range_is_a_horizontal_distance(nearest: float, farthest: float, found: list[str]) -> None:
    assert kept(min_range=nearest, max_range=farthest) == found


def test_classes_are_chosen_by_the_names_of_the_network() -> None:
    assert kept(classes="Truck,Car", class_names="Car=vehicle,Truck=vehicle", max_range=30.0) == ["vehicle"]
    assert not DetectionFilter.make(KNOWN, classes="Car").is_neutral
    assert not DetectionFilter.make(KNOWN, max_range=30.0).is_neutral
    assert kept(classes="vehicle") == []


@pytest.mark.parametrize("text", ["Car", "Car=", "=vehicle", "Car=a=b", "Car=a,Car=b", "Car:vehicle"])
def test_what_is_no_new_name_is_one_sentence(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^class_names: '?Car|^class_names: '=vehicle'") as caught:
        parse_class_names(text)
    assert "\n" not in str(caught.value)


def test_names_that_the_network_does_not_have_are_said() -> None:
    check_filter(KNOWN, "Car", "Truck=Lorry")
    with pytest.raises(ConfigError, match=r"^class_names: 'Lorry' is not one of the model's classes, Car, Pedestrian"):
        check_filter(KNOWN, "", "Lorry=Truck")
    with pytest.raises(ConfigError, match=r"^classes: 'Lorry' is not one of"):
        check_filter(KNOWN, "Lorry", "")


@pytest.mark.parametrize(("nearest", "farthest"), [(5.0, 5.0), (6.0, 5.0), (math.nan, 5.0)])
def test_a_range_that_holds_nothing_is_refused(nearest: float, farthest: float) -> None:
    with pytest.raises(ConfigError, match=r"^min_range: \S+ is not below max_range, 5$"):
        check_range(nearest, farthest)
