# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Implementation of `pointpillars_ov evaluate`, once its arguments are known."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from pointpillars_ov_ros.cli.evaluate.plot import draw_curves
from pointpillars_ov_ros.cli.evaluate.report import (
    FOUND_OVERLAP,
    FOUND_SCORES,
    few_objects,
    format_ap,
    format_counts,
    format_found,
    format_proposals,
    make_report,
)
from pointpillars_ov_ros.cli.evaluate.sources import ScoredFrames, score_model, score_results
from pointpillars_ov_ros.config.errors import count_of
from pointpillars_ov_ros.config.files import write_json
from pointpillars_ov_ros.config.model_config import ClassThreshold
from pointpillars_ov_ros.kitti.counting import Count, count_found, explain_uncounted
from pointpillars_ov_ros.kitti.evaluation import Curve, count_steps, evaluate
from pointpillars_ov_ros.kitti.results import check_results_folder, write_results
from pointpillars_ov_ros.kitti.thresholds import LEAST_OBJECTS, count_published, propose_thresholds
from pointpillars_ov_ros.model.bundle import CONFIG_NAME, change_postprocess, load_bundle
from pointpillars_ov_ros.model.signature import SUFFIX


def run_evaluate(options: argparse.Namespace) -> int:
    """Score, print, and write the requested outputs."""
    if options.write_results is not None:
        # Checked now, to fail before the detection instead of after it.
        check_results_folder(options.write_results)
    source = _open(options)
    curves = _score(source, options.loose)
    warning = few_objects(curves)
    frames = count_of(source.frames, "frame")
    print(f"\nKITTI AP of {source.title}; {frames}\n")
    print(format_ap(curves))
    print()
    print(format_counts(curves))
    counts = _count(source)
    if counts:
        print(f"\n{format_found(counts, _count_published(source))}")
    if options.thresholds is not None:
        _propose(source, options)
    notes = [*source.notes, *_uncounted(source)]
    for note in notes:
        print(f"note: {note}")
    if warning:
        print(f"warning: {warning}")
    if options.write_results is not None:
        write_results(options.write_results, source.results)
        print(f"results  {options.write_results}")
    if options.json is not None:
        notes += [warning] if warning else []
        write_json(options.json, make_report(source.title, source.frames, source.details, notes, curves, counts))
        print(f"report   {options.json}")
    if options.picture is not None:
        draw_curves(options.picture, curves, f"{source.title}; {frames}")
        print(f"picture  {options.picture}")
    return 0


def _open(options: argparse.Namespace) -> ScoredFrames:
    if options.bag is not None:
        # This reads ROS messages, which the other sources do not need.
        from pointpillars_ov_ros.cli.evaluate.bag import score_bag

        return score_bag(options)
    return score_model(options) if options.data is not None else score_results(options)


def _propose(source: ScoredFrames, options: argparse.Namespace) -> None:
    """Print proposed thresholds, and write them into the bundle if requested."""
    hardest, precision = source.difficulties[-1], options.thresholds or None
    proposals = propose_thresholds(source.truth, source.found, source.rules, hardest, FOUND_OVERLAP, precision)
    print(f"\n{format_proposals(proposals)}")
    left_out = [rule.name for rule in source.rules if rule.name not in {p.threshold.class_name for p in proposals}]
    if left_out:
        print(f"note: no threshold for {', '.join(left_out)}: fewer than {LEAST_OBJECTS} labelled objects")
    if options.write_thresholds:
        write_thresholds(options.model, [proposal.threshold for proposal in proposals])
        print(f"written  {options.model}")


def write_thresholds(folder: Path, thresholds: Sequence[ClassThreshold]) -> None:
    """Write thresholds of single classes into a bundle, keeping those of others; BundleError if it is no bundle."""
    bundle = load_bundle(folder)
    named = {threshold.class_name for threshold in thresholds}
    kept = [old for old in bundle.config.postprocess.publish if old.class_name not in named]
    is_signed = (folder / (CONFIG_NAME + SUFFIX)).exists()
    change_postprocess(bundle, publish=(*thresholds, *kept))
    if is_signed:
        print("note: the bundle has changed, so its signature was removed: sign it again with `pointpillars_ov sign`")


def _count(source: ScoredFrames) -> list[Count]:
    """Count found objects among all that any difficulty requires; empty if detections have no 3D box."""
    if len(source.found.kinds) and not source.found.has_box.any():
        return []
    hardest = source.difficulties[-1]
    return count_found(source.truth, source.found, source.rules, FOUND_SCORES, FOUND_OVERLAP, hardest)


def _count_published(source: ScoredFrames) -> list[Count]:
    """Count what the model would publish, likewise."""
    hardest = source.difficulties[-1]
    return count_published(source.truth, source.found, source.rules, hardest, FOUND_OVERLAP, source.publish)


def _uncounted(source: ScoredFrames) -> list[str]:
    """Explain which labelled objects not even the hardest difficulty requires."""
    sentences = explain_uncounted(source.truth, source.rules, source.difficulties[-1])
    cure = "; --no-image-filter (with --data) scores BEV and 3D of every one" if sentences else ""
    return [*sentences[:-1], *(f"{sentence}{cure}" for sentence in sentences[-1:])]


def _score(source: ScoredFrames, loose: bool) -> list[Curve]:
    """Compute the curves, with a progress bar."""
    steps = count_steps(source.rules, source.metrics, source.difficulties, loose)
    with tqdm(total=steps, unit="curve", desc="scoring") as progress:
        return evaluate(
            source.truth,
            source.found,
            source.rules,
            metrics=source.metrics,
            difficulties=source.difficulties,
            loose=loose,
            on_step=progress.update,
        )
