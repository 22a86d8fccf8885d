# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Time a cloud in f32 and bf16 on the CPU, in turns, and check both answers: what the default precision costs.

`python -m benchmarks.cpu_precision --model models/streets_int8 --rounds 30`. On a CPU without bf16 there is nothing to
compare. Each round times both, one after the other, so that other work on the machine slows both alike.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import NamedTuple

import openvino as ov

from pointpillars_ov_ros.config.runtime_config import EncoderChoice, Precision, RuntimeConfig
from pointpillars_ov_ros.inference.engine import Engine
from pointpillars_ov_ros.inference.parity.check import check_engine
from pointpillars_ov_ros.inference.parity.cloud import built_in_cloud
from pointpillars_ov_ros.model.bundle import load_bundle

PRECISIONS = (Precision.F32, Precision.BF16)


class Times(NamedTuple):
    """Time from points to detections (ms)."""

    wall: float
    cpu: float
    """Of all threads: other work on the machine changes it less."""


def time_in_turns(engines: dict[Precision, Engine], rounds: int) -> dict[Precision, list[Times]]:
    """Return the times of the built-in cloud in every round."""
    times: dict[Precision, list[Times]] = {precision: [] for precision in engines}
    for number in range(rounds):
        for precision in list(engines)[:: 1 if number % 2 else -1]:
            engine = engines[precision]
            points = built_in_cloud(engine.config)
            begin, cpu_begin = time.monotonic(), time.process_time()
            engine.slots[0].detect(points, engine.settings)
            wall_s, cpu_s = time.monotonic() - begin, time.process_time() - cpu_begin
            times[precision].append(Times(1e3 * wall_s, 1e3 * cpu_s))
    return times


def main() -> None:
    """Measure, and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, nargs="+", help="model bundles")
    parser.add_argument("--rounds", type=int, default=30, help="clouds of each")
    options = parser.parse_args()
    core = ov.Core()
    capabilities = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    print(f"{core.get_property('CPU', 'FULL_DEVICE_NAME')}, {', '.join(capabilities)}\n")
    print("| bundle | RPN in | p50 (ms) | least | of CPU time, p50 | least | parity |\n|---|---|---|---|---|---|---|")
    for path in options.model:
        bundle = load_bundle(path)
        # The PFE stays in f32, on the host.
        engines = {
            each: Engine(bundle, RuntimeConfig(encoder=EncoderChoice.HOST, precision=each)) for each in PRECISIONS
        }
        times = time_in_turns(engines, options.rounds)
        for precision, engine in engines.items():
            wall, cpu = zip(*times[precision], strict=True)
            figures = [statistics.median(wall), min(wall), statistics.median(cpu), min(cpu)]
            cells = [bundle.config.name, precision.value, *(f"{figure:.1f}" for figure in figures)]
            cells.append(check_engine(engine).text)
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
