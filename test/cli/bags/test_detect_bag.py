# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`pointpillars_ov detect_bag` as a person calls it: the same bag with detections, whatever is in it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import PointCloud2, PointField
from vision_msgs.msg import Detection3DArray, LabelInfo

from pointpillars_ov_ros.bags.detection_pass import move_detections
from pointpillars_ov_ros.bags.journal import JOURNAL, Journal
from pointpillars_ov_ros.bags.message_types import to_cdr
from pointpillars_ov_ros.bags.writer import BagWriter
from pointpillars_ov_ros.cli import main as cli
from pointpillars_ov_ros.clouds.ground import GroundPlane
from pointpillars_ov_ros.clouds.transform import Transform
from pointpillars_ov_ros.config.runtime_config import EncoderChoice, RuntimeConfig
from pointpillars_ov_ros.inference.engine import Engine
from pointpillars_ov_ros.model.bundle import ModelBundle
from pointpillars_ov_ros.ros.conversions import from_detection_array
from pointpillars_ov_ros.ros.markers import to_marker_array
from test.bags.bags import Read, cloud, contents, picked, types, write_bag
from test.bags.test_bag import rihs01
from test.clouds.test_level import ground
from test.inference.toy_bundle import Trouble, Weakness, save_toy_bundle, toy_cloud

Capture = pytest.CaptureFixture[str]
OURS = {"/detections", "/label_info", "/markers"}
PATIENCE_S = 300.0


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> ModelBundle:
    return save_toy_bundle(tmp_path_factory.mktemp("model"))


def command(bundle: ModelBundle, source: Path, out: Path, *more: object) -> list[str]:
    arguments = ("detect_bag", source, "--out", out, "--model", bundle.folder, "--encoder", "openvino", *more)
    return [str(argument) for argument in arguments]


def error_of(capsys: Capture, arguments: list[str]) -> str:
    assert cli.main(arguments) == 1
    # A progress bar ends with a carriage return, not with a line.
    *bars, line = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and not any("Traceback" in bar for bar in bars)
    return line.removeprefix("error: ")


def clouds(count: int) -> list[PointCloud2]:
    return [cloud(toy_cloud(number), number) for number in range(count)]


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_the_bag_is_the_same_but_for_detections_after_every_cloud(
    bundle: ModelBundle, tmp_path: Path, storage: str, capsys: Capture
) -> None:
    source, out = write_bag(tmp_path / "bag", clouds(7), storage), tmp_path / "out"
    assert cli.main(command(bundle, source, out)) == 0
    assert "7 clouds, 7 with detections" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bag", "out"], "something unfinished is left"
    messages = contents(out)
    assert picked(messages, lambda topic: topic not in OURS) == contents(source)
    known = types(out)
    assert {topic: known[topic] for topic in types(source)} == types(source)
    for topic in OURS:
        kind, _, digest, _ = known[topic]
        assert digest == rihs01(kind)
    assert messages[0].topic == "/label_info" and messages[0].stamp_ns == messages[1].stamp_ns
    names = [each.class_name for each in deserialize_message(messages[0].data, LabelInfo).class_map]
    assert tuple(names) == bundle.config.classes
    assert_detections_follow(messages, bundle)


def assert_detections_follow(messages: list[Read], bundle: ModelBundle) -> None:
    """Check that each cloud is followed by one message with its time and header, and the engine's own detections."""
    engine = Engine(bundle, RuntimeConfig(encoder=EncoderChoice.OPENVINO))
    places = [place for place, message in enumerate(messages) if message.topic == "/points"]
    assert len(picked(messages, lambda topic: topic == "/detections")) == len(places)
    found = 0
    for number, place in enumerate(places):
        message, after = messages[place : place + 2]
        assert (after.topic, after.stamp_ns) == ("/detections", message.stamp_ns)
        array = deserialize_message(after.data, Detection3DArray)
        header = deserialize_message(message.data, PointCloud2).header
        assert array.header == header and all(each.header == header for each in array.detections)
        given = from_detection_array(array, bundle.config.classes)
        wanted = engine.slots[0].detect(toy_cloud(number), engine.settings)
        np.testing.assert_array_equal(given.labels, wanted.labels)
        np.testing.assert_allclose(given.scores, wanted.scores, atol=1e-6)
        np.testing.assert_allclose(given.boxes, wanted.boxes, atol=1e-5)
        found += len(given)
    assert found > 0, "a test of nothing"


