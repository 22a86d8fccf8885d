# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Implementation of `pointpillars_ov demo`, once its arguments are known."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import rclpy
from ament_index_python.packages import get_package_share_directory
from rclpy.executors import SingleThreadedExecutor
from tqdm import tqdm

from pointpillars_ov_ros.bags.writer import BagWriter
from pointpillars_ov_ros.cli.arguments import device_settings
from pointpillars_ov_ros.cli.birds_eye_view import draw_birds_eye_view
from pointpillars_ov_ros.cli.demo.recorder import CLEAR_POINTS, CLEAR_WITHIN_M, FrameScore, Recorder
from pointpillars_ov_ros.cli.patience import FIRST_TIME, PATIENCE_S, say
from pointpillars_ov_ros.cli.processes import NodeProcesses
from pointpillars_ov_ros.cli.tables import format_durations, format_table
from pointpillars_ov_ros.config.errors import PointPillarsError, count_of
from pointpillars_ov_ros.config.model_config import ModelConfig
from pointpillars_ov_ros.config.runtime_config import Mode
from pointpillars_ov_ros.conversion.open_model import open_model
from pointpillars_ov_ros.inference.pipeline.frames import Stage
from pointpillars_ov_ros.inference.pipeline.scheduler import SCHEDULES
from pointpillars_ov_ros.kitti.frames import can_crop, open_frames
from pointpillars_ov_ros.ros.dds import transport_warning, with_profile

_SILENCE_S = 120.0
"""Silence after which something must be wrong; loading and compiling take seconds."""
_DIAGNOSTICS_S = 5.0
_SIMULATED_FRAMES = 40


def run_demo(options: argparse.Namespace) -> int:
    """Start the nodes, record until every cloud has its result, write picture, bag and tables."""
    begin = time.monotonic()
    if options.data is None:
        options.data = simulate_drive(options)
    frames = open_frames(options.data, options.frames)
    bundle = open_model(options.model, options.out / "bundle")
    share = Path(get_package_share_directory("pointpillars_ov_ros"))
    os.environ.update(with_profile(os.environ, share))
    warning = transport_warning()
    if warning:
        print(f"warning: {warning}")
    options.out.mkdir(parents=True, exist_ok=True)
    with (
        BagWriter(options.out / "bag") as bag,
        NodeProcesses(options.out / "logs", os.environ) as nodes,
    ):
        rclpy.init()
        recorder = Recorder(bag, bundle.config.classes)
        try:
            if not options.attach:
                start_nodes(nodes, options, bundle.folder, all(can_crop(frame) for frame in frames))
            watch(recorder, nodes, len(frames))
        finally:
            recorder.destroy_node()
            rclpy.try_shutdown()
    report(recorder, options.out, bundle.config, len(frames))
    print(f"done in {time.monotonic() - begin:.0f} s\n")
    print(describe_next_steps(frames[0].cloud))
    return 0 if recorder.detection_arrays == len(frames) else 1


def simulate_drive(options: argparse.Namespace) -> Path:
    """Simulate the drive to play, replacing that of an earlier demo; return its folder."""
    from pointpillars_ov_ros.cli.simulate.run import write_frames
    from pointpillars_ov_ros.synthetic import load_sensor

    folder: Path = options.out / "drive"
    if folder.exists():
        shutil.rmtree(folder)
    print("no --data: playing a drive through a simulated street")
    write_frames(folder, load_sensor("hdl_64e"), options.frames or _SIMULATED_FRAMES, seed=0, is_drive=True)
    return folder


def start_nodes(nodes: NodeProcesses, options: argparse.Namespace, bundle: Path, crop: bool) -> None:
    """Start detector, diagnostics and player; the player itself waits for detector and recorder."""
    mode = Mode(options.mode)
    nodes.start(
        "pointpillars_detector",
        {
            "model_dir": str(bundle.resolve()),
            "drop_policy": "replay",
            "mode": mode.value,
            **{name: value for name, value in device_settings(options).items() if value},
            "record_trace": "" if options.record_trace is None else str(options.record_trace.resolve()),
        },
    )
    nodes.start("pointpillars_diagnostics", {})
    nodes.start(
        "kitti_player",
        {
            "data_dir": str(options.data.resolve()),
            "max_frames": options.frames,
            "rate": float(options.rate),
            "crop_to_image": crop,
            "wait_for_subscribers": 2,
            # One more than there are frame slots keeps them all busy; any further one would only wait.
            "max_outstanding": SCHEDULES[mode].slots + 1,
        },
    )


