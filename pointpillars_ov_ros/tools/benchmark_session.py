# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What `pointpillars_ov benchmark` does once its arguments are known."""

from __future__ import annotations

import argparse
import dataclasses
import json
import platform
import tempfile
import time
from pathlib import Path
from typing import Any

import numba
import numpy as np
import openvino as ov
from sensor_msgs.msg import PointCloud2
from sensor_msgs_py.point_cloud2 import create_cloud
from std_msgs.msg import Header

from pointpillars_ov_ros import __version__
from pointpillars_ov_ros.core.mapping import to_mapping
from pointpillars_ov_ros.core.runtime_config import DropPolicy, RuntimeConfig, from_plain
from pointpillars_ov_ros.inference.engine import Engine
from pointpillars_ov_ros.inference.frames import FrameResult
from pointpillars_ov_ros.inference.timing import Stage, StageTimes
from pointpillars_ov_ros.model.bundle import ModelBundle
from pointpillars_ov_ros.nodes.conversions import read_cloud, to_detection_array
from pointpillars_ov_ros.nodes.kitti_player_node import FIELDS
from pointpillars_ov_ros.tools.inputs import open_frames, open_model
from pointpillars_ov_ros.tools.tables import format_durations, format_table, summarize


class Stopwatch:
    """Durations (ms) of every frame, by row of the table."""

    def __init__(self, classes: tuple[str, ...]) -> None:
        """Begin empty."""
        self._classes = classes
        rows = [*(stage.name.lower() for stage in Stage), "message", "host", "total"]
        self.rows: dict[str, list[float]] = {name: [] for name in rows}

    def take(self, result: FrameResult) -> None:
        """Build the detection message of a result, and note its times."""
        begin = time.monotonic_ns()
        to_detection_array(result.detections, self._classes, result.token)
        message_ms = (time.monotonic_ns() - begin) / 1e6
        for stage in Stage:
            self.rows[stage.name.lower()].append(result.times.duration_ms(stage))
        self.rows["message"].append(message_ms)
        self.rows["host"].append(result.times.host_ms + message_ms)
        self.rows["total"].append(result.times.total_ms + message_ms)


def run_benchmark(options: argparse.Namespace) -> int:
    """Measure the road from PointCloud2 to Detection3DArray, print, and write the report."""
    frames = open_frames(options.data, options.frames)
    clouds = [create_cloud(Header(frame_id="velodyne"), FIELDS, frame.read_points()) for frame in frames]
    runtime = _runtime(options)
    with tempfile.TemporaryDirectory() as scratch:
        bundle = open_model(options.model, Path(scratch) / "bundle")
        engine = Engine(bundle, runtime)
    stopwatch = Stopwatch(engine.config.classes)
    begin = time.monotonic()
    _measure(engine, clouds, options.repeat, stopwatch)
    elapsed_s = time.monotonic() - begin
    rss_mb = _peak_rss_mb()
    report = {
        **describe_run(bundle, runtime),
        "data": {
            "frames": len(frames),
            "median points": int(np.median([cloud.width for cloud in clouds])),
            "rounds": options.repeat,
        },
        "encoder": f"{engine.encoders.kind.value} ({engine.encoders.reason})",
        "effective settings": engine.effective_settings(),
        "load and warm-up (s)": round(engine.load_s, 3),
        "frames per second": round(len(clouds) * options.repeat / elapsed_s, 3),
        "peak RSS (MB)": round(rss_mb),
        "durations (ms)": {name: summarize(values) for name, values in stopwatch.rows.items()},
    }
    _print(report, stopwatch)
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        print(f"\nreport   {options.json}")
    return 0


def describe_run(bundle: ModelBundle, runtime: RuntimeConfig) -> dict[str, Any]:
    """Say what a report is of: when, on what machine, with which versions, model and settings."""
    return {
        "date": time.strftime("%Y-%m-%d"),
        "machine": _machine(),
        "versions": {
            "pointpillars_ov_ros": __version__,
            "openvino": ov.__version__,
            "numpy": np.__version__,
            "numba": numba.__version__,
            "python": platform.python_version(),
        },
        "model": bundle.config.name,
        "settings": to_mapping(dataclasses.replace(runtime, model_dir="")),
    }


def _runtime(options: argparse.Namespace) -> RuntimeConfig:
    values: dict[str, Any] = {
        "pfe_device": options.device,
        "rpn_device": options.device,
        "precision": options.precision,
        "mode": options.mode,
        "encoder": options.encoder,
        "pfe_shape": options.pfe_shape,
        "drop_policy": DropPolicy.REPLAY.value,
    }
    if options.pfe_block is not None:
        values["pfe_block"] = options.pfe_block
    return from_plain(RuntimeConfig, values)


def _measure(engine: Engine, clouds: list[PointCloud2], rounds: int, stopwatch: Stopwatch) -> None:
    """Run every cloud through one pipeline; one round before those that count."""
    runtime = engine.runtime
    for receiver, repeat in ((lambda _: None, 1), (stopwatch.take, rounds)):
        pipeline = engine.open_pipeline(receiver)
        for _ in range(repeat):
            for message in clouds:
                times = StageTimes()
                times.begin(Stage.CONVERT, time.monotonic_ns())
                cloud = read_cloud(message, runtime.intensity_field, runtime.intensity_scale)
                times.end(Stage.CONVERT, time.monotonic_ns())
                pipeline.submit(cloud.points, message.header, times)
                if len(engine.slots) == 1:
                    # One frame in flight means that the next cloud is not even converted beside it.
                    pipeline.drain()
        pipeline.drain()
        pipeline.close()


def _print(report: dict[str, Any], stopwatch: Stopwatch) -> None:
    machine, data = report["machine"], report["data"]
    print(f"\n{machine['processor']}, {machine['cores']} cores; OpenVINO {report['versions']['openvino']}")
    print(
        f"{report['model']}, {data['frames']} frames of about {data['median points']} points, {data['rounds']} rounds, "
        f"{report['settings']['mode']} mode\nencoder: {report['encoder']}\n"
    )
    settings = report["effective settings"]
    names = list(settings["pfe"])
    print(format_table(["network", *names], [[n, *(settings[n].get(k, "-") for k in names)] for n in settings]))
    print()
    print(format_durations("stage (ms)", stopwatch.rows))
    print(
        "\nhost: all but queue, PFE and RPN. total: cloud message in to detection message built.\n"
        f"{report['frames per second']:.2f} frames/s, load and warm-up {report['load and warm-up (s)']:.1f} s, "
        f"peak RSS {report['peak RSS (MB)']} MB"
    )


def _machine() -> dict[str, Any]:
    import os

    processor = platform.processor() or platform.machine()
    for line in _lines(Path("/proc/cpuinfo")):
        if line.startswith("model name"):
            processor = line.partition(":")[2].strip()
            break
    return {"processor": processor, "cores": len(os.sched_getaffinity(0)), "system": platform.platform()}


def _peak_rss_mb() -> float:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
