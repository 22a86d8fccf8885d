# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Command `pointpillars_ov train`: start, resume or fine-tune a run; save checkpoint, bundle, log and plot."""

from __future__ import annotations

import argparse
import dataclasses
import json
import subprocess
import time
from collections.abc import Generator, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TypeVar

import torch
from tqdm import tqdm

from pointpillars_ov_ros.config.errors import TrainingError
from pointpillars_ov_ros.config.files import write_whole
from pointpillars_ov_ros.config.mapping import to_mapping
from pointpillars_ov_ros.config.model_config import ModelConfig
from pointpillars_ov_ros.conversion.architecture import Architecture
from pointpillars_ov_ros.conversion.checkpoint_import import import_checkpoint
from pointpillars_ov_ros.conversion.importers import read_preset
from pointpillars_ov_ros.model.bundle import sha256
from pointpillars_ov_ros.training.augmentation import AS_SEEN, NO_AUGMENTATION, Augmentation
from pointpillars_ov_ros.training.checkpoint import (
    Checkpoint,
    load_checkpoint,
    load_weights,
    save_checkpoint,
)
from pointpillars_ov_ros.training.curves import draw_curves
from pointpillars_ov_ros.training.feed import feed_samples, fill_bank
from pointpillars_ov_ros.training.network import PointPillars
from pointpillars_ov_ros.training.samples import Sample, SampleMaker
from pointpillars_ov_ros.training.scenes import KittiScenes, SceneSource, SimulatedScenes
from pointpillars_ov_ros.training.settings import TrainingSettings, choose_architecture, configure
from pointpillars_ov_ros.training.trainer import FREEZE_AT, Record, Trainer, choose_device, helps_half

T = TypeVar("T")
Batches = Generator[list[Sample], None, None]

PRESET = "openpcdet_kitti_3class"
CHECKPOINT, WEIGHTS, BUNDLE, LOG, CURVES = "checkpoint.pth", "weights.pth", "bundle", "log.json", "curves.png"
_STEPS = TrainingSettings.steps
_SETTLING, _SETTLING_SHARE = 45, 0.1
"""Batches that batch norms are settled on, and the maximum ratio of a timed run that this may take."""
_FEWEST = 8
"""Minimum number of these batches, if a timed run has no time for all."""
_STREAM_SHOWN = 20
"""Steps whose mean loss the progress bar shows."""


@dataclasses.dataclass
class Run:
    """A run in progress."""

    config: ModelConfig
    architecture: Architecture
    source: Mapping[str, str]
    scenes: SceneSource
    trainer: Trainer
    records: list[Record]

    def checkpoint(self) -> Checkpoint:
        """Return the checkpoint of the run."""
        trainer = self.trainer
        return Checkpoint(
            self.config, self.architecture, trainer.settings, self.source, trainer.step, trainer.elapsed_s,
            trainer.network.state_dict(), trainer.optimizer.state_dict(), [list(record) for record in self.records],
        )  # fmt: skip


def run_training(options: argparse.Namespace, command: str) -> int:
    """Train as the command line says; `command` is that line, which is recorded in the provenance."""
    run = resume(options.resume, options) if options.resume else begin(options, command)
    folder = options.out or (options.resume.parent if options.resume else Path("training"))
    if not options.resume and (folder / CHECKPOINT).exists():
        path = folder / CHECKPOINT
        raise TrainingError(f"{path} exists; continue with --resume {path}, or choose another --out")
    settings = run.trainer.settings
    bank = fill_bank(run.scenes, settings, len(run.config.classes), options.workers)
    alignment = run.config.rpn.stride * max(run.architecture.upsample_strides)
    maker = SampleMaker(run.config, run.scenes, settings, bank, alignment)
    print(f"{run.scenes.name}; {sum(map(len, bank))} objects to paste; {describe(run)}")
    batches = feed_samples(maker, run.trainer.step, options.workers)
    try:
        train(run, batches, maker, folder, options)
    except KeyboardInterrupt:
        save(run, folder)
        print(f"stopped in step {run.trainer.step}; continue with --resume {folder / CHECKPOINT}")
        raise
    finally:
        # Ends the worker processes.
        batches.close()
    save(run, folder)
    # Everything that --from needs, at a third of the size.
    save_checkpoint(folder / WEIGHTS, dataclasses.replace(run.checkpoint(), optimizer={}, records=[]))
    bundle, _ = import_checkpoint(folder / CHECKPOINT, folder / BUNDLE)
    last = run.records[-_STREAM_SHOWN:]
    if last:
        print(f"loss        {sum(record.loss for record in last) / len(last):.3f} over the last {len(last)} steps")
    print(f"checkpoint  {folder / CHECKPOINT}\nbundle      {bundle.folder}\ncurves      {folder / CURVES}")
    return 0


