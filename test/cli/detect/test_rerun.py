# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`pointpillars_ov detect --rerun`: what is in the recording, read by Rerun's own reader."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pointpillars_ov_ros.cli import main as cli
from pointpillars_ov_ros.cli.detect import rerun_recording
from test.cli.detect.test_command import boxes_of, detect
from test.inference.toy_bundle import save_toy_bundle, toy_cloud


def rows(path: Path, entity: str) -> dict[str, list[Any]]:
    """Return the columns of an entity, one row per cloud."""
    chunk = pytest.importorskip("rerun.chunk")
    found: dict[str, list[Any]] = {}
    for part in chunk.RrdReader(str(path)).stream().to_chunks():
        if part.entity_path == f"/{entity}":
            batch = part.to_record_batch()
            for name in batch.schema.names:
                if ":" in name or name == rerun_recording.TIMELINE:
                    found.setdefault(name, []).extend(batch.column(name).to_pylist())
    return found


def test_the_recording_has_the_points_and_boxes_of_every_cloud(tmp_path: Path) -> None:
    pytest.importorskip("rerun")
    folder, out = tmp_path / "clouds", tmp_path / "new" / "out.rrd"
    folder.mkdir()
    for number in range(3):
        toy_cloud(number).tofile(folder / f"{number}.bin")
    bundle = save_toy_bundle(tmp_path / "model")
    report = detect(bundle, tmp_path, folder, "--rerun", out, "--class-names", "Car=vehicle")
    points, found = rows(out, rerun_recording.POINTS), rows(out, rerun_recording.DETECTIONS)
    assert points[rerun_recording.TIMELINE] == found[rerun_recording.TIMELINE] == [0, 1, 2]
    for number, cloud in enumerate(report["clouds"]):
        np.testing.assert_allclose(points["Points3D:positions"][number], toy_cloud(number)[:, :3], atol=1e-6)
        boxes = np.array(boxes_of(cloud))
        assert len(boxes) > 0
        np.testing.assert_allclose(found["Boxes3D:centers"][number], boxes[:, :3], atol=1e-5)
        np.testing.assert_allclose(np.array(found["Boxes3D:half_sizes"][number]) * 2, boxes[:, 3:6], atol=1e-5)
        turns = np.array(found["Boxes3D:quaternions"][number])
        np.testing.assert_allclose(np.cos(2 * np.arctan2(turns[:, 2], turns[:, 3]) - boxes[:, 6]), 1.0, atol=1e-5)
        labels = [f"{one['class']} {one['score']:.2f}" for one in cloud["detections"]]
        assert found["Boxes3D:labels"][number] == labels and any(label.startswith("vehicle ") for label in labels)


def test_without_the_sdk_there_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    toy_cloud(0).tofile(tmp_path / "0.bin")
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "rerun" else find_spec(name))
    assert cli.main(["detect", str(tmp_path / "0.bin"), "--rerun", str(tmp_path / "out.rrd")]) == 1
    assert capsys.readouterr().err == (
        "error: --rerun needs Rerun's SDK: `pip install rerun-sdk` (the extra [rerun])\n"
    )
