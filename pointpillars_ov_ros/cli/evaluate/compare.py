# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Implementation of `pointpillars_ov compare`, once its arguments are known."""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from pointpillars_ov_ros.cli.evaluate.report import few_objects, format_counts
from pointpillars_ov_ros.cli.evaluate.sources import (
    Labelled,
    ScoredFrames,
    read_cloud,
    read_labelled,
    runtime_of,
    score_engine,
)
from pointpillars_ov_ros.cli.machine import look_around
from pointpillars_ov_ros.cli.measurement.ratios import paired_ratio
from pointpillars_ov_ros.cli.tables import format_table, summarize
from pointpillars_ov_ros.config.errors import DatasetError
from pointpillars_ov_ros.config.files import write_json
from pointpillars_ov_ros.config.mapping import to_mapping
from pointpillars_ov_ros.conversion.inspection import is_quantized
from pointpillars_ov_ros.conversion.open_model import open_model
from pointpillars_ov_ros.core.arrays import FloatArray
from pointpillars_ov_ros.inference.engine import Engine
from pointpillars_ov_ros.kitti.evaluation import Curve, evaluate
from pointpillars_ov_ros.kitti.evaluation_rules import CLASS_RULES, DIFFICULTIES, ClassRule, Metric, find_rule
from pointpillars_ov_ros.model.bundle import ModelBundle
from pointpillars_ov_ros.model.shipped import SHIPPED, shipped_model

_TIMED = 12
"""Number of clouds per round, spread evenly over all: more would take long with many candidates and tell no more."""
_SHOWN = (Metric.BEV, Metric.BOX_3D)


@dataclass
class Candidate:
    """A bundle in a precision."""

    name: str
    """Name of the given folder: bundles derived from each other may have the same name inside."""
    bundle: ModelBundle
    precision: str
    engine: Engine
    source: ScoredFrames
    curves: Sequence[Curve]
    times_ms: list[float] = field(default_factory=list)
    """Time from points to detections, by cloud and round, in the same order for every candidate."""

    @property
    def kind(self) -> str:
        """What the RPN runs in."""
        hint = self.engine.effective_settings()["rpn"].get("INFERENCE_PRECISION_HINT", "")
        return f"INT8 + {hint}" if is_quantized_bundle(self.bundle) else hint

    @property
    def size_mb(self) -> float:
        """Size of all its files."""
        return sum(self.bundle.path(name).stat().st_size for name in self.bundle.config.sha256) / 1e6


def run_compare(options: argparse.Namespace) -> int:
    """Score every model in every precision, then time them in turn."""
    labelled = read_labelled(options)
    models = options.model or [shipped_model(name) for name in SHIPPED]
    with tempfile.TemporaryDirectory() as scratch:
        bundles = {path: open_model(path, Path(scratch) / str(i)) for i, path in enumerate(models)}
        shared = shared_rules(bundles)
        precisions = list(dict.fromkeys(options.precision))
        pairs = [(path, precision) for path in bundles for precision in precisions]
        candidates = [_score(options, labelled, path, bundles[path], precision, shared) for path, precision in pairs]
        _time(candidates, _timed_clouds(labelled, crop=not options.no_crop), options.repeat)
        surroundings = look_around(", ".join(f"{path.name} ({b.config.name})" for path, b in bundles.items()))
        print(f"\n{surroundings.line()}")
        print(f"{candidates[0].source.frames} labelled frames of {options.data}; AP R40 (%) of easy, moderate, hard\n")
        for note in describe_unshared(bundles, shared):
            print(note)
        print(format_candidates(candidates))
        print("\np50: points to detections, latency mode. ratio: to the first row, measured in turn.\n")
        print(format_counts(candidates[0].curves))
        if warning := few_objects(candidates[0].curves):
            print(f"warning: {warning}")
        if options.json is not None:
            write_json(options.json, {**dataclasses.asdict(surroundings), "candidates": list(map(_plain, candidates))})
            print(f"report   {options.json}")
    return 0


def shared_rules(bundles: Mapping[Path, ModelBundle]) -> tuple[ClassRule, ...]:
    """Return the classes all models are scored for, one per column of the table; DatasetError if there are none."""
    shared = tuple(rule for rule in CLASS_RULES if all(rule in scored_rules(bundle) for bundle in bundles.values()))
    if not shared:
        scored = {path: [rule.name for rule in scored_rules(b) if rule is not None] for path, b in bundles.items()}
        listed = "; ".join(f"{path.name}: {', '.join(names) or 'none'}" for path, names in scored.items())
        raise DatasetError(
            f"the models have no KITTI class in common ({listed}), so they cannot be compared in one table: "
            "`pointpillars_ov evaluate` scores each on its own"
        )
    return shared


