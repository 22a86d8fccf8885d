# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""AP against cases worked out by hand, and against the slow twin on random scenes."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from pointpillars_ov_ros.config.errors import ConfigError
from pointpillars_ov_ros.kitti.evaluation import Curve, best_possible, count_steps, evaluate
from pointpillars_ov_ros.kitti.evaluation_data import pack_objects
from pointpillars_ov_ros.kitti.evaluation_rules import CLASS_RULES, DIFFICULTIES, ClassRule, Metric, find_rule
from pointpillars_ov_ros.kitti.labels import KittiObject
from test.kitti.scenes import SIZES, Frames, an_object, dont_care, random_frames
from test.reference import kitti_ap as slow

LEVELS = tuple(difficulty.name for difficulty in DIFFICULTIES)
AWAY = (-8.0, 1.7, 20.0)
"""A place without objects in the hand-made scenes."""

WITHOUT_BOX = {"location": (-1000.0, -1000.0, -1000.0), "height": -1.0, "width": -1.0, "length": -1.0}


def rule_of(class_name: str) -> ClassRule:
    rule = find_rule(class_name)
    assert rule is not None
    return rule


def curve_of(
    truth: Frames,
    found: Frames,
    metric: Metric = Metric.BOX_3D,
    difficulty: str = "easy",
    class_name: str = "Car",
) -> Curve:
    curves = evaluate(pack_objects(truth), pack_objects(found), [rule_of(class_name)], metrics=[metric])
    return {curve.difficulty: curve for curve in curves}[difficulty]


def cars(count: int) -> Frames:
    """Return `count` frames with one car each."""
    return [[an_object("Car")] for _ in range(count)]


def at(score: float, label: KittiObject | None = None, **changes: object) -> KittiObject:
    """Return a detection exactly at `label` (by default a car of `cars`)."""
    return (an_object("Car") if label is None else label)._replace(score=score, **changes)


def sixty_of_eighty(*others: KittiObject) -> tuple[Frames, Frames]:
    """Return 80 cars, the first 60 found at scores 0.99, 0.98 … 0.40; `others` are detected in the first 20 frames."""
    found = [[at((99 - k) / 100)] if k < 60 else [] for k in range(80)]
    for k in range(20):
        found[k] += others
    return cars(80), found


FALSE = an_object("Car", AWAY)._replace(score=0.695)


@pytest.mark.parametrize("metric", Metric)
@pytest.mark.parametrize("difficulty", LEVELS)
@pytest.mark.parametrize("class_name", [rule.name for rule in CLASS_RULES])
def test_perfect_detections_score_100(metric: Metric, difficulty: str, class_name: str) -> None:
    truth = [[an_object(class_name)] for _ in range(41)]
    found = [[at(0.9 - k / 100, frame[0])] for k, frame in enumerate(truth)]
    curve = curve_of(truth, found, metric, difficulty, class_name)
    assert curve.objects == 41
    assert (curve.ap_r40, curve.ap_r11) == (pytest.approx(100.0), pytest.approx(100.0))


@pytest.mark.parametrize("metric", [Metric.BOX_2D, Metric.BEV, Metric.BOX_3D])
def test_sixty_of_eighty_cars_with_twenty_false_ones_in_between(metric: Metric) -> None:
    """Worked out by hand.

    With 80 objects a step of recall is two of them, so the thresholds are the scores of the 1st, 2nd, 4th, 6th …
    60th car found: steps 0 to 30; steps 31 to 40 are never reached, precision 0. The false ones score 0.695,
    below the 30th car (0.70) and above the 31st. Steps 0 to 15 (the 30th car) see none of them: precision 1.
    At step k from 16 on it is 2k / (2k + 20), which grows to 60 / 80 = 0.75 at step 30, and counts as that for all
    of 16 to 30. R40: (15 * 1 + 15 * 0.75) / 40 = 0.65625. R11 takes steps 0, 4, 8, 12 (1), 16, 20, 24, 28 (0.75) and
    32, 36, 40 (0): 7 / 11.
    """
    curve = curve_of(*sixty_of_eighty(FALSE), metric)
    assert curve.objects == 80
    assert curve.thresholds.tolist() == [0.99, *((100 - 2 * k) / 100 for k in range(1, 31))]
    np.testing.assert_allclose(curve.precision, [1.0] * 16 + [0.75] * 15 + [0.0] * 10)
    assert curve.ap_r40 == pytest.approx(65.625)
    assert curve.ap_r11 == pytest.approx(700 / 11)


