# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The public Python API, without ROS: its results are the detector's, and bad input raises one sentence."""

from __future__ import annotations

import doctest
import subprocess
import sys
import threading
from collections.abc import Iterator

import numpy as np
import pytest

import pointpillars_ov_ros
from pointpillars_ov_ros import Detections, Detector, PointPillarsError, load_bundle
from pointpillars_ov_ros.clouds.points import clean_points
from pointpillars_ov_ros.config.errors import CloudError, ConfigError, InferenceError
from pointpillars_ov_ros.config.runtime_config import Mode
from pointpillars_ov_ros.inference import api
from pointpillars_ov_ros.inference.engine import Engine
from pointpillars_ov_ros.inference.parity.cloud import built_in_cloud
from pointpillars_ov_ros.model.shipped import shipped_model
from test.builders import Points

# A machine that runs other tests at a time may take seconds for an inference.
PATIENT = {"score_threshold": 0.2, "inference_timeout": 0.0}


@pytest.fixture(scope="module")
def detector() -> Iterator[Detector]:
    with Detector(**PATIENT) as detector:
        yield detector


@pytest.fixture(scope="module")
def scene(detector: Detector) -> Points:
    """Return a cloud with objects in it."""
    return built_in_cloud(detector.config)


def variants(points: Points, count: int) -> list[Points]:
    """Return clouds with different detections."""
    return [np.ascontiguousarray(points[: len(points) - 500 * k]) for k in range(count)]


def assert_equal(given: Detections, wanted: Detections) -> None:
    for name in ("boxes", "scores", "labels"):
        np.testing.assert_array_equal(getattr(given, name), getattr(wanted, name))


def test_the_public_names_are_few_and_typed() -> None:
    assert pointpillars_ov_ros.__all__ == ["Detections", "Detector", "PointPillarsError", "load_bundle"]
    with pytest.raises(AttributeError, match="no attribute 'Detektor'"):
        _ = pointpillars_ov_ros.Detektor  # type: ignore[attr-defined]


def test_the_examples_of_the_documentation() -> None:
    results = doctest.testmod(api)
    assert results.attempted >= 4 and results.failed == 0


def test_boxes_scores_labels_and_names_of_one_cloud(detector: Detector, scene: Points) -> None:
    found = detector(scene)
    assert len(found) > 3
    assert found.boxes.shape == (len(found), 7) and found.boxes.dtype == np.float32
    assert found.scores.shape == found.labels.shape == (len(found),)
    assert (np.diff(found.scores) <= 0).all()
    assert found.class_names == tuple(detector.classes[label] for label in found.labels)
    assert "Car" in found.class_names


def test_it_gives_what_the_engine_gives(detector: Detector, scene: Points) -> None:
    # An engine of its own: the detector's may still be tidying up the slot of the last cloud.
    engine = Engine(load_bundle(shipped_model()), detector._engine.runtime)
    points, _ = clean_points(scene.copy(), 1.0)
    assert_equal(detector(scene), engine.slots[0].detect(points, engine.settings))


@pytest.mark.parametrize("mode", [mode.value for mode in Mode])
def test_a_stream_gives_the_same_in_order_and_with_clouds_in_flight(
    detector: Detector, scene: Points, mode: str
) -> None:
    clouds = variants(scene, 8)
    wanted = [detector(points) for points in clouds]
    fetched = []

    def source() -> Iterator[Points]:
        for number, points in enumerate(clouds):
            fetched.append(number)
            yield points

    with Detector(load_bundle(str(shipped_model())), mode=mode, **PATIENT) as streaming:
        for number, found in enumerate(streaming.stream(source())):
            assert_equal(found, wanted[number])
        assert fetched == list(range(8))
        assert number == 7


def test_points_are_left_as_they_are_and_nan_is_dropped(detector: Detector, scene: Points) -> None:
    wanted = detector(scene)
    holes = np.full((len(scene) + 3, 4), np.nan, np.float32)
    holes[:-3] = scene
    holes[-1] = (0.0, 0.0, 0.0, 0.5)
    before = holes.copy()
    assert_equal(detector(holes), wanted)
    np.testing.assert_array_equal(holes, before)
    # In any memory layout.
    assert_equal(detector(np.asfortranarray(scene)), wanted)


