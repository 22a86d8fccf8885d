# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`pointpillars_ov quantize` as a person calls it: with frames, with a bag, and with what cannot be quantized."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from rclpy.serialization import serialize_message

from pointpillars_ov_ros.bags.writer import BagWriter
from pointpillars_ov_ros.cli import main as cli
from pointpillars_ov_ros.cli.measurement.ratios import estimate
from pointpillars_ov_ros.cli.model import quantize_compare
from pointpillars_ov_ros.cli.model.quantize_compare import Speed
from pointpillars_ov_ros.cli.model.quantize_report import format_change, format_speed
from pointpillars_ov_ros.cli.model.quantize_sources import choose_clouds
from pointpillars_ov_ros.conversion.inspection import INT8, inspect_bundle
from pointpillars_ov_ros.core.detections import Detections
from pointpillars_ov_ros.core.scatter import CanvasFormat, CanvasLayout
from pointpillars_ov_ros.kitti.calibration import read_calibration
from pointpillars_ov_ros.kitti.frames import Frame
from pointpillars_ov_ros.model.bundle import CONFIG_NAME, load_bundle
from pointpillars_ov_ros.quantization.check import compare
from pointpillars_ov_ros.quantization.quantize import Clouds, Part, QuantizationSettings, quantize_bundle
from test.kitti.files import calibration_text
from test.model.float_bundle import save_float_bundle, toy_clouds
from test.ros.clouds import XYZI, cloud_message

Capture = pytest.CaptureFixture[str]


def write_clouds(folder: Path, count: int = 4) -> Path:
    """Write frames of the toy model as KITTI does."""
    folder.mkdir()
    for number, cloud in enumerate(toy_clouds(count)):
        cloud.tofile(folder / f"{number:06d}.bin")
    return folder


def write_bag(folder: Path, topics: dict[str, int]) -> Path:
    """Write a bag with the given numbers of clouds on each topic, with intensities from 0 to 255."""
    with BagWriter(folder) as bag:
        for topic, count in topics.items():
            bag.add_topic(topic, "sensor_msgs/msg/PointCloud2", latched=False)
            for stamp, cloud in enumerate(toy_clouds(count)):
                points = (cloud * (1, 1, 1, 255)).tolist()
                bag.write(topic, stamp, serialize_message(cloud_message(XYZI, points)))
    return folder


def quantize(*arguments: object) -> int:
    return cli.main(["quantize", *map(str, arguments)])