def begin(options: argparse.Namespace, command: str) -> Run:
    """Start a run, with random weights or those of --from."""
    settings = read_settings(options)
    base = load_checkpoint(options.weights) if options.weights else None
    preset = base.config if base else read_preset(PRESET)
    source = {"data": str(options.data or ""), "split": str(options.split or ""), "sensor": options.sensor}
    scenes = open_scenes(source, preset.classes)
    height, beams = (scenes.height, scenes.beams) if isinstance(scenes, SimulatedScenes) else (None, 0)
    origin = f"trained by `{command}` on {scenes.name}, seed {settings.seed}, git commit {git_commit()}"
    if base:
        origin += f", from {options.weights} with sha256 {sha256(options.weights)}"
    config = configure(preset, 1.0 if base else options.width, height, origin, beams)
    architecture = base.architecture if base else choose_architecture(config, options.width)
    torch.manual_seed(settings.seed)
    network = PointPillars(architecture)
    if base:
        load_weights(network, base.weights, options.weights)
    return Run(config, architecture, source, scenes, make_trainer(network, settings), [])


def resume(path: Path, options: argparse.Namespace) -> Run:
    """Continue the run whose checkpoint is at `path`; the flags may change its length."""
    saved = load_checkpoint(path)
    if options.steps or options.minutes:
        length = {"steps": options.steps or saved.settings.steps, "minutes": options.minutes}
        saved = dataclasses.replace(saved, settings=dataclasses.replace(saved.settings, **length))
    network = PointPillars(saved.architecture)
    load_weights(network, saved.weights, path)
    trainer = make_trainer(network, saved.settings)
    try:
        trainer.optimizer.load_state_dict(dict(saved.optimizer))
    except (ValueError, KeyError) as error:
        raise TrainingError(f"{path}: the state of the optimizer does not fit the network ({error})") from None
    trainer.step, trainer.elapsed_s = saved.step, saved.elapsed_s
    trainer.frozen = trainer.progress >= FREEZE_AT
    records = [Record(*values) for values in saved.records]  # type: ignore[arg-type]
    scenes = open_scenes(saved.source, saved.config.classes)
    return Run(saved.config, saved.architecture, saved.source, scenes, trainer, records)


def train(run: Run, batches: Batches, maker: SampleMaker, folder: Path, options: argparse.Namespace) -> None:
    """Train to the end, with a progress bar, saving regularly, and settle the batch norms on the way."""
    trainer, (columns, rows) = run.trainer, maker.crop
    minutes = trainer.settings.minutes
    total, unit = (round(60 * minutes), "s") if minutes else (trainer.settings.steps, "step")
    with tqdm(total=total, initial=round(trainer.elapsed_s) if minutes else trainer.step, unit=unit) as bar:
        for record in trainer.run(batches, (rows, columns)):
            run.records.append(record)
            bar.update(min(total, round(trainer.elapsed_s) if minutes else trainer.step) - bar.n)
            shown = run.records[-_STREAM_SHOWN:]
            bar.set_postfix(step=trainer.step, loss=f"{sum(one.loss for one in shown) / len(shown):.3f}")
            # Before saving: whoever resumes from there need not know whether this was done.
            if not trainer.frozen and trainer.progress >= FREEZE_AT:
                settle(run, maker, options.workers)
            if trainer.step % options.save_every == 0:
                save(run, folder)


