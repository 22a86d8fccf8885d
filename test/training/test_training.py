# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Runs of a tiny network: it learns, is taken up again as if it had never stopped, and checkpoints are whole."""

from __future__ import annotations

import dataclasses
import errno
import os
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed, which only training needs")

from pointpillars_ov_ros.config.errors import TrainingError
from pointpillars_ov_ros.config.runtime_config import Precision, RuntimeConfig
from pointpillars_ov_ros.conversion.checkpoint_import import import_checkpoint
from pointpillars_ov_ros.core.nms import iou_bev
from pointpillars_ov_ros.inference.engine import Engine
from pointpillars_ov_ros.training.augmentation import NO_AUGMENTATION
from pointpillars_ov_ros.training.checkpoint import load_checkpoint, load_weights, save_checkpoint
from pointpillars_ov_ros.training.feed import feed_samples, fill_bank
from pointpillars_ov_ros.training.network import PointPillars
from pointpillars_ov_ros.training.samples import SampleMaker, scene_seed
from pointpillars_ov_ros.training.settings import TrainingSettings
from pointpillars_ov_ros.training.trainer import Record, Trainer, collate, helps_half
from test.training.runs import CONFIG, CPU, checkpoint_of, tiny_trainer
from test.training.scenes import SETTINGS, TinyScenes, small_architecture

SHAPE = (16, 16)
OVERFIT = TrainingSettings(
    steps=150,
    batch=2,
    crop=(0, 0),
    samples_per_scene=1,
    bank_scenes=0,
    augmentation=NO_AUGMENTATION,
    learning_rate=0.01,
)


def maker(settings: TrainingSettings) -> SampleMaker:
    source = TinyScenes()
    return SampleMaker(CONFIG, source, settings, fill_bank(source, settings, 2, 0), 4)


def test_a_tiny_network_learns_two_scenes_by_heart_and_the_detector_finds_their_objects(tmp_path: Path) -> None:
    trainer, made = tiny_trainer(OVERFIT), maker(OVERFIT)
    batch = next(feed_samples(made, 0, 0))
    records = list(trainer.run(iter(lambda: batch, None), (CONFIG.grid.ny, CONFIG.grid.nx)))
    assert len(records) == OVERFIT.steps
    assert records[-1].loss < records[0].loss / 10
    for part in ("classes", "boxes", "directions"):
        assert getattr(records[-1], part) < getattr(records[0], part) / 3

    save_checkpoint(tmp_path / "a.pth", checkpoint_of(trainer))
    bundle, _ = import_checkpoint(tmp_path / "a.pth", tmp_path / "bundle")
    engine = Engine(bundle, RuntimeConfig(precision=Precision.F32))
    for number in range(2):
        points, boxes, labels = TinyScenes().scene(scene_seed(OVERFIT, number))
        detections = engine.slots[0].detect(points, engine.settings)
        assert len(detections.boxes) == len(boxes)
        for box, label in zip(boxes, labels, strict=True):
            overlaps = [iou_bev(found, box) for found in detections.boxes]
            assert max(overlaps) > 0.6
            assert detections.labels[int(np.argmax(overlaps))] == label


def test_settled_norms_are_those_of_the_batches_and_of_no_training_before() -> None:
    trainer, made = tiny_trainer(OVERFIT), maker(OVERFIT)
    batch = next(feed_samples(made, 0, 0))
    shape = (CONFIG.grid.ny, CONFIG.grid.nx)
    list(islice(trainer.run(iter(lambda: batch, None), shape), 5))
    weights = {name: value.clone() for name, value in trainer.network.named_parameters()}
    cloud, _ = collate(batch, shape, CPU)

    def difference() -> float:
        with torch.no_grad():
            trainer.network.eval()
            settled = trainer.network(cloud).scores
            trainer.network.train()
            return float((trainer.network(cloud).scores - settled).abs().max())

    trailing = difference()
    trainer.settle([batch], shape)
    # What remains is the variance's n / (n - 1).
    assert difference() < 0.02 * trailing
    assert all(torch.equal(weights[name], value) for name, value in trainer.network.named_parameters())
    assert {module.momentum for module in trainer.network.modules() if hasattr(module, "momentum")} == {0.03}


def test_frozen_norms_stay_as_they_were_settled_while_weights_learn() -> None:
    trainer, made = tiny_trainer(OVERFIT), maker(OVERFIT)
    batches = list(islice(feed_samples(made, 0, 0), 4))
    shape = (CONFIG.grid.ny, CONFIG.grid.nx)
    assert not trainer.frozen
    trainer.settle(batches[:2], shape)
    assert trainer.frozen
    settled = {name: value.clone() for name, value in trainer.network.named_buffers()}
    weights = [value.clone() for value in trainer.network.parameters()]
    list(islice(trainer.run(iter(batches), shape), 3))
    assert settled
    assert all(torch.equal(settled[name], value) for name, value in trainer.network.named_buffers())
    assert not all(torch.equal(a, b) for a, b in zip(weights, trainer.network.parameters(), strict=True))


