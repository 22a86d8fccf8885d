# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`benchmark --networks`: each network alone, one request at a time and several at once, then both side by side."""

from __future__ import annotations

import argparse
import logging
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from pointpillars_ov_ros.cli.benchmark.matrix import expand
from pointpillars_ov_ros.cli.machine import look_around
from pointpillars_ov_ros.cli.measurement.bare_networks import compile_pfe, compile_rpn, make_request
from pointpillars_ov_ros.cli.measurement.workloads import run_at_once, run_bare, run_side_by_side
from pointpillars_ov_ros.cli.tables import format_table, summarize
from pointpillars_ov_ros.config.errors import count_of
from pointpillars_ov_ros.config.files import write_json
from pointpillars_ov_ros.config.runtime_config import PerformanceHint, RuntimeConfig
from pointpillars_ov_ros.conversion.open_model import open_model
from pointpillars_ov_ros.inference.device.devices import fit_to_machine, is_cpu_alone
from pointpillars_ov_ros.inference.device.network import Network, Request
from pointpillars_ov_ros.model.bundle import ModelBundle
from pointpillars_ov_ros.model.ports import pfe_ports, rpn_ports

log = logging.getLogger(__name__)

_INFERENCES = 8
"""Number of inferences of each network per round, in each way."""

LEGEND = """\
one by one: compiled with the hint LATENCY, the next request starts when the last has ended. at once: compiled with the
hint THROUGHPUT, with the number of requests that the plugin recommends. beside: the PFE for all pillars and the last
RPN, each one by one, at the same time; share: the speed relative to that alone. The FPS of a PFE for fewer
pillars than the first one are requests per second: a frame takes several."""


@dataclass(frozen=True)
class NetworkVariant:
    """A network in one of the ways in which it can run."""

    name: str
    make: Callable[[PerformanceHint], tuple[Network, Callable[[], Request]]]


@dataclass
class Figures:
    """Figures of a network on a device, in a precision."""

    network: str
    device: str
    asked: str
    """Precision requested from the device."""
    precision: str
    """Precision read back from the compiled network."""
    size_mb: float
    """Size of its weights in the bundle."""
    compile_s: float
    request_ms: dict[str, float]
    """Durations with one request at a time."""
    requests: int
    """Number of concurrent requests."""
    fps: float
    """Frames per second with that many concurrent requests."""
    beside_fps: float | None = None
    """Frames per second one at a time, while the other network also runs."""
    beside_share: float | None = None
    """Ratio of that to the speed one at a time, alone."""


class _Work:
    """A variant ready to run in both ways."""

    def __init__(self, variant: NetworkVariant) -> None:
        self.name = variant.name
        self.network, make = variant.make(PerformanceHint.LATENCY)
        self.request = make()
        streams, make_more = variant.make(PerformanceHint.THROUGHPUT)
        self.requests = [make_more() for _ in range(streams.optimal_requests)]
        self.times_ms: list[float] = []
        self.fps: list[float] = []
        for request in (self.request, *self.requests):
            run_bare(request)

    def turn(self) -> None:
        self.times_ms += [run_bare(self.request) for _ in range(_INFERENCES)]
        self.fps.append(run_at_once(self.requests, _INFERENCES))

    def figures(self, device: str, asked: str, size_mb: float) -> Figures:
        precision = self.network.effective_settings().get("INFERENCE_PRECISION_HINT", "")
        times = summarize(self.times_ms)
        count, fps = len(self.requests), median(self.fps)
        return Figures(self.name, device, asked, precision, size_mb, self.network.compile_s, times, count, fps)


def run_networks(options: argparse.Namespace) -> int:
    """Measure, print, and write the report."""
    runtimes = _distinct(expand(options))
    with tempfile.TemporaryDirectory() as scratch:
        bundle = open_model(options.model, Path(scratch) / "bundle")
        surroundings = look_around(bundle.config.name)
        print(surroundings.line())
        begin = time.monotonic()
        figures = [row for runtime in runtimes for row in measure_networks(bundle, runtime, options.repeat)]
    print(f"{count_of(options.repeat, 'round')} of {_INFERENCES} inferences in {time.monotonic() - begin:.0f} s\n")
    print(f"{format_figures(figures)}\n\n{LEGEND}")
    if options.json is not None:
        report = {**asdict(surroundings), "rounds": options.repeat, "networks": [asdict(row) for row in figures]}
        write_json(options.json, report)
        print(f"\nreport   {options.json}")
    return 0


