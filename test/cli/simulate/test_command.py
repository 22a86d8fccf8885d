# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`simulate`, written and read back as KITTI's data is."""

from __future__ import annotations

import resource
from pathlib import Path

import numpy as np
import pytest
import yaml

from pointpillars_ov_ros.cli import main as cli
from pointpillars_ov_ros.cli.simulate.run import write_frame
from pointpillars_ov_ros.config.mapping import to_mapping
from pointpillars_ov_ros.kitti.frames import find_frames
from pointpillars_ov_ros.kitti.labels import lidar_boxes
from pointpillars_ov_ros.synthetic import Drive, load_sensor, simulate


def test_frames_are_read_back_as_they_were_simulated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, picture = tmp_path / "made" / "here", tmp_path / "pictures" / "first.png"
    arguments = ["simulate", "--out", str(out), "--sensor", "vlp_16", "--frames", "2", "--seed", "7"]
    assert cli.main([*arguments, "--picture", str(picture)]) == 0
    text = capsys.readouterr().out
    assert all(word in text for word in ("VLP-16", "2 frames", str(out), str(picture)))
    assert picture.read_bytes().startswith(b"\x89PNG")
    frames = find_frames(out)
    assert [frame.name for frame in frames] == ["000000", "000001"]
    for k, frame in enumerate(frames):
        made = simulate("vlp_16", 7 + k)
        np.testing.assert_array_equal(frame.read_points(), made.points)
        objects, calibration = frame.read_labels(), frame.read_calibration()
        assert objects and calibration is not None
        wanted = (made.labels.points > 0) & (made.labels.truncation < 1.0)
        assert [one.type for one in objects] == [n for n, w in zip(made.labels.names, wanted, strict=True) if w]
        assert [one.occluded for one in objects] == made.labels.occlusion[wanted].tolist()
        np.testing.assert_allclose(lidar_boxes(objects, calibration), made.labels.boxes[wanted], atol=2e-4)
        np.testing.assert_allclose([one.bbox for one in objects], made.labels.image_boxes[wanted], atol=1e-3)
        # The middle of every box that is wholly in the image is seen there.
        inside = made.labels.truncation[wanted] == 0.0
        assert calibration.in_image(made.labels.boxes[wanted][inside]).all()


def test_a_cloud_that_does_not_fit_is_named_and_not_half_written(tmp_path: Path) -> None:
    path, frame = tmp_path / "velodyne" / "000000.bin", simulate("vlp_16", 0)
    path.parent.mkdir()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError, match=f"'{path}'$"):
            write_frame(tmp_path, "000000", frame, [])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(path.parent.iterdir())


def test_a_drive_is_one_street(tmp_path: Path) -> None:
    assert cli.main(["simulate", "--out", str(tmp_path), "--sensor", "vlp_16", "--frames", "3", "--drive"]) == 0
    for frame, made in zip(find_frames(tmp_path), Drive("vlp_16", 0, 3), strict=True):
        np.testing.assert_array_equal(frame.read_points(), made.points)


def test_a_sensor_of_ones_own_is_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = to_mapping(load_sensor("vlp_16")) | {"name": "half as fine", "azimuth_step_deg": 0.4}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(document))
    out = tmp_path / "out"
    arguments = ["simulate", "--out", str(out), "--sensor", str(tmp_path / "mine.yaml"), "--frames", "1"]
    assert cli.main(arguments) == 0
    assert "half as fine" in capsys.readouterr().out
    assert len(find_frames(out)[0].read_points()) < 16 * 900


def test_frames_that_are_there_are_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "velodyne").mkdir()
    assert cli.main(["simulate", "--out", str(tmp_path)]) == 1
    assert str(tmp_path) in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["velodyne"]


def test_an_unknown_sensor_is_one_line_and_makes_no_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["simulate", "--out", str(tmp_path / "out"), "--sensor", "vlp_128"]) == 1
    text = capsys.readouterr().err
    assert text.count("\n") == 1
    assert all(word in text for word in ("vlp_128", "hdl_64e"))
    assert not (tmp_path / "out").exists()