def describe_unshared(bundles: Mapping[Path, ModelBundle], shared: Sequence[ClassRule]) -> list[str]:
    """Describe the classes that the table omits because not all models detect them."""
    notes = []
    for path, bundle in bundles.items():
        more = [rule.name for rule in scored_rules(bundle) if rule is not None and rule not in shared]
        if more:
            notes.append(f"left out: {', '.join(more)} of {path.name}, which not all models detect")
    return [*notes, ""] if notes else []


def scored_rules(bundle: ModelBundle) -> list[ClassRule | None]:
    """Return how KITTI scores the classes of a model, None for one that it does not score."""
    return [find_rule(name) for name in bundle.config.classes]


def format_candidates(candidates: Sequence[Candidate]) -> str:
    """Tabulate size, latency and AP, one row per candidate."""
    first = candidates[0]
    shown = [name for name, metric in _columns(first.curves)]
    rows = []
    for candidate in candidates:
        ratio = paired_ratio(zip(candidate.times_ms, first.times_ms, strict=True)).value
        times = [f"{candidate.size_mb:.1f}", f"{summarize(candidate.times_ms)['p50']:.1f}", f"{ratio:.3f}"]
        rows.append([candidate.name, candidate.precision, candidate.kind, *times, *_scores(candidate)])
    return format_table(["model", "requested", "RPN runs in", "MB", "p50 (ms)", "ratio", *shown], rows)


def is_quantized_bundle(bundle: ModelBundle) -> bool:
    """Whether the RPN of a bundle has FakeQuantize layers."""
    import openvino as ov

    return is_quantized(ov.Core().read_model(bundle.path(bundle.config.rpn.file)))


def _columns(curves: Sequence[Curve]) -> list[tuple[str, Metric]]:
    names = dict.fromkeys((curve.class_name, curve.metric) for curve in curves if curve.metric in _SHOWN)
    return [(f"{name} {metric.value.upper()}", metric) for name, metric in names]


def _scores(candidate: Candidate) -> list[str]:
    """Return AP of the three difficulties for each class and metric shown."""
    shown = [curve for curve in candidate.curves if curve.metric in _SHOWN]
    texts = [f"{curve.ap_r40:.1f}" if curve.objects else "-" for curve in shown]
    count = len(DIFFICULTIES)
    return [" ".join(texts[start : start + count]) for start in range(0, len(texts), count)]


def _score(
    options: argparse.Namespace,
    labelled: Labelled,
    path: Path,
    bundle: ModelBundle,
    precision: str,
    rules: tuple[ClassRule, ...],
) -> Candidate:
    """Run the model on all frames and score it by `rules`."""
    print(f"{path.name}, {precision}", flush=True)
    plain = {"precision": precision, "level": "off", "box_bottoms": "model", "no_image_filter": False}
    asked = argparse.Namespace(**{**vars(options), **plain})
    engine = Engine(bundle, runtime_of(asked))
    source = score_engine(engine, asked, labelled)
    metrics, levels = source.metrics, source.difficulties
    curves = evaluate(source.truth, source.found, rules, metrics=metrics, difficulties=levels)
    return Candidate(path.name, bundle, precision, engine, source, curves)


def _timed_clouds(labelled: Labelled, crop: bool) -> list[FloatArray]:
    return [read_cloud(view, crop) for view in labelled.views[:: -(-len(labelled.views) // _TIMED)]]


def _time(candidates: Sequence[Candidate], clouds: Sequence[FloatArray], rounds: int) -> None:
    """Run each cloud through every candidate in turn, in reversed order every other time."""
    turns = [(candidate, _runner(candidate.engine)) for candidate in candidates]
    for _, run in turns:
        run(clouds[0])
    order = turns
    for cloud in tqdm([cloud for _ in range(rounds) for cloud in clouds], unit="cloud", desc="timing"):
        for candidate, run in order:
            candidate.times_ms.append(run(cloud))
        order = order[::-1]


def _runner(engine: Engine) -> Callable[[FloatArray], float]:
    return partial(_detect_ms, engine)


def _detect_ms(engine: Engine, points: FloatArray) -> float:
    begin = time.monotonic()
    engine.slots[0].detect(points, engine.settings)
    return (time.monotonic() - begin) * 1e3


def _plain(candidate: Candidate) -> dict[str, Any]:
    return {
        "folder": candidate.name,
        "model": candidate.bundle.config.name,
        "asked": candidate.precision,
        "RPN runs in": candidate.kind,
        "size_mb": candidate.size_mb,
        "latency_ms": summarize(candidate.times_ms),
        "settings": to_mapping(dataclasses.replace(candidate.engine.runtime, model_dir="")),
        "effective settings": candidate.engine.effective_settings(),
        "curves": [
            {
                "class": curve.class_name,
                "metric": curve.metric.value,
                "difficulty": curve.difficulty,
                "objects": curve.objects,
                "AP R40 (%)": curve.ap_r40 if curve.objects else None,
                "AP R11 (%)": curve.ap_r11 if curve.objects else None,
            }
            for curve in candidate.curves
        ],
    }