def watch(recorder: Recorder, nodes: NodeProcesses, expected: int) -> None:
    """Spin until the detector has reported on `expected` clouds, and the diagnostics on the last of them."""
    executor = SingleThreadedExecutor()
    executor.add_node(recorder)
    heard, is_said = time.monotonic(), False
    with tqdm(total=expected, unit="cloud", desc="detecting") as progress:
        while not recorder.has_all_of(expected):
            executor.spin_once(timeout_sec=0.2)
            nodes.check()
            if progress.n < len(recorder.timings):
                progress.update(len(recorder.timings) - progress.n)
                heard = time.monotonic()
            elif not recorder.timings and not is_said and time.monotonic() - heard > PATIENCE_S:
                is_said = True
                say(f"the detector is still starting: {FIRST_TIME}")
            elif time.monotonic() - heard > _SILENCE_S:
                raise PointPillarsError(
                    f"no result for {_SILENCE_S:.0f} s: {count_of(recorder.clouds, 'cloud')} seen, "
                    f"{len(recorder.timings)} reported by the detector"
                )
    deadline = time.monotonic() + _DIAGNOSTICS_S
    while recorder.diagnosed < expected and time.monotonic() < deadline:
        executor.spin_once(timeout_sec=0.2)


def report(recorder: Recorder, out: Path, config: ModelConfig, played: int) -> None:
    """Plot the picture and print the tables."""
    timings = recorder.timings
    done = [timing for timing in timings if not timing.error]
    if done:
        durations = {stage.name.lower(): [getattr(t, f"{stage.name.lower()}_ms") for t in done] for stage in Stage}
        durations["host"] = [timing.host_ms for timing in done]
        durations["total"] = [timing.total_ms for timing in done]
        last = done[-1]
        if last.warnings:
            print(f"warning: {last.warnings}", file=sys.stderr)
        print(f"\nPFE on {last.pfe_device} in {last.pfe_precision}, RPN on {last.rpn_device} in {last.rpn_precision}")
        print(format_durations("stage (ms)", durations))
    last = timings[-1]
    print(
        f"\n{count_of(played, 'cloud')} played, {recorder.clouds} received on the topic; "
        f"the detector received {last.received}:"
    )
    accounts = [(name, str(getattr(last, name))) for name in ("completed", "dropped", "refused", "failed")]
    print(format_table(("clouds", "number"), accounts))
    for timing in timings:
        if timing.error:
            print(f"  {timing.error}")
    if recorder.scores:
        print("\n" + describe_scores(recorder.scores, config))
    if recorder.best is not None:
        scene = recorder.best
        picture = out / "birds_eye_view.png"
        title = f"{config.name}: {count_of(len(scene.detections), 'detection')}"
        draw_birds_eye_view(picture, scene.points, scene.detections, scene.truth, config.classes, config.grid, title)
        print(f"\npicture  {picture}")
    print(f"bag      {out / 'bag'} (MCAP: Foxglove, `ros2 bag info`)")
    print(f"logs     {out / 'logs'}")


def describe_scores(scores: list[FrameScore], config: ModelConfig) -> str:
    """Describe how many labelled objects are found, among the well visible and all, and the false detections."""
    frames, false = len(scores), sum(score.false for score in scores)
    found = np.concatenate([score.is_found for score in scores])
    clear = np.concatenate([score.is_clear for score in scores])
    lines = [f"{', '.join(config.classes)} in {count_of(frames, 'labelled frame')}:"]
    for name, chosen in (
        (f"with at least {CLEAR_POINTS} points within {CLEAR_WITHIN_M:g} m", found[clear]),
        ("that are labelled, however far and hidden", found),
    ):
        share = f"{chosen.mean():.0%} found ({chosen.sum()} of {len(chosen)})" if len(chosen) else "there is none"
        lines.append(f"  of the objects {name}: {share}")
    lines.append(f"  boxes where no object is labelled: {false / frames:.1f} a frame ({false})")
    lines.append("  by the boxes as published and drawn; found: one lies within 1 m of the object, by their centres")
    return "\n".join(lines)


def describe_next_steps(cloud: Path) -> str:
    """Return suggestions for further commands, as typed in the shell that this was started from."""
    tool, node = typed_command("pointpillars_ov"), typed_command("pointpillars_detector")
    return (
        f"next     {tool} detect {shlex.quote(str(cloud))} --picture boxes.png\n"
        "         the same with clouds of your own: .pcd, .bin, .npy, .ply, a bag, or a folder of them\n"
        f"         {node} --ros-args -r points:=/velodyne_points\n"
        "         the detector on a live LiDAR, with its topic in the place of /velodyne_points"
    )


def typed_command(name: str, environment: Mapping[str, str] = os.environ) -> str:
    """Return how a command of this package is typed: without the folder only if a shell finds it."""
    folder = Path(sys.prefix) / "bin"
    if environment.get("VIRTUAL_ENV") == sys.prefix or sys.prefix == sys.base_prefix:
        return name if shutil.which(name) else f"ros2 run pointpillars_ov_ros {name}"
    if not (folder / name).is_file():
        return f"ros2 run pointpillars_ov_ros {name}"
    return shlex.quote(os.path.relpath(folder / name))
