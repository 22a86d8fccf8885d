# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The tool from end to end, on a tiny network and tiny scenes."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from pointpillars_ov_ros.cli import main as cli


def test_without_torch_one_sentence_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    assert cli.main(["train"]) == 1
    text = capsys.readouterr().err
    assert text.startswith("error: training needs PyTorch") and "pip install torch" in text and text.count("\n") == 1


@pytest.mark.parametrize("crop", ["216", "axb", "216x248x2", "-8x8"])
def test_crops_that_are_none_show_the_usage(crop: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["train", f"--crop={crop}"])
    assert "is not of the form 216x248" in capsys.readouterr().err


class TestRuns:
    """Runs of a tiny network."""

    @pytest.fixture(autouse=True)
    def tiny(self, monkeypatch: pytest.MonkeyPatch) -> None:
        pytest.importorskip("torch", reason="torch is not installed, which only training needs")
        from pointpillars_ov_ros.training import session
        from test.training.runs import CONFIG
        from test.training.scenes import TinyScenes, small_architecture

        monkeypatch.setattr(session, "read_preset", lambda _name: CONFIG)
        monkeypatch.setattr(session, "choose_architecture", lambda config, _width: small_architecture(config))
        monkeypatch.setattr(session, "open_scenes", lambda _source, _classes: TinyScenes())

    def train(self, *arguments: str) -> int:
        return cli.main(["train", "--workers", "0", *arguments])

    def begin(self, folder: Path, *arguments: str) -> int:
        return self.train("--out", str(folder), "--crop", "16x16", "--batch", "2", *arguments)

    def test_a_run_leaves_checkpoint_bundle_log_and_picture(self, tmp_path: Path) -> None:
        from pointpillars_ov_ros.model.bundle import load_bundle

        assert self.begin(tmp_path, "--steps", "4", "--seed", "3") == 0
        made = {path.name for path in tmp_path.iterdir()}
        assert made == {"bundle", "checkpoint.pth", "curves.png", "log.json", "weights.pth"}
        provenance = load_bundle(tmp_path / "bundle").config.provenance
        assert all(words in provenance for words in ("trained by `pointpillars_ov", "seed 3", "git commit "))
        log = json.loads((tmp_path / "log.json").read_text())
        assert [row[0] for row in log["steps"]] == [1, 2, 3, 4]
        assert log["settings"]["seed"] == 3
        assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")

    def test_an_interrupted_run_is_taken_up_where_it_was(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from pointpillars_ov_ros.training import session
        from pointpillars_ov_ros.training.checkpoint import load_checkpoint

        assert self.begin(tmp_path / "whole", "--steps", "6") == 0
        draw, calls = session.draw_curves, []

        def interrupt(*arguments) -> None:
            draw(*arguments)
            calls.append(arguments)
            if len(calls) == 1:
                raise KeyboardInterrupt

        monkeypatch.setattr(session, "draw_curves", interrupt)
        assert self.begin(tmp_path / "cut", "--steps", "6", "--save-every", "3") == 130
        assert load_checkpoint(tmp_path / "cut" / "checkpoint.pth").step == 3
        assert self.train("--resume", str(tmp_path / "cut" / "checkpoint.pth")) == 0
        one, other = (load_checkpoint(tmp_path / name / "checkpoint.pth") for name in ("whole", "cut"))
        assert one.step == other.step == 6
        assert [row[3] for row in one.records] == [row[3] for row in other.records]
        for name, tensor in one.weights.items():
            np.testing.assert_array_equal(tensor.numpy(), other.weights[name].numpy())

    def test_a_resumed_run_is_as_long_as_the_flags_say(self, tmp_path: Path) -> None:
        from pointpillars_ov_ros.training.checkpoint import load_checkpoint

        assert self.begin(tmp_path, "--steps", "2") == 0
        checkpoint = tmp_path / "checkpoint.pth"
        assert self.train("--resume", str(checkpoint), "--steps", "5") == 0
        longer = load_checkpoint(checkpoint)
        assert (longer.step, longer.settings.steps) == (5, 5)
        assert self.train("--resume", str(checkpoint)) == 0
        assert load_checkpoint(checkpoint).step == 5

    def test_norms_are_settled_once_before_the_end_and_stay_so(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from pointpillars_ov_ros.training.trainer import Trainer

        settled_at, settle = [], Trainer.settle

        def count(trainer: Trainer, batches, shape) -> None:
            settled_at.append(trainer.step)
            settle(trainer, batches, shape)

        monkeypatch.setattr(Trainer, "settle", count)
        assert self.begin(tmp_path, "--steps", "20") == 0
        assert settled_at == [17]
        # What is taken up again beyond that point is frozen already; what has become longer is not yet.
        checkpoint = str(tmp_path / "checkpoint.pth")
        assert self.train("--resume", checkpoint, "--steps", "22") == 0
        assert settled_at == [17]
        assert self.train("--resume", checkpoint, "--steps", "40") == 0
        assert settled_at == [17, 34]

    def test_a_run_of_some_minutes_settles_within_them(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from pointpillars_ov_ros.training import session

        seconds = iter(range(10**6))
        batches = session.until(iter(range(100)), 20.0)
        monkeypatch.setattr("pointpillars_ov_ros.training.session.time.monotonic", lambda: float(next(seconds)))
        # One reading at the start, one for each batch beyond the fewest.
        assert len(list(batches)) == session._FEWEST + 20
        seconds = iter(range(0, 10**6, 1000))
        assert len(list(session.until(iter(range(100)), 20.0))) == session._FEWEST

    def test_fine_tuning_begins_with_the_weights_of_the_other_run(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        from pointpillars_ov_ros.training.checkpoint import load_checkpoint

        assert self.begin(tmp_path / "base", "--steps", "3") == 0
        base = tmp_path / "base" / "checkpoint.pth"
        assert self.begin(tmp_path / "fine", "--steps", "1", "--from", str(base), "--learning-rate", "1e-9") == 0
        old, new = load_checkpoint(base), load_checkpoint(tmp_path / "fine" / "checkpoint.pth")
        assert new.step == 1 and "with sha256" in new.config.provenance
        name = "backbone_2d.blocks.1.1.weight"
        np.testing.assert_allclose(new.weights[name].numpy(), old.weights[name].numpy(), atol=1e-7)

    def test_a_run_is_not_overwritten(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert self.begin(tmp_path, "--steps", "1") == 0
        assert self.begin(tmp_path, "--steps", "1") == 1
        assert "exists; continue with --resume" in capsys.readouterr().err

    def test_bad_checkpoints_and_settings_are_one_line(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "a.pth").write_bytes(b"PK\x03\x04 and no more")
        for arguments, words in (
            (["--resume", str(tmp_path / "a.pth")], "a.pth is damaged"),
            (["--resume", str(tmp_path / "b.pth")], "b.pth"),
            (["--crop", "18x16"], "crop: [18, 16]"),
            (["--learning-rate", "0"], "learning_rate: 0.0"),
            (["--width", "9"], "width: 9.0"),
        ):
            assert self.train("--out", str(tmp_path / "out"), *arguments) == 1
            text = capsys.readouterr().err
            assert text.count("\n") == 1 and words in text