def test_two_cars_and_a_false_one_between_them() -> None:
    """By hand: two objects make two thresholds, so step 0 has precision 1 / 1, step 1 has 2 / 3, the rest nothing.

    R40: 2 / 3 / 40. R11: step 0 alone, 1 / 11.
    """
    truth = [[an_object("Car")], [an_object("Car")]]
    found = [[at(0.9)], [at(0.8, FALSE), at(0.7)]]
    curve = curve_of(truth, found)
    assert curve.ap_r40 == pytest.approx(100 * 2 / 3 / 40)
    assert curve.ap_r11 == pytest.approx(100 / 11)


@pytest.mark.parametrize(("turn", "share"), [(0.0, 1.0), (math.pi / 2, 0.5), (math.pi, 0.0), (2 * math.pi, 1.0)])
def test_aos_is_ap_weighted_with_the_orientation(turn: float, share: float) -> None:
    truth, found = sixty_of_eighty()
    found = [[one._replace(alpha=one.alpha + turn) for one in frame] for frame in found]
    assert curve_of(truth, found, Metric.BOX_2D).ap_r40 == pytest.approx(75.0)
    assert curve_of(truth, found, Metric.AOS).ap_r40 == pytest.approx(75.0 * share, abs=1e-9)


def test_false_positives_lower_aos_as_they_lower_ap() -> None:
    truth, found = sixty_of_eighty(FALSE)
    assert curve_of(truth, found, Metric.AOS).ap_r40 == pytest.approx(65.625)


def test_a_second_detection_of_an_object_is_false() -> None:
    doubled = at(0.695)
    assert curve_of(*sixty_of_eighty(doubled)).ap_r40 == pytest.approx(65.625)


@pytest.mark.parametrize(
    ("margin", "swallowed"),
    [((0.0, 0.0), True), ((0.28, 0.0), True), ((0.32, 0.0), False), ((0.2, 0.2), False), ((-5.0, -5.0), True)],
)
def test_a_dont_care_region_swallows_what_lies_in_it_mostly(margin: tuple[float, float], swallowed: bool) -> None:
    """More than 0.7 of the detection's box has to lie within."""
    truth, found = sixty_of_eighty(FALSE)
    left, top, right, bottom = FALSE.bbox
    region = (left + margin[0] * (right - left), top + margin[1] * (bottom - top), right, bottom)
    for frame in truth:
        frame.append(dont_care(region))
    expected = 75.0 if swallowed else 65.625
    assert curve_of(truth, found, Metric.BOX_2D).ap_r40 == pytest.approx(expected)


@pytest.mark.parametrize("metric", [Metric.BEV, Metric.BOX_3D])
def test_a_dont_care_region_is_one_of_the_image_only(metric: Metric) -> None:
    truth, found = sixty_of_eighty(FALSE)
    for frame in truth:
        frame.append(dont_care((0, 0, 1242, 375)))
    assert curve_of(truth, found, metric).ap_r40 == pytest.approx(65.625)


@pytest.mark.parametrize(
    ("class_name", "kind", "ignored"),
    [
        ("Car", "Van", True),
        ("Car", "van", True),
        ("Car", "Truck", False),
        ("Car", "Misc", False),
        ("Pedestrian", "Person_sitting", True),
        ("Pedestrian", "Cyclist", False),
        ("Cyclist", "Pedestrian", False),
        ("Cyclist", "Person_sitting", False),
    ],
)
@pytest.mark.parametrize("metric", Metric)
def test_detecting_a_neighbour_is_neither_right_nor_wrong(
    class_name: str, kind: str, ignored: bool, metric: Metric
) -> None:
    """A wrong one at 0.7 makes the last of 60 thresholds worse: its 30 frames then hold as many false ones."""
    truth = [[an_object(class_name), an_object(kind.capitalize(), AWAY)._replace(type=kind)] for _ in range(60)]
    found = [[at(0.9, frame[0]), at(0.7, frame[1], type=class_name)] for frame in truth]
    found[0][0] = found[0][0]._replace(score=0.6)
    curve = curve_of(truth, found, metric, class_name=class_name)
    assert curve.objects == 60
    assert curve.precision[-1] == pytest.approx(1.0 if ignored else 0.5)