def losses(records: list[Record]) -> list[float]:
    return [record.loss for record in records]


def test_a_run_taken_up_again_gives_what_one_without_a_break_does(tmp_path: Path) -> None:
    whole = tiny_trainer()
    expected = list(whole.run(feed_samples(maker(SETTINGS), 0, 0), SHAPE))
    assert len(expected) == SETTINGS.steps

    first = tiny_trainer()
    records = list(islice(first.run(feed_samples(maker(SETTINGS), 0, 0), SHAPE), 5))
    save_checkpoint(tmp_path / "a.pth", checkpoint_of(first, records))
    saved = load_checkpoint(tmp_path / "a.pth")
    second = Trainer(PointPillars(saved.architecture), saved.settings, CPU)
    load_weights(second.network, saved.weights, tmp_path / "a.pth")
    second.optimizer.load_state_dict(dict(saved.optimizer))
    second.step, second.elapsed_s = saved.step, saved.elapsed_s
    records = [Record(*values) for values in saved.records]  # type: ignore[arg-type]
    records += second.run(feed_samples(maker(saved.settings), saved.step, 0), SHAPE)

    assert losses(records) == losses(expected)
    for name, tensor in whole.network.state_dict().items():
        torch.testing.assert_close(second.network.state_dict()[name], tensor, atol=0.0, rtol=0.0)


def test_minutes_stretch_the_schedule(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(0, 10**6, 6))
    monkeypatch.setattr("pointpillars_ov_ros.training.trainer.time.monotonic", lambda: float(next(now)))
    trainer = tiny_trainer(dataclasses.replace(SETTINGS, steps=1, minutes=1.0))
    records = list(trainer.run(feed_samples(maker(SETTINGS), 0, 0), SHAPE))
    assert [record.elapsed_s for record in records] == [12.0, 24.0, 36.0, 48.0, 60.0]
    assert records[-1].learning_rate < records[1].learning_rate


def test_a_loss_that_is_no_number_ends_the_run() -> None:
    trainer = tiny_trainer()
    with torch.no_grad():
        trainer.network.dense_head.conv_cls.bias.fill_(float("nan"))
    with pytest.raises(TrainingError, match="the loss is nan in step 1"):
        trainer.advance(next(feed_samples(maker(SETTINGS), 0, 0)), SHAPE)


def test_bf16_is_computed_and_near() -> None:
    batch = next(feed_samples(maker(SETTINGS), 0, 0))
    exact = tiny_trainer().advance(batch, SHAPE)
    torch.manual_seed(1)
    trainer = Trainer(PointPillars(small_architecture(CONFIG)), SETTINGS, CPU, half=True)
    assert trainer.advance(batch, SHAPE).loss == pytest.approx(exact.loss, rel=0.05)
    assert helps_half(CPU) in (True, False)


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, trainer = tmp_path / "a.pth", tiny_trainer()
    save_checkpoint(path, checkpoint_of(trainer))
    before = path.read_bytes()
    trainer.step = 7

    def fail(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(path, checkpoint_of(trainer))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_truncated_checkpoint_is_told_in_one_sentence(tmp_path: Path, share: float) -> None:
    path = tmp_path / "a.pth"
    save_checkpoint(path, checkpoint_of(tiny_trainer()))
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(TrainingError, match=r"a\.pth is damaged") as caught:
        load_checkpoint(path)
    assert "\n" not in str(caught.value)


def test_checkpoints_of_others_are_told_so(tmp_path: Path) -> None:
    torch.save({"model_state": {}}, tmp_path / "a.pth")
    with pytest.raises(TrainingError, match="is not a checkpoint of this package: it lacks 'format'"):
        load_checkpoint(tmp_path / "a.pth")
    torch.save({"format": "pointpillars_ov_ros.checkpoint/1"}, tmp_path / "a.pth")
    with pytest.raises(TrainingError, match="'bundle_config' is missing"):
        load_checkpoint(tmp_path / "a.pth")


def test_another_architecture_is_told_by_its_first_key(tmp_path: Path) -> None:
    weights = tiny_trainer().network.state_dict()
    wide = PointPillars(dataclasses.replace(small_architecture(CONFIG), filters=(8, 24)))
    with pytest.raises(TrainingError, match=r"blocks\.1\.1\.weight' has shape \(16, 8, 3, 3\), but the "):
        load_weights(wide, weights, tmp_path / "a.pth")
    deep = PointPillars(dataclasses.replace(small_architecture(CONFIG), convolutions=(2, 3)))
    with pytest.raises(TrainingError, match=r"key 'backbone_2d\.blocks\.1\.7\.weight' is missing"):
        load_weights(deep, weights, tmp_path / "a.pth")
    flat = PointPillars(dataclasses.replace(small_architecture(CONFIG), convolutions=(2, 1)))
    with pytest.raises(
        TrainingError, match=r"key 'backbone_2d\.blocks\.1\.4\.weight' does not belong to the architecture"
    ):
        load_weights(flat, weights, tmp_path / "a.pth")
