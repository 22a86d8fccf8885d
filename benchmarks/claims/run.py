# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Implementation of `python -m benchmarks.claims`: measure each claim, print, and write the report."""

from __future__ import annotations

import argparse
import dataclasses
import gc
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.claims.agreement import claim_agreement
from benchmarks.claims.claim import COLUMNS, Claim, ClaimInputs, tally
from benchmarks.claims.growth import SIZES, claim_growth, draw_growth, measure_growth, medians_ms
from benchmarks.claims.speed import claim_latency, claim_lean_rpn, claim_reference, claim_throughput
from benchmarks.claims.start import claim_start
from pointpillars_ov_ros.cli.machine import Surroundings, look_around
from pointpillars_ov_ros.cli.measurement.workloads import read_clouds
from pointpillars_ov_ros.cli.tables import format_table
from pointpillars_ov_ros.config.files import write_json, write_text
from pointpillars_ov_ros.conversion.open_model import open_model

_GROWTH_PICTURE = "growth.png"


def run_claims(options: argparse.Namespace) -> int:
    """Measure every claim, print the table, write the report; return 0 even for missed claims, which are findings."""
    clouds = read_clouds(options.data, options.frames)
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        bundle = open_model(options.model, Path(scratch) / "bundle")
        surroundings = look_around(bundle.config.name)
        print(f"{surroundings.line()}\n{len(clouds)} frames, {options.rounds} rounds\n", flush=True)
        claims, growth_ms = measure_all(ClaimInputs(bundle, options.data, clouds, options.rounds))
    write_report(options.out, surroundings, len(clouds), options.rounds, claims, growth_ms)
    print(f"\n{format_table(COLUMNS, [claim.cells() for claim in claims])}\n\nreport   {options.out}\n{tally(claims)}")
    return 0


def measure_all(inputs: ClaimInputs) -> tuple[list[Claim], list[float]]:
    """Measure the claims one by one, printing each at once; also return the host times to plot (ms)."""
    growth_ms: list[float] = []

    def grow(inputs: ClaimInputs) -> list[Claim]:
        rounds_ms = measure_growth(inputs)
        growth_ms.extend(medians_ms(rounds_ms))
        return claim_growth(rounds_ms)

    measures: Sequence[Callable[[ClaimInputs], list[Claim]]] = (
        claim_latency, claim_lean_rpn, claim_throughput, claim_reference, grow, claim_agreement, claim_start,
    )  # fmt: skip
    claims: list[Claim] = []
    for measure in measures:
        for claim in measure(inputs):
            print(*filter(None, claim.cells()), sep="   ", flush=True)
            claims.append(claim)
        # A pipeline and its engine reference each other, and the next claim must not find their memory still in use.
        gc.collect()
    return claims, growth_ms


def write_report(
    folder: Path,
    surroundings: Surroundings,
    frames: int,
    rounds: int,
    claims: Sequence[Claim],
    growth_ms: Sequence[float],
) -> None:
    """Write claims.json, claims.md and the plot into `folder`."""
    document = {
        **dataclasses.asdict(surroundings),
        "data": {"frames": frames, "rounds": rounds},
        "claims": [{**dataclasses.asdict(claim), "is_met": claim.is_met} for claim in claims],
        "growth": [{"points": size, "host_ms": ms} for size, ms in zip(SIZES, growth_ms, strict=True)],
    }
    write_json(folder / "claims.json", document)
    draw_growth(folder / _GROWTH_PICTURE, growth_ms, f"{surroundings.model}, {surroundings.processor}")
    write_text(folder / "claims.md", format_markdown(surroundings, frames, rounds, claims))


def format_markdown(surroundings: Surroundings, frames: int, rounds: int, claims: Sequence[Claim]) -> str:
    """Format the report as Markdown."""
    rows = [f"| {' | '.join(claim.cells())} |" for claim in claims]
    versions = ", ".join(f"{name} {version}" for name, version in surroundings.versions.items())
    return "\n".join(
        [
            f"# {surroundings.date}: claims on speed, measured",
            "",
            f"    python -m benchmarks.claims --model … --data … --rounds {rounds}",
            "",
            f"{surroundings.processor}, {surroundings.cores} cores, {surroundings.system}; {versions}.",
            f"Network: {surroundings.model}; {frames} frames. Everything in one run; {tally(claims)}.",
            "",
            f"| {' | '.join(COLUMNS)} |",
            "|" + "---|" * len(COLUMNS),
            *rows,
            "",
            "How the figures were obtained:",
            "",
            *(f"* {claim.text}: {claim.how}." for claim in claims),
            "",
            f"![Host time over points]({_GROWTH_PICTURE})",
            "",
        ]
    )
