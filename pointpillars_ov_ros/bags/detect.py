# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Adds detections to a bag: one pass over its messages, with as many clouds in flight as the mode has."""

from __future__ import annotations

import argparse
import time
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from tqdm import tqdm

from pointpillars_ov_ros.bags.bag import check_new, new_bag, unfinished
from pointpillars_ov_ros.bags.detection_pass import DETECTIONS, LABEL_INFO, Outputs, Pass
from pointpillars_ov_ros.bags.journal import JOURNAL, Journal
from pointpillars_ov_ros.bags.sources import Source, open_source
from pointpillars_ov_ros.bags.tally import Tally, print_tally
from pointpillars_ov_ros.cli.arguments import device_settings
from pointpillars_ov_ros.config.errors import PointPillarsError
from pointpillars_ov_ros.config.mapping import to_mapping
from pointpillars_ov_ros.config.runtime_config import DropPolicy, RuntimeConfig, from_plain
from pointpillars_ov_ros.conversion.open_model import open_model
from pointpillars_ov_ros.inference.engine import Engine

_TIMEOUT_S = 300.0
"""Of one inference. Nobody waits for it, and the machine may have much else to do."""
_WITHOUT_EFFECT = ("model_dir", "cache_dir", "inference_timeout", "num_threads")
"""Settings that the detections do not depend on, and the threads, which are others where another worker goes on."""


def run_detect_bag(options: argparse.Namespace) -> int:
    """Detect in a bag, and print what became of its clouds."""
    check_new(options.out)
    with open_source(options.source, options.topic) as source:
        # Before the networks are loaded, which takes its time.
        check_topics(source, options.detections)
    tally = detect_bag(options.source, options.out, open_engine(options), options)
    print_tally(options.out, tally)
    return 0


def open_engine(options: argparse.Namespace) -> Engine:
    """Make the engine that the flags ask for."""
    values = {
        **device_settings(options),
        **{name: getattr(options, name) for name in ("precision", "encoder", "mode", "score_threshold")},
        **{name: getattr(options, name) for name in ("intensity_field", "intensity_scale")},
        "num_threads": options.threads or 0,
        "drop_policy": DropPolicy.REPLAY.value,
        "inference_timeout": _TIMEOUT_S,
    }
    with TemporaryDirectory() as scratch:
        return Engine(open_model(options.model, Path(scratch) / "bundle"), from_plain(RuntimeConfig, values))


def detect_bag(path: Path, out: Path, engine: Engine, options: argparse.Namespace, show: bool = True) -> Tally:
    """Write the bag `out`, which is there when it is whole and not before.

    Raises InferenceError where a cloud could not be processed; done again, it goes on with that cloud.
    """
    check_new(out)
    begin, core_begin = time.monotonic(), time.process_time()
    with open_source(path, options.topic) as source:
        labels_topic = check_topics(source, options.detections)
        job = describe_job(source, engine)
        with (
            closing(Journal(unfinished(out).parent / JOURNAL, job)) as journal,
            new_bag(out, options.storage or source.storage) as bag,
            tqdm(total=source.clouds, unit="cloud", desc=path.name, disable=not show) as progress,
        ):
            if not options.only_detections:
                source.announce(bag)
            bag.add_topic(options.detections, DETECTIONS, latched=False)
            bag.add_topic(labels_topic, LABEL_INFO, latched=True)
            outputs = Outputs(bag, options.detections, labels_topic, options.only_detections)
            tally = Pass(source, engine, journal, outputs, progress.update).finish()
    tally.notes += source.notes
    tally.wall_s, tally.core_s = time.monotonic() - begin, time.process_time() - core_begin
    return tally


def check_topics(source: Source, detections: str) -> str:
    """Give the topic of label_info; PointPillarsError where it, or `detections`, is one of the input already."""
    if not detections.startswith("/"):
        raise PointPillarsError(f"--detections {detections}: the name of a topic begins with /")
    labels = detections.rpartition("/")[0] + "/label_info"
    for topic in (detections, labels):
        if topic in source.topics:
            raise PointPillarsError(f"--detections {detections}: there is a topic {topic} in the input already")
    return labels


def describe_job(source: Source, engine: Engine) -> dict[str, str]:
    """Say all that the detections depend on."""
    settings = {name: value for name, value in to_mapping(engine.runtime).items() if name not in _WITHOUT_EFFECT}
    return {
        "input": source.identity,
        "topic": source.cloud_topic,
        "model": " ".join([engine.config.name, *engine.config.sha256.values()]),
        **{name: str(value) for name, value in settings.items()},
    }