def settle(run: Run, maker: SampleMaker, workers: int) -> None:
    """Settle the batch norms of a run on one crop each of many scenes, as a detector will see them."""
    columns, rows = maker.crop
    settings = dataclasses.replace(run.trainer.settings, samples_per_scene=1, augmentation=AS_SEEN)
    batches = feed_samples(dataclasses.replace(maker, settings=settings, bank=()), 0, workers)
    minutes = settings.minutes
    some = islice(batches, _SETTLING)
    timely = until(some, 60.0 * minutes * _SETTLING_SHARE) if minutes else some
    try:
        run.trainer.settle(tqdm(timely, total=_SETTLING, unit="batch", desc="settling norms"), (rows, columns))
    finally:
        batches.close()


def until(batches: Iterable[T], seconds: float) -> Iterator[T]:
    """Yield the items that come within `seconds`, and a few in any case."""
    end = time.monotonic() + seconds
    for number, batch in enumerate(batches):
        if number >= _FEWEST and time.monotonic() > end:
            return
        yield batch


def save(run: Run, folder: Path) -> None:
    """Write checkpoint, log and plot."""
    save_checkpoint(folder / CHECKPOINT, run.checkpoint())
    log = {
        "provenance": run.config.provenance,
        "settings": to_mapping(run.trainer.settings),
        "architecture": to_mapping(run.architecture),
        "columns": list(Record._fields),
        "steps": [list(record) for record in run.records],
    }
    write_whole(folder / LOG, lambda fresh: fresh.write_text(json.dumps(log) + "\n"), durably=True)
    draw_curves(folder / CURVES, run.records, describe(run))


def read_settings(options: argparse.Namespace) -> TrainingSettings:
    """Return the settings of the flags; ConfigError names what is out of bounds."""
    return TrainingSettings(
        steps=options.steps or _STEPS,
        minutes=options.minutes,
        batch=options.batch,
        seed=options.seed,
        learning_rate=options.learning_rate,
        crop=options.crop,
        samples_per_scene=options.samples_per_scene,
        augmentation=NO_AUGMENTATION if options.no_augmentation else Augmentation(),
    )


def open_scenes(source: Mapping[str, str], classes: tuple[str, ...]) -> SceneSource:
    """Open the KITTI folder if one is given, else the simulated world."""
    if source["data"]:
        return KittiScenes(Path(source["data"]), classes, Path(source["split"]) if source["split"] else None)
    return SimulatedScenes(source["sensor"], classes)


def make_trainer(network: PointPillars, settings: TrainingSettings) -> Trainer:
    """Return a trainer on this machine's best device."""
    device = choose_device()
    return Trainer(network, settings, device, helps_half(device))


def describe(run: Run) -> str:
    """Describe in one line what is trained."""
    weights = sum(parameter.numel() for parameter in run.trainer.network.parameters())
    settings = run.trainer.settings
    length = f"{settings.minutes:g} minutes" if settings.minutes else f"{settings.steps} steps"
    return f"{weights / 1e6:.1f} M weights, {length} of {settings.batch} samples, seed {settings.seed}"


def git_commit() -> str:
    """Return the git commit of this package, and whether anything has changed since; 'unknown' without git."""
    here = Path(__file__).parent
    try:
        answers = [
            subprocess.run(["git", "-C", str(here), *words], capture_output=True, text=True, check=True, timeout=20)
            for words in (["rev-parse", "HEAD"], ["status", "--porcelain", "--untracked-files=no", "."])
        ]
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    commit, changes = (answer.stdout.strip() for answer in answers)
    return f"{commit} and changes" if changes else commit