@pytest.mark.parametrize(
    ("changes", "counted_in"),
    [
        ({}, LEVELS),
        ({"occluded": 1}, ("moderate", "hard")),
        ({"occluded": 2}, ("hard",)),
        ({"occluded": 3}, ()),
        ({"truncated": 0.15}, LEVELS),
        ({"truncated": 0.16}, ("moderate", "hard")),
        ({"truncated": 0.3}, ("moderate", "hard")),
        ({"truncated": 0.31}, ("hard",)),
        ({"truncated": 0.5}, ("hard",)),
        ({"truncated": 0.51}, ()),
        ({"bbox": (10.0, 0.0, 60.0, 40.5)}, LEVELS),
        ({"bbox": (10.0, 0.0, 60.0, 40.0)}, ("moderate", "hard")),
        ({"bbox": (10.0, 0.0, 60.0, 25.5)}, ("moderate", "hard")),
        ({"bbox": (10.0, 0.0, 60.0, 25.0)}, ()),
        ({"type": "car"}, LEVELS),
        ({"type": "Van"}, ()),
    ],
)
def test_objects_count_where_they_are_easy_enough(changes: dict[str, object], counted_in: Sequence[str]) -> None:
    """An object that does not count may be found or missed without consequence."""
    hard_one = an_object("Car", AWAY)._replace(**changes)
    truth = [[an_object("Car"), hard_one] for _ in range(41)]
    only_easy = [[at(0.9)] for _ in truth]
    both = [[at(0.9), at(0.9, hard_one, type="Car")] for _ in truth]
    for difficulty in LEVELS:
        counts = difficulty in counted_in
        missed, found = (curve_of(truth, detected, Metric.BEV, difficulty) for detected in (only_easy, both))
        assert missed.objects == (82 if counts else 41)
        assert missed.ap_r40 == pytest.approx(50.0 if counts else 100.0)
        assert found.ap_r40 == pytest.approx(100.0)


@pytest.mark.parametrize(
    ("height", "wrong_in"), [(41, LEVELS), (40, LEVELS), (39, LEVELS[1:]), (25, LEVELS[1:]), (24, ())]
)
def test_low_detections_are_not_wrong(height: int, wrong_in: Sequence[str]) -> None:
    low = FALSE._replace(bbox=(10.0, 0.0, 60.0, float(height)))
    for difficulty in LEVELS:
        expected = 65.625 if difficulty in wrong_in else 75.0
        assert curve_of(*sixty_of_eighty(low), Metric.BEV, difficulty).ap_r40 == pytest.approx(expected)


@pytest.mark.parametrize(("score", "expected"), [(0.95, 97.5), (0.85, 100.0)])
@pytest.mark.parametrize("kind", ["Car", "Pedestrian"])
def test_an_object_whose_best_scored_answer_is_low_gives_no_threshold(kind: str, score: float, expected: float) -> None:
    """By hand: 40 scores of 41 objects reach steps 0 to 39, so R40 is 39 / 40."""
    found = [[at(0.9)] for _ in range(41)]
    found[0].append(at(score, type=kind, bbox=(10.0, 0.0, 60.0, 30.0)))
    assert curve_of(cars(41), found, Metric.BEV).ap_r40 == pytest.approx(expected)


def test_an_overlap_has_to_exceed_the_limit() -> None:
    """Cars of length 4 shifted along by s overlap by (4 - s) / (4 + s): 0.7 is at s = 12 / 17."""
    label = an_object("Car", size=(1.5, 1.6, 4.0), rotation_y=0.0)
    x, y, z = label.location
    for shift, expected in ((12 / 17 - 1e-6, 100.0), (12 / 17 + 1e-6, 0.0)):
        moved = at(0.9, label, location=(x + shift, y, z))
        curve = curve_of([[label]] * 41, [[moved]] * 41, Metric.BEV)
        assert curve.ap_r40 == pytest.approx(expected)