def test_a_file_without_its_metadata_will_do(bundle: ModelBundle, tmp_path: Path) -> None:
    source, out = write_bag(tmp_path / "bag", clouds(2)), tmp_path / "out"
    assert cli.main(command(bundle, source / "bag.mcap", out)) == 0
    assert picked(contents(out), lambda topic: topic not in OURS) == contents(source)
    assert {t: k[:3] for t, k in types(out).items() if t not in OURS} == {t: k[:3] for t, k in types(source).items()}


def rising_cloud(number: int, height: float) -> np.ndarray:
    """Return a toy cloud with a ground `height` (m) below, steeper from cloud to cloud."""
    return np.vstack([toy_cloud(number), ground(GroundPlane(0.004 * number, 0.0, -height), 4000)])


@pytest.mark.parametrize("level", ["off", "estimate"])
def test_a_killed_run_goes_on_and_gives_the_same_bytes(
    level: str, bundle: ModelBundle, tmp_path: Path, capsys: Capture
) -> None:
    frames, out = tmp_path / "frames", tmp_path / "out"
    frames.mkdir()
    for number in range(12):
        rising_cloud(number, bundle.config.sensor.height).tofile(frames / f"{number:02}.bin")
    # Nobody writes to it, so the tool waits there until it is killed.
    (frames / "09.bin").unlink()
    os.mkfifo(frames / "09.bin")
    arguments = [*command(bundle, frames, out), "--level", level]
    process = subprocess.Popen([sys.executable, "-m", "pointpillars_ov_ros.cli.main", *arguments])
    journal, deadline = tmp_path / "out.partial" / JOURNAL, time.monotonic() + PATIENCE_S
    while not (journal.is_file() and journal.stat().st_size > 5_000):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not out.exists()
    (frames / "09.bin").unlink()
    rising_cloud(9, bundle.config.sensor.height).tofile(frames / "09.bin")
    assert cli.main(arguments) == 0
    assert " of them were processed by an earlier run" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["frames", "out"]
    assert cli.main([*command(bundle, frames, tmp_path / "other_name"), "--level", level]) == 0
    for name in ("bag.mcap", "metadata.yaml"):
        assert (out / name).read_bytes() == (tmp_path / "other_name" / name).read_bytes()


@pytest.mark.parametrize("lost", [1, 30, 2_000])
def test_a_journal_with_a_broken_end_is_used_up_to_there(
    bundle: ModelBundle, tmp_path: Path, capsys: Capture, lost: int
) -> None:
    weak = save_toy_bundle(tmp_path / "weak", Weakness("rpn", Trouble.FAILS))
    source = write_bag(tmp_path / "bag", [*clouds(6), cloud(toy_cloud(6, bright=True), 6)])
    arguments = command(weak, source, tmp_path / "out")
    assert error_of(capsys, arguments).startswith("cloud 6: ")
    journal = tmp_path / "out.partial" / JOURNAL
    journal.write_bytes(journal.read_bytes()[:-lost])
    assert error_of(capsys, arguments).startswith("cloud 6: "), "the clouds before it were done, or done again"
    assert not (tmp_path / "out").exists()


def test_what_was_begun_otherwise_is_not_gone_on_with(bundle: ModelBundle, tmp_path: Path, capsys: Capture) -> None:
    source, out = write_bag(tmp_path / "bag", clouds(1)), tmp_path / "out"
    partial = tmp_path / "out.partial"
    Journal(partial / JOURNAL, {"score_threshold": "0.5"}).close()
    assert error_of(capsys, command(bundle, source, out)).startswith(f"{partial} was started with ")
    holder = Journal(partial / JOURNAL, {"score_threshold": "0.5"})
    assert error_of(capsys, command(bundle, source, out)) == f"{partial}: another process is using it"
    holder.close()


