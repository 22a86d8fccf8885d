# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Report of `benchmark` as tables and as a document for JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from pointpillars_ov_ros.cli.benchmark.figures import BareNetwork, Measurement
from pointpillars_ov_ros.cli.benchmark.matrix import describe, encoder_name
from pointpillars_ov_ros.cli.machine import Surroundings
from pointpillars_ov_ros.cli.tables import PERCENTILES, format_table
from pointpillars_ov_ros.config.mapping import to_mapping

LEGEND = """\
p50 to max (ms): from cloud message to detection message. /RPN: p50 relative to that of a bare request of the same RPN.
FPS/RPN: relative to inferences per second of the bare RPN at its optimal number of requests. CPU %: of the process,
100 is one core. PFE %, RPN %, any %: of the time, with an inference of that network, or of either, in progress.
RSS, peak (MB): after one round, before anything was created for comparison. load (s): to read, compile and warm up."""

STAGES_LEGEND = """\
queue: waiting for a frame slot. host: all but queue, PFE and RPN. in flight: from the slot to the end of decode.
total: from cloud message to detection message."""


def document(
    surroundings: Surroundings, frames: int, points: int, rounds: int, measurements: Sequence[Measurement]
) -> dict[str, Any]:
    """Return the complete report in plain types."""
    return {
        **dataclasses.asdict(surroundings),
        "data": {"frames": frames, "median_points": points, "rounds": rounds},
        "configurations": [_plain(measurement) for measurement in measurements],
    }


def format_summary(measurements: Sequence[Measurement]) -> str:
    """Tabulate the main figures, one row per configuration."""
    header = ["mode", "encoder", "precision", "FPS", *PERCENTILES, "/RPN", "FPS/RPN", "CPU %"]
    header += ["PFE %", "RPN %", "any %", "RSS", "peak", "load"]
    rows = []
    for m in measurements:
        shares = [m.cpu_percent, m.busy_percent["pfe"], m.busy_percent["rpn"], m.busy_percent["either"]]
        row = [m.runtime.mode.value, _encoder(m), _precision(m), f"{m.fps:.2f}"]
        row += [f"{value:.1f}" for value in m.durations_ms["total"].values()]
        row += [f"{m.total_by_rpn:.3f}", f"{m.fps_by_rpn:.3f}", *(f"{share:.0f}" for share in shares)]
        rows.append([*row, f"{m.rss_mb:.0f}", f"{m.peak_rss_mb:.0f}", f"{m.load_s:.1f}"])
    return format_table(header, rows)


def format_details(measurement: Measurement) -> str:
    """Format settings, stage times and bare requests of one configuration."""
    m = measurement
    names = list(dict.fromkeys(name for settings in m.effective.values() for name in settings))
    settings = [[name, *(values.get(name, "-") for values in m.effective.values())] for name in names]
    stages = [[name, *(f"{value:.2f}" for value in values.values())] for name, values in m.durations_ms.items()]
    bare = [_bare_row(name, network) for name, network in m.bare.items()]
    return "\n\n".join(
        [
            f"{describe(m.runtime).upper()}   encoder: {m.encoder.value} ({m.encoder_reason})",
            format_table(["as compiled", *m.effective], settings),
            format_table(["stage (ms)", *PERCENTILES], stages),
            format_table(["bare request (ms)", *PERCENTILES, "per second", "at once", "compile (s)"], bare),
        ]
    )


def _bare_row(name: str, network: BareNetwork) -> list[str]:
    times = [f"{value:.2f}" for value in network.request_ms.values()]
    return [name, *times, f"{network.fps:.2f}", str(network.requests), f"{network.compile_s:.2f}"]


def _encoder(measurement: Measurement) -> str:
    """Return the requested encoder, and the one used if it differs."""
    is_other = measurement.encoder is not measurement.runtime.encoder
    return encoder_name(measurement.runtime) + (f": {measurement.encoder.value}" if is_other else "")


def _precision(measurement: Measurement) -> str:
    """Return the requested precision, and the one that the RPN runs with if it differs."""
    asked = measurement.runtime.precision.value
    actual = measurement.effective["rpn"].get("INFERENCE_PRECISION_HINT", asked)
    return asked if actual == asked else f"{asked}: {actual}"


def _plain(measurement: Measurement) -> dict[str, Any]:
    fields = {field.name: getattr(measurement, field.name) for field in dataclasses.fields(measurement)}
    del fields["runtime"], fields["trace"]
    settings = to_mapping(dataclasses.replace(measurement.runtime, model_dir=""))
    return {"settings": settings, **to_mapping(fields)}