def test_an_overlap_of_just_the_limit_is_none() -> None:
    label = an_object("Pedestrian")._replace(bbox=(0.0, 0.0, 40.0, 160.0))
    half = at(0.9, label, bbox=(0.0, 0.0, 40.0, 80.0))
    curve = curve_of([[label]] * 41, [[half]] * 41, Metric.BOX_2D, class_name="Pedestrian")
    assert (len(curve.thresholds), curve.ap_r40) == (0, 0.0)
    bit_more = [[half._replace(bbox=(0.0, 0.0, 40.0, 81.0))]] * 41
    assert curve_of([[label]] * 41, bit_more, Metric.BOX_2D, class_name="Pedestrian").ap_r40 == pytest.approx(100.0)


def test_height_counts_in_3d_alone() -> None:
    """Shifted up by a quarter of its height, a box overlaps itself by 0.75 / 1.25 = 0.6, from above wholly."""
    label = an_object("Car", size=(2.0, 1.6, 4.0))
    x, y, z = label.location
    raised = at(0.9, label, location=(x, y - 0.5, z))
    truth, found = [[label]] * 41, [[raised]] * 41
    assert curve_of(truth, found, Metric.BEV).ap_r40 == pytest.approx(100.0)
    assert curve_of(truth, found, Metric.BOX_3D).ap_r40 == 0.0
    loose = evaluate(pack_objects(truth), pack_objects(found), [rule_of("Car")], loose=True)
    by_level = {(c.metric, c.min_overlap): c.ap_r40 for c in loose if c.difficulty == "easy"}
    assert by_level[Metric.BOX_3D, 0.5] == pytest.approx(100.0)
    assert {(m, o) for m, o in by_level if o == 0.5} == {(Metric.BEV, 0.5), (Metric.BOX_3D, 0.5)}


def test_nothing_detected_is_nothing_scored() -> None:
    curve = curve_of(cars(50), [[] for _ in range(50)])
    assert (curve.objects, curve.ap_r40, curve.ap_r11, len(curve.thresholds)) == (50, 0.0, 0.0, 0)


def test_nothing_to_find_is_nothing_scored() -> None:
    curve = curve_of([[] for _ in range(5)], [[at(0.9)] for _ in range(5)])
    assert (curve.objects, curve.ap_r40) == (0, 0.0)
    assert curve_of([], []).objects == 0


def test_without_a_single_observation_angle_missing_aos_is_scored() -> None:
    truth, found = sixty_of_eighty()
    rules = [rule_of("Car")]
    found[7][0] = found[7][0]._replace(alpha=-10)
    metrics = {curve.metric for curve in evaluate(pack_objects(truth), pack_objects(found), rules)}
    assert metrics == {Metric.BOX_2D, Metric.BEV, Metric.BOX_3D}


def test_of_detections_in_the_image_alone_only_2d_is_scored() -> None:
    truth, found = sixty_of_eighty()
    found = [[one._replace(**WITHOUT_BOX) for one in frame] for frame in found]
    curves = evaluate(pack_objects(truth), pack_objects(found), [rule_of("Car")])
    assert {curve.metric for curve in curves} == {Metric.BOX_2D, Metric.AOS}


def test_a_detection_without_box_lies_in_the_dont_care_region_without_one() -> None:
    """In bird's-eye view, as in the development kit, which places both a kilometre away."""
    truth, found = sixty_of_eighty(FALSE._replace(**WITHOUT_BOX))
    for frame in truth:
        frame.append(dont_care((0, 0, 5, 5)))
    assert curve_of(truth, found, Metric.BEV).ap_r40 == pytest.approx(75.0)
    assert curve_of(truth, found, Metric.BOX_3D).ap_r40 == pytest.approx(65.625)


@pytest.mark.parametrize(("order", "expected"), [((0, 1), 0.0), ((1, 0), 100.0)])
def test_an_object_that_does_not_count_takes_its_detection_all_the_same(
    order: tuple[int, int], expected: float
) -> None:
    """In file order: the first object chooses first."""
    both = (an_object("Car", occluded=3), an_object("Car"))
    truth = [[both[k] for k in order] for _ in range(41)]
    curve = curve_of(truth, [[at(0.9)] for _ in truth])
    assert (len(curve.thresholds), curve.ap_r40) == (41 if expected else 0, pytest.approx(expected))