def test_clouds_that_cannot_be_read_are_refused_and_counted(
    bundle: ModelBundle, tmp_path: Path, capsys: Capture
) -> None:
    flat, short, empty = clouds(3)
    flat.fields = [PointField(name="a", datatype=PointField.FLOAT32, count=1)]
    short.data = short.data[:-3]
    empty.width, empty.row_step, empty.data = 0, 0, b""
    broken = serialize_message(clouds(1)[0])[:40]
    other = cloud(toy_cloud(9), 5, frame_id="lidar_top")
    source = write_bag(tmp_path / "bag", [*clouds(1), flat, short, empty, broken, other, b"\0\1\0\0", b""])
    assert cli.main(command(bundle, source, tmp_path / "out")) == 0
    printed = capsys.readouterr().out
    assert "8 clouds, 3 with detections" in printed and "5 refused" in printed
    for reason in ("there is no 'x'; the fields are 'a'", "data: ", "this is not a PointCloud2"):
        assert reason in printed
    assert "frame_id changes: 'velodyne' in 4; 'lidar_top' in 1" in printed
    assert "layout changes: " in printed and "'a, 16 bytes per point' in 1" in printed
    received = [message.stamp_ns for message in picked(contents(source), lambda topic: topic == "/points")]
    detected = [message.stamp_ns for message in contents(tmp_path / "out") if message.topic == "/detections"]
    # The one without a point is an observation, too: nothing is there.
    assert detected == [received[0], received[3], received[5]]
    assert picked(contents(tmp_path / "out"), lambda topic: topic not in OURS) == contents(source)


def test_only_detections_leaves_all_else_out(bundle: ModelBundle, tmp_path: Path) -> None:
    source, out = write_bag(tmp_path / "bag", clouds(2), "sqlite3"), tmp_path / "out"
    arguments = ("--only-detections", "--detections", "/roof/objects", "--storage", "mcap")
    assert cli.main(command(bundle, source, out, *arguments)) == 0
    assert [message.topic for message in contents(out)] == ["/roof/label_info", "/roof/objects", "/roof/objects"]
    assert (out / "bag.mcap").is_file()


def test_a_bag_without_clouds_lists_its_topics(bundle: ModelBundle, tmp_path: Path, capsys: Capture) -> None:
    with BagWriter(tmp_path / "bag") as bag:
        bag.add_topic("/said", "std_msgs/msg/String", latched=False)
    message = error_of(capsys, command(bundle, tmp_path / "bag", tmp_path / "out"))
    assert message == (
        f"{tmp_path / 'bag'}: no topic of sensor_msgs/msg/PointCloud2; it has /said (std_msgs/msg/String)"
    )
    assert not (tmp_path / "out.partial").exists()


def test_of_several_topics_one_is_to_be_chosen(bundle: ModelBundle, tmp_path: Path, capsys: Capture) -> None:
    with BagWriter(tmp_path / "bag") as bag:
        for number, topic in enumerate(("/front/points", "/roof/points", "/roof/points_raw")):
            bag.add_topic(topic, "sensor_msgs/msg/PointCloud2", latched=False)
            bag.write(topic, number, serialize_message(cloud(toy_cloud(number), number)))
    message = error_of(capsys, command(bundle, tmp_path / "bag", tmp_path / "out"))
    assert "--topic" in message and "/front/points (1 message), /roof/points (1 message)" in message
    assert "--topic" in error_of(capsys, command(bundle, tmp_path / "bag", tmp_path / "out", "--topic", "points"))
    wrong = error_of(capsys, command(bundle, tmp_path / "bag", tmp_path / "out", "--topic", "/points"))
    assert "no topic /points of" in wrong
    assert cli.main(command(bundle, tmp_path / "bag", tmp_path / "out", "--topic", "/roof/points")) == 0
    assert [m.stamp_ns for m in contents(tmp_path / "out") if m.topic == "/detections"] == [1]


def test_nothing_that_is_there_is_written_over(bundle: ModelBundle, tmp_path: Path, capsys: Capture) -> None:
    source, out = write_bag(tmp_path / "bag", clouds(1)), tmp_path / "out"
    assert error_of(capsys, command(bundle, source, source)).startswith(f"{source} already exists")
    assert cli.main(command(bundle, source, out)) == 0
    again = error_of(capsys, command(bundle, out, tmp_path / "again"))
    assert again == "--detections /detections: the input already has a topic /detections; choose another name"
    assert cli.main(command(bundle, out, tmp_path / "again", "--detections", "/second/detections")) == 0