@pytest.mark.parametrize("points", [np.zeros((0, 4), np.float32), np.full((9, 4), np.nan, np.float32)])
def test_no_points_give_no_detections(detector: Detector, points: Points) -> None:
    found = detector(points)
    assert found.boxes.shape == (0, 7) and found.scores.shape == found.labels.shape == (0,)
    assert found.class_names == ()


@pytest.mark.parametrize(
    ("points", "sentence"),
    [
        (np.zeros((5, 4)), r"points: an array \(5, 4\) of float64 is not \(N, 4\) float32"),
        (np.zeros((5, 3), np.float32), r"points: an array \(5, 3\) of float32 is not \(N, 4\) float32"),
        (np.zeros(4, np.float32), r"points: an array \(4,\) of float32"),
        ([[1.0, 2.0, 3.0, 0.5]], "points: 'list' is not a NumPy array"),
        (None, "points: 'NoneType' is not a NumPy array"),
    ],
)
def test_points_of_another_kind_are_refused_in_a_sentence(detector: Detector, points: object, sentence: str) -> None:
    with pytest.raises(CloudError, match=sentence):
        detector(points)  # type: ignore[arg-type]
    with pytest.raises(PointPillarsError, match=sentence):
        list(detector.stream([points]))  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"device": "TPU"}, "TPU"),
        ({"device": "CPU,"}, "is not an OpenVINO device"),
        ({"mode": "fast"}, "mode: 'fast' is not one of latency, balanced, throughput"),
        ({"classes": ["Tram"]}, "classes: 'Tram' is not one of Car"),
        ({"bundle": "nowhere"}, "nowhere holds no bundle.yaml"),
        ({"score_threshold": 2.0}, "score_threshold: 2.0 is above its maximum, 1"),
        ({"treshold": 0.5}, "treshold: Detector has no such setting"),
        ({"drop_policy": "live"}, "drop_policy: Detector has no such setting"),
    ],
    ids=str,
)
def test_bad_arguments_are_refused_in_a_sentence(arguments: dict[str, object], sentence: str) -> None:
    with pytest.raises(PointPillarsError, match=sentence):
        Detector(**arguments)  # type: ignore[arg-type]


def test_classes_can_be_chosen(detector: Detector, scene: Points) -> None:
    wanted = detector(scene)
    with Detector("streets_int8", classes=["Pedestrian", "Cyclist"], **PATIENT) as choosy:
        found = choosy(scene)
    assert set(found.class_names) <= {"Pedestrian", "Cyclist"}
    keep = np.isin(wanted.class_names, ["Pedestrian", "Cyclist"])
    assert 0 < keep.sum() < len(wanted)
    np.testing.assert_array_equal(found.boxes, wanted.boxes[keep])


def test_several_threads_may_call_it(detector: Detector, scene: Points) -> None:
    clouds = variants(scene, 6)
    wanted = [detector(points) for points in clouds]
    found: dict[int, Detections] = {}

    def call(number: int) -> None:
        found[number] = detector(clouds[number])

    threads = [threading.Thread(target=call, args=(number,)) for number in range(len(clouds))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, one in enumerate(wanted):
        assert_equal(found[number], one)


def test_a_closed_detector_says_so(scene: Points) -> None:
    detector = Detector(parity_check=False)
    detector.close()
    detector.close()
    with pytest.raises(InferenceError, match="the detector is closed"):
        detector(scene)


def test_a_stream_that_is_left_early_leaves_the_detector_usable(detector: Detector, scene: Points) -> None:
    clouds = variants(scene, 5)
    wanted = detector(clouds[0])
    for found in detector.stream(clouds):
        assert_equal(found, wanted)
        break
    assert_equal(detector(clouds[0]), wanted)


def test_settings_have_the_names_of_the_parameters() -> None:
    with pytest.raises(ConfigError, match=r"threshold: Detector has no such setting; its settings are .*nms_threshold"):
        Detector(threshold=0.5)


def test_importing_the_package_is_light_and_the_api_needs_no_ros() -> None:
    program = (
        "import sys, pointpillars_ov_ros\n"
        "heavy = {'numpy', 'numba', 'openvino'} & set(sys.modules)\n"
        "from pointpillars_ov_ros import Detector\n"
        "known = ('rclpy', 'sensor_msgs', 'std_msgs', 'ament_index_python')\n"
        "ros = {name for name in sys.modules if name.partition('.')[0] in known}\n"
        "print(sorted(heavy), sorted(ros))"
    )
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[] []"
