# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Implementation of `pointpillars_ov timeline`: record, then draw from the recording."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue

from pointpillars_ov_ros.cli.machine import look_around
from pointpillars_ov_ros.cli.pages import render
from pointpillars_ov_ros.cli.patience import say
from pointpillars_ov_ros.cli.plotting import SERIES
from pointpillars_ov_ros.cli.timeline.device import Device, OpenVinoDevice, SimulatedSwitch
from pointpillars_ov_ros.cli.timeline.plot import draw_recording
from pointpillars_ov_ros.cli.timeline.recording import (
    OVERLOADED_AFTER,
    Entry,
    Recording,
    TimelineRun,
    batches,
    describe_run,
    dump,
    failures,
    overtaken,
    read_recording,
)
from pointpillars_ov_ros.config.errors import InferenceError
from pointpillars_ov_ros.config.files import write_text
from pointpillars_ov_ros.config.mapping import to_mapping
from pointpillars_ov_ros.conversion.open_model import open_model
from pointpillars_ov_ros.inference.device.devices import fit_device, is_cpu_alone
from pointpillars_ov_ros.inference.device.properties import parse_properties

_HANGS_S = 120.0
_OVERLOADED_S = 1.0
"""A request that waits for so long to be taken is said at once."""


def run_timeline(options: argparse.Namespace) -> int:
    """Record, or read a recording; print what it shows, and draw it."""
    if options.study == "draw":
        recording = read_recording(options.recording)
    else:
        recording = record(options)
        write_text(options.json, dump(recording))
        print(f"recording  {options.json}")
    for run in recording.runs:
        print(f"\n{run.title}{f' (SIMULATED: {run.simulated})' if run.simulated else ''}")
        for line in describe_run(recording, run):
            print(f"  {line}")
    print()
    if options.picture is not None:
        draw_recording(options.picture, recording)
        print(f"picture    {options.picture}")
    if options.page is not None:
        write_text(options.page, make_page(recording))
        print(f"page       {options.page}")
    failed = [entry for run in recording.runs for entry in failures(run)]
    if failed:
        raise InferenceError(f"{len(failed)} requests failed, the first (number {failed[0].number}): {failed[0].error}")
    return 0


def make_page(recording: Recording) -> str:
    """Return one HTML page: a description of each run, and an interactive diagram."""
    runs = [
        {
            **to_mapping(run),
            "lines": describe_run(recording, run),
            "groups": [[entry.number for entry in group] for group in batches(run)],
            "late": [entry.number for entry in overtaken(run)],
        }
        for run in recording.runs
    ]
    return render("timeline", kind=recording.kind, colors=SERIES, data={**to_mapping(recording), "runs": runs})


def record(options: argparse.Namespace) -> Recording:
    """Compile and send the requests, once for each case to compare."""
    with tempfile.TemporaryDirectory() as scratch:
        path, name = find_network(options.model, options.network, Path(scratch))
        properties = read_properties(options)
        cases = {f"{name} on {options.device}": properties}
        if options.study == "auto-switch" and options.cache_dir is not None:
            cached = {**properties, "CACHE_DIR": str(options.cache_dir)}
            # Fills the cache if necessary; a start without and one with it are compared.
            OpenVinoDevice(path, options.device, cached, 1)
            cases = {f"{name} on {options.device}, no cache": properties, "the same with a filled cache": cached}
        runs = [_record_run(options, title, path, case) for title, case in cases.items()]
    asked = {"device": options.device, "interval_ms": f"{options.interval:g}", "at once": str(options.at_once)}
    surroundings = look_around(name)
    return Recording(options.study, surroundings.line(), surroundings.date, {**asked, **properties}, tuple(runs))


def find_network(model: Path | None, network: str, scratch: Path) -> tuple[Path, str]:
    """Return the requested IR file, and a name for it.

    `model` is a bundle, a folder of IR files, or an IR file; None: the bundled model.
    """
    if model is not None and model.suffix == ".xml":
        return model, model.stem
    bundle = open_model(model, scratch / "bundle")
    file = bundle.config.rpn.file if network == "rpn" else bundle.config.pfe.file
    return bundle.path(file), f"{network.upper()} of {bundle.config.name}"