@pytest.mark.parametrize("name", ["nothing", "empty", "text.bag", "text.mcap"])
def test_what_is_no_bag_is_one_sentence(bundle: ModelBundle, tmp_path: Path, capsys: Capture, name: str) -> None:
    if name == "empty":
        (tmp_path / name).mkdir()
    elif name != "nothing":
        (tmp_path / name).write_text("years of work")
    assert str(tmp_path / name) in error_of(capsys, command(bundle, tmp_path / name, tmp_path / "out"))


def test_files_of_a_folder_are_read_as_the_flags_say(bundle: ModelBundle, tmp_path: Path, capsys: Capture) -> None:
    """Ring before the intensity of 0 to 500, and millimetres: the same boxes as of the cloud as it is."""
    for name in ("plain", "odd"):
        (tmp_path / name).mkdir()
    points = toy_cloud(3)
    points.tofile(tmp_path / "plain" / "0.bin")
    ring = np.arange(len(points), dtype=np.float32)[:, None] % 8
    rows = np.hstack([points[:, :3] * 1000, ring, points[:, 3:] * 500])
    rows.astype(np.float32).tofile(tmp_path / "odd" / "0.bin")
    flags = ("--columns", "x,y,z,ring,intensity", "--coordinate-scale", 0.001, "--intensity-scale", 0.002)
    assert cli.main(command(bundle, tmp_path / "plain", tmp_path / "a", "--intensity-scale", 1.0)) == 0
    assert cli.main(command(bundle, tmp_path / "odd", tmp_path / "b", *flags)) == 0
    (plain,), (odd,) = (
        [from_detection_array(deserialize_message(m.data, Detection3DArray), bundle.config.classes)
         for m in contents(tmp_path / out) if m.topic == "/detections"]
        for out in ("a", "b")
    )  # fmt: skip
    assert len(plain)
    np.testing.assert_allclose(odd.boxes, plain.boxes, atol=1e-3)


def test_markers_are_those_of_the_detections_and_can_be_left_out(bundle: ModelBundle, tmp_path: Path) -> None:
    source = write_bag(tmp_path / "bag", clouds(4))
    assert cli.main(command(bundle, source, tmp_path / "out")) == 0
    messages, drawn = contents(tmp_path / "out"), 0
    for message, after in pairwise(messages):
        if message.topic == "/detections":
            array = deserialize_message(message.data, Detection3DArray)
            detections = from_detection_array(array, bundle.config.classes)
            wanted = to_marker_array(detections, bundle.config.classes, array.header)
            assert (after.topic, after.stamp_ns) == ("/markers", message.stamp_ns)
            # As it is written: rclpy keeps numbers longer than messages do.
            assert after.data == to_cdr(wanted, "visualization_msgs/msg/MarkerArray")
            drawn += len(wanted.markers) - 1
    assert drawn > 0, "a test of nothing"
    assert cli.main(command(bundle, source, tmp_path / "without", "--no-markers")) == 0
    assert contents(tmp_path / "without") == picked(messages, lambda topic: topic != "/markers")


def test_markers_that_are_there_already_name_the_way_out(bundle: ModelBundle, tmp_path: Path, capsys: Capture) -> None:
    source = write_bag(tmp_path / "bag", clouds(1))
    assert cli.main(command(bundle, source, tmp_path / "once", "--detections", "/first/detections")) == 0
    with BagWriter(tmp_path / "drawn") as bag:
        bag.add_topic("/points", "sensor_msgs/msg/PointCloud2", latched=False)
        bag.add_topic("/markers", "visualization_msgs/msg/MarkerArray", latched=False)
        bag.write("/points", 0, serialize_message(clouds(1)[0]))
    message = error_of(capsys, command(bundle, tmp_path / "drawn", tmp_path / "out"))
    assert "the input already has a topic /markers" in message and "--no-markers" in message
    assert cli.main(command(bundle, tmp_path / "drawn", tmp_path / "out", "--no-markers")) == 0


