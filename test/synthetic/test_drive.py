# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Whole frames and drives: the same for the same seed, truth that fits the points, motion that fits the truth."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np
import pytest

from pointpillars_ov_ros.config.errors import ConfigError
from pointpillars_ov_ros.core.nms import iou_bev
from pointpillars_ov_ros.synthetic import SENSORS, Drive, SimulatedFrame, load_sensor, simulate
from pointpillars_ov_ros.synthetic.world.ground import View
from pointpillars_ov_ros.synthetic.world.mount import MountModel
from pointpillars_ov_ros.synthetic.world.styles import AVENUE, CITY, STYLES, Style
from pointpillars_ov_ros.synthetic.world.world import World


def local(points: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Return points (N, 3) in the frame of a box."""
    x, y, z = (points[:, :3] - box[:3]).T
    cos, sin = math.cos(box[6]), math.sin(box[6])
    return np.stack([cos * x + sin * y, cos * y - sin * x, z], axis=1)


def same(a: SimulatedFrame, b: SimulatedFrame) -> bool:
    arrays = [(a.points, b.points), (a.identities, b.identities), *zip(a.labels, b.labels, strict=True)]
    return all(np.asarray(one).tobytes() == np.asarray(other).tobytes() for one, other in arrays)


@pytest.mark.parametrize("name", SENSORS)
def test_every_sensor_gives_frames(name: str) -> None:
    sensor, frame = load_sensor(name), simulate(name, 3)
    assert frame.points.dtype == np.float32
    assert frame.points.shape == (len(frame.identities), 4)
    assert 0.4 * sensor.beams * sensor.columns < len(frame.points) < sensor.beams * sensor.columns
    assert np.isfinite(frame.points).all()
    distance = np.linalg.norm(frame.points[:, :3], axis=1)
    assert sensor.min_range <= distance.min() < distance.max() <= sensor.max_range + 1e-3
    assert frame.points[:, 3].min() >= 0.0
    assert frame.points[:, 3].max() <= 1.0


def test_the_same_seed_gives_the_same_bytes() -> None:
    assert same(simulate("vlp_16", 5), simulate("vlp_16", 5))


def test_other_seeds_give_other_frames() -> None:
    frames = [simulate("vlp_16", seed) for seed in range(5)]
    assert not any(same(a, b) for k, a in enumerate(frames) for b in frames[:k])


def test_a_frame_does_not_depend_on_those_asked_for_before() -> None:
    in_order = list(Drive("vlp_16", 2, 4))
    jumped = Drive("vlp_16", 2, 4)
    assert len(jumped) == len(in_order) == 4
    assert same(jumped.frame(3), in_order[3])
    assert same(jumped.frame(1), in_order[1])
    assert not same(in_order[0], in_order[1])


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style.name)
def test_boxes_contain_their_points_and_all_points_in_a_car_are_its_own(style: Style) -> None:
    sensor = load_sensor("hdl_64e")
    frame = simulate(sensor, 11, style)
    for box, name, identity, count in zip(*(frame.labels[k] for k in (0, 1, 2, 4)), strict=True):
        own = local(frame.points[frame.identities == identity], box)
        assert len(own) == count
        # A mixed return lies on its own ray, at the range of the next one's.
        margin = 4 * sensor.range_noise + math.radians(sensor.azimuth_step_deg) * np.hypot(*box[:2])
        assert (abs(own) <= box[3:6] / 2 + margin).all(), name
        if name == "Car":
            inside = (abs(local(frame.points, box)) < box[3:6] / 2 - 0.15).all(axis=1)
            # Mixed returns at the car's edges belong to nobody.
            assert (frame.identities[inside] == identity).mean() > 0.95 if inside.sum() > 20 else True


def test_a_car_is_hollow_where_it_has_windows_and_solid_where_it_has_not() -> None:
    sheet, windows = [], []
    for seed in range(4):
        frame = simulate("hdl_64e", seed, CITY)
        for box, name, identity, count in zip(*(frame.labels[k] for k in (0, 1, 2, 4)), strict=True):
            if name == "Car" and count > 300:
                own = local(frame.points[frame.identities == identity], box) / box[3:6]
                deep = (abs(own[:, :2]) < 0.3).all(axis=1)
                sheet.append((deep & (abs(own[:, 2] + 0.1) < 0.15)).sum() / count)
                windows.append((deep & (own[:, 2] > 0.1) & (own[:, 2] < 0.35)).sum() / count)
    assert len(sheet) > 5
    assert np.mean(sheet) < 0.01
    assert np.mean(windows) > 0.01


def test_objects_do_not_overlap() -> None:
    for seed in range(3):
        labels = simulate("vlp_16", seed).labels
        boxes = labels.boxes[[name in ("Car", "Van", "Truck") for name in labels.names]]
        worst = max((iou_bev(a, b) for k, a in enumerate(boxes) for b in boxes[:k]), default=0.0)
        assert worst < 0.01


def test_clutter_adds_background_and_leaves_the_objects_where_they_are() -> None:
    tidy = dataclasses.replace(CITY, clutter=0.0)
    plain, cluttered = (World(6, style).scene(0.0, View(0, 0, 1.7, 1, 0, 0, 0), 60.0) for style in (tidy, CITY))
    np.testing.assert_array_equal(plain.boxes, cluttered.boxes)
    background = [int((scene.primitives["object"] < 0).sum()) for scene in (plain, cluttered)]
    assert background[0] < background[1]


def test_people_and_cyclists_are_seen_from_the_side_as_well_as_lengthwise() -> None:
    across = {"Pedestrian": [], "Cyclist": []}
    for seed in range(8):
        labels = simulate("vlp_16", seed).labels
        for box, name in zip(labels.boxes, labels.names, strict=True):
            if name in across:
                across[name].append(abs(math.sin(box[6] - math.atan2(box[1], box[0]))) > 0.7)
    for name, seen in across.items():
        assert len(seen) > 30, name
        assert 0.25 < np.mean(seen) < 0.75, name


def world_of(frame: SimulatedFrame) -> dict[int, tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """Return class, place x y, size, and velocity over the ground of every object, by identity; world frame."""
    view = frame.view
    turn = np.array([[view.cos, -view.sin], [view.sin, view.cos]])
    labels = frame.labels
    places = labels.boxes[:, :2] @ turn.T + (view.x, view.y)
    velocities = labels.velocities @ turn.T
    rows = zip(labels.identities.tolist(), labels.names, places, labels.boxes[:, 3:6], velocities, strict=True)
    return {identity: (name, place, size, velocity) for identity, name, place, size, velocity in rows}


@pytest.mark.parametrize("seed", [1, 4])
def test_identities_are_kept_and_objects_move_by_their_velocity(seed: int) -> None:
    frames = [world_of(frame) for frame in Drive("vlp_16", seed, 6, style=AVENUE)]
    moved = 0
    for before, after in itertools.pairwise(frames):
        kept = before.keys() & after.keys()
        assert len(kept) > 0.7 * len(before)
        for identity in kept:
            name, place, size, velocity = before[identity]
            name_after, place_after, size_after, velocity_after = after[identity]
            assert name_after == name
            if name not in ("Pedestrian", "Cyclist"):
                np.testing.assert_array_equal(size_after, size)
            # A walker's box shifts and grows with each step of the pose.
            slack = 0.03 if name not in ("Pedestrian", "Cyclist") else 0.35
            np.testing.assert_allclose(place_after - place, 0.1 * (velocity + velocity_after) / 2, atol=slack)
            moved += np.hypot(*velocity) > 0.5
    assert moved > 20


def test_the_vehicle_drives_on_its_road() -> None:
    drive = Drive("vlp_16", 1, 40)
    views = [drive.world.view(k / 10.0, 1.7) for k in range(40)]
    steps = np.hypot(np.diff([v.x for v in views]), np.diff([v.y for v in views]))
    speeds = [drive.world.ego_motion((k + 0.5) / 10.0)[0] for k in range(39)]
    np.testing.assert_allclose(steps * 10.0, speeds, rtol=0.02, atol=0.01)


def test_a_mount_is_its_own_in_each_drive_and_the_same_all_along() -> None:
    mount = MountModel(pitch_deg=-1.0, pitch_spread_deg=0.5, roll_spread_deg=0.5, height_spread=0.05)
    tilts = []
    for seed in range(40):
        world = World(seed, CITY)
        offsets = []
        for time in (0.0, 3.0):
            level, mounted = world.view(time, 1.7), world.view(time, 1.7, mount)
            offsets.append((mounted.pitch - level.pitch, mounted.roll - level.roll, mounted.z - level.z))
        np.testing.assert_allclose(offsets[0], offsets[1], atol=1e-12)
        tilts.append(offsets[0])
    np.testing.assert_allclose(np.mean(tilts, axis=0), (math.radians(-1.0), 0.0, 0.0), atol=0.02)
    np.testing.assert_allclose(np.std(tilts, axis=0), (math.radians(0.5), math.radians(0.5), 0.05), rtol=0.35)


def test_ground_and_boxes_tilt_with_the_sensor() -> None:
    level = load_sensor("hdl_64e")
    tilted = dataclasses.replace(level, mount=MountModel(pitch_deg=-2.0))
    level = dataclasses.replace(level, mount=MountModel())
    one, other = simulate(level, 8), simulate(tilted, 8)
    rise = math.radians(2.0)
    _, ours, theirs = np.intersect1d(one.labels.identities, other.labels.identities, return_indices=True)
    before, after = one.labels.boxes[ours], other.labels.boxes[theirs]
    np.testing.assert_allclose(after[:, 2] - before[:, 2], rise * before[:, 0], atol=1e-4)
    for identity, box in zip(other.labels.identities, other.labels.boxes, strict=True):
        own = other.points[other.identities == identity]
        if len(own) > 50:
            assert abs(local(own, box)[:, 2]).max() < box[5] / 2 + 0.3


def test_a_rolling_shutter_bends_what_the_sensor_sees() -> None:
    sensor = load_sensor("vlp_16")
    still = simulate(sensor, 6)
    rolling = simulate(dataclasses.replace(sensor, rolling_shutter=True), 6)
    assert not np.array_equal(still.points[:1000], rolling.points[:1000])
    # What is seen only by a hair may be seen by one of the two alone; the truth of all others is that of the stamp.
    _, ours, theirs = np.intersect1d(still.labels.identities, rolling.labels.identities, return_indices=True)
    assert len(ours) > 0.9 * len(still.labels.names)
    np.testing.assert_array_equal(still.labels.boxes[ours], rolling.labels.boxes[theirs])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"frames": 0}, ["frames", "0"]),
        ({"frames": 5, "rate_hz": 0.0}, ["rate_hz", "0.0"]),
        ({"frames": 5, "rate_hz": math.nan}, ["rate_hz", "nan"]),
    ],
)
def test_a_bad_argument_is_named(arguments: dict[str, float], words: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        Drive("vlp_16", 0, **arguments)  # type: ignore[arg-type]
    assert all(word in str(error.value) for word in words)


@pytest.mark.parametrize("index", [-1, 3])
def test_a_frame_that_the_drive_has_not_is_refused(index: int) -> None:
    with pytest.raises(ConfigError, match=f"index: {index}"):
        Drive("vlp_16", 0, 3).frame(index)