def error_of(capture: Capture, *arguments: object) -> str:
    """Run a command that must fail; return its one line without the prefix."""
    assert quantize(*arguments) == 1
    lines = [line for line in capture.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    return lines[0].removeprefix("error: ")


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time networks in two turns."""
    monkeypatch.setattr(quantize_compare, "TURNS", 2)


@pytest.mark.usefixtures("quick")
def test_a_bundle_is_quantized_compared_and_written(tmp_path: Path, capsys: Capture) -> None:
    model, out = save_float_bundle(tmp_path / "model", pooling="convolution"), tmp_path / "new" / "int8"
    data = write_clouds(tmp_path / "clouds", 5)
    given = ("--model", model.folder, "--data", data, "--out", out, "--networks", "both", "--subset", 3)
    assert quantize(*given, "--preset", "mixed", "--ignore", "boxes") == 0
    printed = capsys.readouterr().out
    for words in (
        "calibrating with 3 clouds of ",
        "preset mixed",
        "detections of 2 clouds (0 of them also used to calibrate)",
        "2 pairs in turn",
    ):
        assert words in printed
    rows = [line.split("  ") for line in printed.splitlines()]
    tables = [[cell.strip() for cell in row if cell] for row in rows]
    assert ["PFE", "2 f32", "1 f32, 1 INT8"] in [table[:3] for table in tables]
    assert ["RPN", "5 f32", "4 INT8, 1 f32"] in [table[:3] for table in tables]
    made = load_bundle(out)
    assert {name: network.is_quantized for name, network in inspect_bundle(made).networks.items()} == {
        "pfe": True,
        "rpn": True,
    }
    assert (
        f"(preset mixed, ranges widest; left float: boxes; calibrated with 3 clouds of {data})"
        in made.config.provenance
    )
    assert made.config.provenance in printed
    assert {path.name for path in out.parent.iterdir()} == {"int8"}
    assert load_bundle(model.folder) == model


@pytest.mark.usefixtures("quick")
def test_a_bag_calibrates_as_files_do(tmp_path: Path, capsys: Capture) -> None:
    """Its clouds are the ones of the files, but for the rounding of intensities; a bundle in --out is replaced."""
    model, out = save_float_bundle(tmp_path / "model"), tmp_path / "int8"
    shutil.copytree(model.folder, out)
    bag = write_bag(tmp_path / "bag", {"/lidar/points": 4})
    assert quantize("--model", model.folder, "--bag", bag, "--out", out) == 0
    printed = capsys.readouterr().out
    assert f"calibrating with 4 clouds of {bag}, topic points (all available; 300 were requested)" in printed
    assert "detections of 4 clouds (all also used to calibrate)" in printed
    assert set(inspect_bundle(load_bundle(out)).networks["rpn"].precision.split()) == {"5", INT8}


@pytest.mark.parametrize("scale", [0.0, 1 / 255])
def test_clouds_of_a_bag_are_those_that_were_recorded(tmp_path: Path, scale: float) -> None:
    """Intensities of 0 to 255 are recognised where nothing is said of them."""
    bag = write_bag(tmp_path / "bag", {"/points": 6})
    intensity = {"intensity_field": "", "intensity_scale": scale}
    options = argparse.Namespace(bag=bag, topic="points", subset=2, check=2, coordinate_scale=1.0, **intensity)
    chosen = choose_clouds(options, tmp_path)
    every = toy_clouds(6)
    # Four of six are unpacked: 0, 1, 3, 4; of those every second calibrates.
    for clouds, numbers in ((chosen.clouds.calibration, (0, 3)), (chosen.clouds.checks, (1, 4))):
        assert len(clouds) == 2
        for cloud, number in zip(clouds, numbers, strict=True):
            np.testing.assert_allclose(cloud(), every[number], rtol=1e-6, atol=1e-6)
    assert chosen.shared == 0


@pytest.mark.parametrize(
    ("frames", "subset", "check", "calibration", "checks", "shared"),
    [
        (4, 300, 100, [0, 1, 2, 3], [0, 1, 2, 3], 4),
        (4, 300, 2, [0, 1, 2, 3], [0, 2], 2),
        (6, 3, 100, [0, 2, 4], [1, 3, 5], 0),
        (6, 2, 2, [0, 3], [1, 4], 0),
        (6, 5, 3, [0, 1, 2, 3, 4], [5], 0),
    ],
)
def test_what_calibration_has_not_seen_is_checked_with(
    tmp_path: Path, frames: int, subset: int, check: int, calibration: list[int], checks: list[int], shared: int
) -> None:
    data = write_clouds(tmp_path / "clouds", frames)
    of_files = {"columns": (), "intensity_scale": 0.0, "coordinate_scale": 1.0}
    options = argparse.Namespace(bag=None, data=data, subset=subset, check=check, no_crop=True, **of_files)
    chosen = choose_clouds(options, tmp_path)
    every = toy_clouds(frames)
    for clouds, numbers in ((chosen.clouds.calibration, calibration), (chosen.clouds.checks, checks)):
        assert len(clouds) == len(numbers)
        for cloud, number in zip(clouds, numbers, strict=True):
            np.testing.assert_array_equal(cloud(), every[number])
    assert chosen.shared == shared


@pytest.mark.parametrize(
    ("folder", "calibrated", "crop", "kept"),
    [
        ("velodyne", True, True, [0]),
        ("velodyne", True, False, [0, 1]),
        ("velodyne", False, True, [0, 1]),
        ("velodyne_reduced", True, True, [0, 1]),
    ],
)
def test_whole_clouds_are_cut_to_what_the_camera_sees(
    tmp_path: Path, folder: str, calibrated: bool, crop: bool, kept: list[int]
) -> None:
    points = np.array([(20, 0, 0, 0.5), (-20, 0, 0, 0.5)], np.float32)
    cloud, calibration = tmp_path / folder / "000000.bin", tmp_path / "calib.txt"
    cloud.parent.mkdir()
    points.tofile(cloud)
    calibration.write_text(calibration_text())
    read_calibration(calibration)
    frame = Frame("000000", cloud, calibration=calibration if calibrated else None)
    np.testing.assert_array_equal(frame.read_points(crop), points[kept])


def test_a_drop_that_is_too_great_writes_nothing(tmp_path: Path, capsys: Capture) -> None:
    """The PFE is not under accuracy control, so only the check at the end finds out."""
    model = save_float_bundle(tmp_path / "model", pooling="convolution", uneven=True)
    data = write_clouds(tmp_path / "clouds", 3)
    given = ("--model", model.folder, "--data", data, "--out", tmp_path / "int8", "--networks", "pfe")
    message = error_of(capsys, *given, "--max-drop", 0.02)
    assert "of the detections have no partner (" in message
    assert message.endswith(" new), more than --max-drop 0.02 allows; nothing was written")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clouds", "model"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--model {model} --out {out}", "quantize needs clouds: one of --data KITTI_FOLDER and --bag FOLDER"),
        ("--model {model} --data {data} --bag {data} --out {out}", "quantize needs clouds: "),
        ("--model {model} --data {empty} --out {out}", "{empty}: no cloud (.bin, .pcd, .npy, .ply) there, nor in "),
        ("--model {model} --bag {empty}/bag --out {out}", "{empty}/bag: no such bag"),
        ("--model {model} --bag {data} --out {out}", "{data}: it contains no bag file (.mcap, .db3, .bag)"),
        ("--model {empty} --data {data} --out {out}", "{empty} holds no bundle.yaml; "),
        ("--model {model} --data {data} --out {data}", "{data} exists and is not a bundle; it is left unchanged"),
        ("--model {model} --data {data} --out {model}", "{model} is the model to quantize; its float networks "),
        ("--model {model} --data {data} --out {out} --max-drop 2", "max_drop: 2.0 is not in [0, 1)"),
        (
            "--model {model} --data {data} --out {out} --ignore first x",
            "--ignore x: no such layer or output; the layers are first, second, ",
        ),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_writes_nothing(
    tmp_path: Path, capsys: Capture, arguments: str, message: str
) -> None:
    (tmp_path / "empty").mkdir()
    names = {
        "model": save_float_bundle(tmp_path / "float").folder,
        "data": write_clouds(tmp_path / "clouds"),
        "empty": tmp_path / "empty",
        "out": tmp_path / "int8",
    }
    before = contents(tmp_path)
    assert error_of(capsys, *arguments.format(**names).split()).startswith(message.format(**names))
    assert contents(tmp_path) == before
    assert not names["out"].exists()


def test_a_damaged_bundle_is_not_quantized(tmp_path: Path, capsys: Capture) -> None:
    model, data = save_float_bundle(tmp_path / "model"), write_clouds(tmp_path / "clouds")
    model.path("rpn.bin").write_bytes(model.path("rpn.bin").read_bytes()[:-100])
    message = error_of(capsys, "--model", model.folder, "--data", data, "--out", tmp_path / "int8")
    assert message.startswith(f"{model.path('rpn.bin')} is not the file that {CONFIG_NAME} describes (sha256 ")


def test_what_is_quantized_already_is_one_sentence(tmp_path: Path, capsys: Capture) -> None:
    data, clouds = write_clouds(tmp_path / "clouds", 2), [lambda: toy_clouds(1)[0]]
    model = quantize_bundle(
        save_float_bundle(tmp_path / "model"), QuantizationSettings(), Clouds(clouds, clouds, "a toy"), tmp_path
    )
    message = error_of(capsys, "--model", model.folder, "--data", data, "--out", tmp_path / "again")
    assert message.startswith(f"rpn.xml of {model.config.name} is already quantized (")
    assert not (tmp_path / "again").exists()


def test_without_nncf_one_sentence_says_what_to_install(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nncf", None)
    message = error_of(capsys, "--model", tmp_path, "--data", tmp_path, "--out", tmp_path / "int8")
    assert "nncf is missing" in message
    assert "`pip install nncf`" in message


@pytest.mark.parametrize(
    ("topics", "topic", "message"),
    [
        ({"/points": 2}, "cloud", "no topic cloud of sensor_msgs/msg/PointCloud2; it has /points (2 messages)"),
        ({"/points": 2}, "oints", "no topic oints of sensor_msgs/msg/PointCloud2; it has /points (2 messages)"),
        (
            {"/a/points": 1, "/b/points": 1},
            "points",
            "sensor_msgs/msg/PointCloud2 on 2 topics, choose one with --topic: /a/",
        ),
        (
            {"/a/points": 1, "/b/points": 1},
            "/points",
            "no topic /points of sensor_msgs/msg/PointCloud2; it has /a/points (1 ",
        ),
        ({"/points": 0}, "points", "no message on /points; the recorder received nothing there"),
    ],
)
def test_a_bag_without_the_topic_is_one_sentence(
    tmp_path: Path, capsys: Capture, topics: dict[str, int], topic: str, message: str
) -> None:
    model, bag = save_float_bundle(tmp_path / "model"), write_bag(tmp_path / "bag", topics)
    given = ("--model", model.folder, "--bag", bag, "--topic", topic, "--out", tmp_path / "int8")
    assert error_of(capsys, *given).startswith(f"{bag}: {message}")


def test_a_cloud_of_a_bag_that_cannot_be_read_is_named(tmp_path: Path, capsys: Capture) -> None:
    model = save_float_bundle(tmp_path / "model")
    message = cloud_message(XYZI, [(1.0, 0.0, -1.0, 0.5)])
    message.fields = message.fields[1:]
    with BagWriter(tmp_path / "bag") as bag:
        bag.add_topic("/points", "sensor_msgs/msg/PointCloud2", latched=False)
        bag.write("/points", 1, serialize_message(message))
    given = ("--model", model.folder, "--bag", tmp_path / "bag", "--out", tmp_path / "int8")
    assert error_of(capsys, *given).startswith(
        f"{tmp_path / 'bag'}: cloud 0 on /points: fields: there is no 'x'; the fields are "
    )


def one(x: float, score: float) -> Detections:
    box = np.array([[x, 0, 0, 4, 2, 1.5, 0]], np.float32)
    return Detections(box, np.array([score], np.float32), np.zeros(1, np.int32))


def test_the_report_says_how_far_partners_are_apart_and_what_has_none() -> None:
    change = compare([one(5, 0.9), one(20, 0.6)], [one(5.25, 0.8), one(40, 0.7)], 0.5)
    text = format_change(change, clouds=2, shared=1, threshold=0.5)
    assert text.splitlines() == [
        "detections of 2 clouds (1 of them also used to calibrate), scores of 0.5 or more; "
        "partners are within 1 m and score at least 0.4",
        "  before        2",
        "  after         2",
        "  matched       1  centres 0.250 m apart (at most 0.250), scores -0.100 (at most 0.100 apart)",
        "  lost          1  scores up to 0.60",
        "  new           1  scores up to 0.70",
        "  drop     0.5000  (lost + new) / (before + after)",
    ]


def test_nothing_before_and_after_is_no_drop() -> None:
    text = format_change(compare([Detections.empty()], [Detections.empty()], 0.5), 1, 1, 0.5)
    assert "matched       0\n" in text
    assert "drop     0.0000" in text


@pytest.mark.parametrize(
    ("part", "canvas", "end"),
    [
        (Part.PFE, None, "3 pairs in turn)"),
        (Part.RPN, CanvasFormat(), "; canvas float32 NCHW"),
        (Part.RPN, CanvasFormat(CanvasLayout.NHWC, True, 0.1, 128.0), "; canvas uint8 NHWC"),
    ],
)
def test_times_are_told_as_a_ratio(part: Part, canvas: CanvasFormat | None, end: str) -> None:
    speed = Speed(estimate([100, 110, 120]), estimate([30, 33, 36]), estimate([0.3, 0.31, 0.29]), canvas)
    text = format_speed(part, speed)
    assert text.startswith(f"{part.value.upper()} on the CPU: 110.0 ms before, 33.0 ms after; after / before 0.30 (")
    assert text.endswith(end)