def measure_networks(bundle: ModelBundle, runtime: RuntimeConfig, rounds: int) -> list[Figures]:
    """Measure every variant on the devices of `runtime`; all take turns within a round."""
    runtime, warnings = fit_to_machine(runtime)
    for warning in warnings:
        log.warning("%s", warning)
    works = [_Work(variant) for variant in variants(bundle, runtime)]
    whole, lean = works[0], works[-1]
    beside: list[tuple[float, float]] = []
    for index in range(rounds):
        for work in works if index % 2 == 0 else works[::-1]:
            work.turn()
        beside.append(run_side_by_side(whole.request, lean.request, _INFERENCES))
    config, rows = bundle.config, []
    for work in works:
        is_pfe = work.name.startswith("PFE")
        path = bundle.path(config.pfe.file if is_pfe else config.rpn.file).with_suffix(".bin")
        device = runtime.pfe_device if is_pfe else runtime.rpn_device
        rows.append(work.figures(device, runtime.precision.value, path.stat().st_size / 1e6))
    for row, fps in zip((rows[0], rows[-1]), zip(*beside, strict=True), strict=True):
        row.beside_fps = median(fps)
        row.beside_share = row.beside_fps * row.request_ms["p50"] / 1e3
    return rows


def variants(bundle: ModelBundle, runtime: RuntimeConfig) -> list[NetworkVariant]:
    """Return the PFE for all pillars at once and in blocks, and the RPN unchanged and rewritten."""
    config = bundle.config
    limit = config.grid.max_pillars
    block = min(runtime.pfe_block or limit, limit)

    def pfe(pillars: int) -> NetworkVariant:
        def make(hint: PerformanceHint) -> tuple[Network, Callable[[], Request]]:
            network = compile_pfe(bundle, replace(runtime, performance_hint=hint), pillars)
            return network, lambda: make_request(network, list(pfe_ports(config, pillars).inputs))

        return NetworkVariant(f"PFE, {pillars} pillars", make)

    def rpn(name: str, lean: bool) -> NetworkVariant:
        def make(hint: PerformanceHint) -> tuple[Network, Callable[[], Request]]:
            network = compile_rpn(bundle, replace(runtime, performance_hint=hint, lean_rpn=lean))
            return network, lambda: make_request(network, list(rpn_ports(config).inputs))

        return NetworkVariant(name, make)

    blocks = [pfe(block)] if block < limit else []
    rewritten = [rpn("RPN, rewritten", True)] if is_cpu_alone(runtime.rpn_device) else []
    return [pfe(limit), *blocks, rpn("RPN, unchanged", False), *rewritten]


def format_figures(figures: Sequence[Figures]) -> str:
    """Tabulate the figures, one row each."""
    header = ["network", "device", "precision", "MB", "compile (s)", "one by one: p50", "p90 (ms)", "at once", "FPS"]
    rows = []
    for f in figures:
        precision = f.asked if f.asked == f.precision else f"{f.asked}: {f.precision}"
        row = [f.network, f.device, precision, f"{f.size_mb:.1f}", f"{f.compile_s:.2f}"]
        row += [f"{f.request_ms['p50']:.1f}", f"{f.request_ms['p90']:.1f}", str(f.requests), f"{f.fps:.2f}"]
        is_beside = f.beside_fps is not None and f.beside_share is not None
        rows.append([*row, *([f"{f.beside_fps:.2f}", f"{f.beside_share:.2f}"] if is_beside else ["", ""])])
    return format_table([*header, "beside: FPS", "share"], rows)


def _distinct(runtimes: Sequence[RuntimeConfig]) -> list[RuntimeConfig]:
    """Return one per precision: networks alone depend neither on the mode nor on the encoder."""
    kept: dict[Any, RuntimeConfig] = {}
    for runtime in runtimes:
        kept.setdefault(runtime.precision, runtime)
    return list(kept.values())