@pytest.mark.parametrize(("class_name", "limit"), [("Car", 0.5), ("Pedestrian", 0.25), ("Cyclist", 0.25)])
def test_the_milder_overlaps_are_those_of_the_papers(class_name: str, limit: float) -> None:
    """Boxes of height h shifted up by s overlap by (h - s) / (h + s)."""
    label = an_object(class_name, size=(2.0, 1.0, 3.0))
    x, y, z = label.location
    for overlap, expected in ((limit + 0.01, 100.0), (limit - 0.01, 0.0)):
        raised = at(0.9, label, location=(x, y - 2.0 * (1 - overlap) / (1 + overlap), z))
        truth, found = pack_objects([[label]] * 41), pack_objects([[raised]] * 41)
        curves = evaluate(truth, found, [rule_of(class_name)], metrics=[Metric.BOX_3D], loose=True)
        assert [c.ap_r40 for c in curves if c.min_overlap == limit] == [pytest.approx(expected)] * 3


@pytest.mark.parametrize("objects", [1, 5, 39, 40, 41, 42, 77, 100, 1000])
def test_the_best_possible_ap_is_that_of_perfect_detections(objects: int) -> None:
    curve = curve_of(cars(objects), [[at(0.9)] for _ in range(objects)])
    assert best_possible(objects) == (pytest.approx(curve.ap_r40), pytest.approx(curve.ap_r11))
    assert (curve.ap_r40 == pytest.approx(100.0)) == (objects > 40)


def test_of_no_objects_nothing_is_possible() -> None:
    assert best_possible(0) == (0.0, 0.0)


def test_frames_that_do_not_pair_up_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"^found\.starts: 3 is not 4 long$"):
        curve_of(cars(3), cars(2))


@pytest.mark.parametrize("loose", [False, True])
def test_every_curve_is_a_step(loose: bool) -> None:
    steps: list[int] = []
    truth, found = random_frames(np.random.default_rng(0), 3)
    curves = evaluate(
        pack_objects(truth), pack_objects(found), CLASS_RULES, loose=loose, on_step=lambda: steps.append(1)
    )
    assert len(curves) == len(steps) == count_steps(CLASS_RULES, loose=loose) == (54 if loose else 36)


@pytest.mark.parametrize(
    ("seed", "frames", "objects", "extra", "scores"),
    [
        (0, 60, 8, 3, 10_000),
        (1, 20, 12, 5, 10_000),
        (2, 50, 8, 3, 12),
        (3, 1, 6, 2, 10_000),
        (4, 3, 3, 3, 5),
        (5, 8, 12, 15, 200),
        *((seed, 6, 4, 4, 1000) for seed in range(6, 16)),
    ],
)
def test_random_scenes_score_as_by_the_twin(seed: int, frames: int, objects: int, extra: int, scores: int) -> None:
    truth, found = random_frames(np.random.default_rng(seed), frames, objects, extra, scores)
    curves = evaluate(pack_objects(truth), pack_objects(found), CLASS_RULES, loose=seed % 2 == 1)
    for curve in curves:
        expected = slow.precisions(
            truth, found, curve.class_name, curve.metric.value, curve.difficulty, curve.min_overlap
        )
        np.testing.assert_allclose(curve.precision, expected, rtol=0, atol=1e-6)
        assert curve.ap_r40 == pytest.approx(slow.ap_r40(expected), abs=1e-6)
        assert curve.ap_r11 == pytest.approx(slow.ap_r11(expected), abs=1e-6)


def test_the_random_scenes_have_all_there_is_to_tell_apart() -> None:
    truth, found = random_frames(np.random.default_rng(0), 60)
    assert {o.type for frame in truth for o in frame} == {*SIZES, "DontCare"}
    curves = evaluate(pack_objects(truth), pack_objects(found), CLASS_RULES)
    assert len({round(curve.ap_r40, 3) for curve in curves}) > 30
    assert all(0.5 < curve.ap_r40 < 90 for curve in curves)
