# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Detection in a bag: writes the bag with detections added, completely, or resumes an unfinished one."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from tqdm import tqdm

from pointpillars_ov_ros.bags.detection_pass import BagOutputs, DetectionPass, OutputTopics, PendingMessage
from pointpillars_ov_ros.bags.journal import JOURNAL, Journal
from pointpillars_ov_ros.bags.placement import BagPlacement
from pointpillars_ov_ros.bags.sources import MessageSource, open_source
from pointpillars_ov_ros.bags.tally import CloudTally
from pointpillars_ov_ros.bags.writer import check_new, new_bag, unfinished
from pointpillars_ov_ros.clouds.files import AS_FOUND, FileReading
from pointpillars_ov_ros.clouds.transform import Transform
from pointpillars_ov_ros.config.errors import PointPillarsError
from pointpillars_ov_ros.config.mapping import to_mapping
from pointpillars_ov_ros.config.runtime_config import DropPolicy, Mode, RuntimeConfig
from pointpillars_ov_ros.conversion.open_model import open_model
from pointpillars_ov_ros.core.detection_filter import DetectionFilter, check_filter
from pointpillars_ov_ros.inference.engine import Engine
from pointpillars_ov_ros.ros.settings import DetectorNodeConfig

_TIMEOUT_S = 300.0
"""Limit of one inference. Nobody waits for it, and the machine may be busy otherwise."""
_WITHOUT_EFFECT = ("model_dir", "cache_dir", "inference_timeout", "num_threads")
"""Settings that do not affect the detections, and the threads, which differ if another worker resumes."""
_OF_THE_NODE = (
    "classes", "class_names", "min_range", "max_range", "ego_box", "sensor_pose", "target_frame", "sweeps", "sweep_age",
    "odom_frame",
)  # fmt: skip
"""Settings of the node that affect the detections."""


@dataclass(frozen=True)
class BagOptions:
    """What to read from a bag, how to detect, and what to write."""

    topic: str | None = None
    """Topic of the clouds, in any namespace unless one is given; None: the only topic of PointCloud2."""
    detections: str = "/detections"
    """Topic for the detections; label_info is beside it."""
    only_detections: bool = False
    """Leave the messages of the input out of the output."""
    storage: str | None = None
    """Storage of the output: mcap or sqlite3; None: as the input."""
    markers: bool = True
    """Also write markers, unless only detections are written."""
    node: DetectorNodeConfig = field(default_factory=DetectorNodeConfig)
    """Where the clouds are, and which detections are kept under which names, as settings of the node."""
    model: Path | None = None
    """Bundle, or folder with the IR files of PFE and RPN; None: the bundled model."""
    runtime: RuntimeConfig = field(default_factory=lambda: RuntimeConfig(mode=Mode.THROUGHPUT))
    reading: FileReading = AS_FOUND
    """How the files of a folder of frames are read."""


def open_engine(options: BagOptions) -> Engine:
    """Load and compile the model."""
    runtime = replace(options.runtime, drop_policy=DropPolicy.REPLAY, inference_timeout=_TIMEOUT_S)
    with TemporaryDirectory() as scratch:
        return Engine(open_model(options.model, Path(scratch) / "bundle"), runtime)


def detect_bag(
    path: Path, out: Path, options: BagOptions, make_engine: Callable[[], Engine], show: bool = True
) -> CloudTally:
    """Write the bag `out`, which appears only when it is complete.

    `make_engine` is called when the input is known to have clouds, since loading networks takes time. Raises
    InferenceError if a cloud could not be processed; repeated, it continues with that cloud.
    """
    check_new(out)
    with open_source(path, options.topic, options.reading) as source:
        source.reads_tf = options.node.needs_tf
        topics = output_topics(source, options)
        engine = make_engine()
        check_filter(engine.config.classes, options.node.classes, options.node.class_names)
        begin, core_begin = time.monotonic(), time.process_time()
        chosen = choose_detections(engine.config.classes, options.node)
        job = describe_job(source, engine, options)
        with (
            closing(Journal(unfinished(out).parent / JOURNAL, job)) as journal,
            new_bag(out, options.storage or source.storage) as bag,
            tqdm(total=source.clouds, unit="cloud", desc=path.name, disable=not show) as progress,
        ):
            if not options.only_detections:
                source.announce(bag)
            outputs = BagOutputs(bag, topics, chosen.classes, Transform.from_pose(*options.node.sensor_pose))
            copy_to = None if options.only_detections else bag
            place: BagPlacement[PendingMessage] = BagPlacement(options.node)
            tally = DetectionPass(source, engine, journal, outputs, chosen, place, copy_to, progress.update).run()
    tally.notes += source.notes
    tally.wall_s, tally.core_s = time.monotonic() - begin, time.process_time() - core_begin
    return tally


def output_topics(source: MessageSource, options: BagOptions) -> OutputTopics:
    """Return the topics to write; PointPillarsError if one of them already exists in the input."""
    name = options.detections
    if not name.startswith("/"):
        raise PointPillarsError(f"--detections {name}: a topic name must begin with /")
    folder = name.rpartition("/")[0]
    has_markers = options.markers and not options.only_detections
    topics = OutputTopics(name, f"{folder}/label_info", f"{folder}/markers" if has_markers else "")
    for topic in topics:
        if topic in source.topics:
            without = ", or use --no-markers" if topic == topics.markers else ""
            raise PointPillarsError(
                f"--detections {name}: the input already has a topic {topic}; choose another name{without}"
            )
    return topics


def describe_job(source: MessageSource, engine: Engine, options: BagOptions) -> dict[str, str]:
    """Return everything that the detections depend on, by name."""
    settings = {name: value for name, value in to_mapping(engine.runtime).items() if name not in _WITHOUT_EFFECT}
    return {
        "input": source.identity,
        "topic": source.cloud_topic,
        **{name: _plain(getattr(options.node, name)) for name in _OF_THE_NODE},
        "model": " ".join([engine.config.name, *engine.config.sha256.values()]),
        **{name: str(value) for name, value in settings.items()},
        "coordinate_scale": f"{source.coordinate_scale:g}",
    }


def choose_detections(known: tuple[str, ...], node: DetectorNodeConfig) -> DetectionFilter:
    """Return the filter for the detections of a network with the classes `known`."""
    return DetectionFilter.make(known, node.classes, node.class_names, node.min_range, node.max_range)


def _plain(value: object) -> str:
    return " ".join(f"{number:g}" for number in value) if isinstance(value, tuple) else str(value)