def test_names_ranges_and_the_scale_of_a_bag_are_as_the_flags_say(bundle: ModelBundle, tmp_path: Path) -> None:
    scale = np.array([1000, 1000, 1000, 1], np.float32)
    source = write_bag(tmp_path / "bag", [cloud(toy_cloud(number) * scale, number) for number in range(3)])
    straight = write_bag(tmp_path / "straight", clouds(3))
    names = ",".join(f"{name}=thing" for name in bundle.config.classes)
    flags = ("--class-names", names, "--max-range", 2.5, "--min-range", 0.5)
    assert cli.main(command(bundle, straight, tmp_path / "all")) == 0
    assert cli.main(command(bundle, source, tmp_path / "some", "--coordinate-scale", 0.001, *flags)) == 0
    every, some = ({m.stamp_ns: m for m in contents(tmp_path / n) if m.topic == "/detections"} for n in ("all", "some"))
    kept = 0
    for stamp_ns, message in every.items():
        found = from_detection_array(deserialize_message(message.data, Detection3DArray), bundle.config.classes)
        given = from_detection_array(deserialize_message(some[stamp_ns].data, Detection3DArray), ("thing",))
        distances = np.hypot(found.boxes[:, 0], found.boxes[:, 1])
        inside = (distances >= 0.5) & (distances <= 2.5)
        np.testing.assert_allclose(given.boxes, found.boxes[inside], atol=1e-3)
        kept += inside.sum()
        assert not inside.all()
    assert kept > 0, "a test of nothing"
    (labels,) = (m.data for m in contents(tmp_path / "some") if m.topic == "/label_info")
    assert [each.class_name for each in deserialize_message(labels, LabelInfo).class_map] == ["thing"]


POSE = (0.4, -0.3, 0.2, 0.05, -0.1, 0.3)


def placed(pose: tuple[float, ...], storage: Path) -> Path:
    """Write the clouds as a sensor sees them that has `pose` where toy clouds are seen from the origin."""
    T_sensor_model = Transform.from_pose(*pose).inverse
    moved = []
    for number in range(4):
        points = toy_cloud(number).copy()
        T_sensor_model.move(points)
        moved.append(cloud(points, number))
    return write_bag(storage, moved)


def test_a_sensor_that_looks_another_way_is_told_by_its_pose(bundle: ModelBundle, tmp_path: Path) -> None:
    straight, turned = write_bag(tmp_path / "bag", clouds(4)), placed(POSE, tmp_path / "turned")
    assert cli.main(command(bundle, straight, tmp_path / "out")) == 0
    assert cli.main(command(bundle, turned, tmp_path / "turned_out", "--sensor-pose", *POSE)) == 0
    T_model_sensor, found = Transform.from_pose(*POSE), 0
    pairs = zip(
        *(picked(contents(tmp_path / name), lambda t: t == "/detections") for name in ("out", "turned_out")),
        strict=True,
    )
    for wanted_message, message in pairs:
        wanted, array = (deserialize_message(m.data, Detection3DArray) for m in (wanted_message, message))
        assert len(wanted.detections) == len(array.detections)
        move_detections(array, T_model_sensor)
        for one, other in zip(wanted.detections, array.detections, strict=True):
            np.testing.assert_allclose(*(
                [p.position.x, p.position.y, p.position.z, p.orientation.z * np.sign(p.orientation.w)]
                for p in (one.bbox.center, other.bbox.center)
            ), atol=2e-3)  # fmt: skip
            assert abs(other.bbox.center.orientation.x) + abs(other.bbox.center.orientation.y) < 1e-6
            found += 1
    assert found > 0, "a test of nothing"


def test_only_the_classes_asked_for_are_kept(bundle: ModelBundle, tmp_path: Path, capsys: Capture) -> None:
    source, wanted = write_bag(tmp_path / "bag", clouds(5)), bundle.config.classes[0]
    assert cli.main(command(bundle, source, tmp_path / "all")) == 0
    assert cli.main(command(bundle, source, tmp_path / "some", "--classes", wanted)) == 0

    def names(bag: Path) -> list[str]:
        arrays = [deserialize_message(m.data, Detection3DArray) for m in contents(bag) if m.topic == "/detections"]
        return [each.results[0].hypothesis.class_id for array in arrays for each in array.detections]

    every = names(tmp_path / "all")
    assert names(tmp_path / "some") == [name for name in every if name == wanted] and set(every) > {wanted}
    message = error_of(capsys, command(bundle, source, tmp_path / "none", "--classes", "Crocodile"))
    assert message.startswith("classes: 'Crocodile' is not one of ")