def read_properties(options: argparse.Namespace) -> dict[str, str]:
    """Return the OpenVINO properties of the flags; ConfigError if one is not NAME=VALUE."""
    properties = parse_properties(" ".join(options.set), "--set")
    if options.study == "auto-batch" and options.timeout is not None:
        properties["AUTO_BATCH_TIMEOUT"] = str(options.timeout)
    return properties


def send(
    device: Device,
    begin: float,
    count: int,
    interval_s: float,
    at_once: int,
    on_overload: Callable[[float], None] = lambda waited_s: None,
) -> tuple[Entry, ...]:
    """Send `count` requests, one every `interval_s` from now on, at most `at_once` concurrently.

    A request that is due while all are busy waits until one is free; later ones are not postponed, only late. If the
    device does not keep up, `on_overload` is called once with how long a request has waited (s). Raises InferenceError
    if one hangs.
    """
    free: SimpleQueue[int] = SimpleQueue()
    for index in range(at_once):
        free.put(index)
    done: SimpleQueue[Entry] = SimpleQueue()
    first, is_said = time.monotonic(), False
    for number in range(count):
        due = first + number * interval_s
        time.sleep(max(0.0, due - time.monotonic()))
        request = _wait_for_free(free)
        accepted = time.monotonic()
        if not is_said and accepted - due > max(_OVERLOADED_S, OVERLOADED_AFTER * interval_s):
            is_said = True
            on_overload(accepted - due)

        def finished(error: str, n: int = number, r: int = request, due: float = due, taken: float = accepted) -> None:
            due_ms, taken_ms, done_ms = (1e3 * (moment - begin) for moment in (due, taken, time.monotonic()))
            done.put(Entry(n, due_ms, taken_ms, done_ms, device.executing(), error))
            free.put(r)

        device.start(request, finished)
    # Each request that is free again is one that is done.
    for _ in range(at_once):
        _wait_for_free(free)
    return tuple(sorted((done.get() for _ in range(count)), key=lambda entry: entry.number))


def _wait_for_free(free: SimpleQueue[int]) -> int:
    try:
        return free.get(timeout=_HANGS_S)
    except Empty:
        raise InferenceError(f"no request ended within {_HANGS_S:g} s") from None


def _record_run(options: argparse.Namespace, title: str, path: Path, properties: dict[str, str]) -> TimelineRun:
    simulated = ""
    begin = time.monotonic()
    device: Device = OpenVinoDevice(path, options.device, properties, options.at_once)
    compiled = time.monotonic()
    if options.study == "auto-switch" and options.simulate is not None:
        compile_s, latency_ms = options.simulate
        device = SimulatedSwitch(device, begin, compile_s, latency_ms / 1e3)
        simulated = f"a device that compiles for {compile_s:g} s and then takes {latency_ms:g} ms per request"
    elif options.study == "auto-switch" and is_cpu_alone(fit_device(options.device, "--device")[0]):
        say(
            f"{options.device} means only the CPU on this machine, so there will be no switch; "
            "--simulate 3:20 simulates a second device, which compiles for 3 s and then takes 20 ms per request"
        )
    on_overload = partial(_say_overload, options) if options.study == "auto-switch" else lambda waited_s: None
    entries = send(device, begin, options.requests, options.interval / 1e3, options.at_once, on_overload)
    return TimelineRun(title, 1e3 * (compiled - begin), device.effective(), entries, simulated)


def _say_overload(options: argparse.Namespace, waited_s: float) -> None:
    say(
        f"overloaded: a request has waited {waited_s:.1f} s, since the device takes longer than the "
        f"{options.interval:g} ms between requests; a longer --interval shows latencies, and fewer "
        "--requests end sooner"
    )
