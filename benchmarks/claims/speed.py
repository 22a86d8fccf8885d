# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The claims that compare: candidate and reference in turn, and the median of the pairs' ratios."""

from __future__ import annotations

from statistics import median

from benchmarks.claims.claim import Claim, ClaimInputs
from benchmarks.reference_pipeline import ReferencePipeline
from pointpillars_ov_ros.cli.measurement.ratios import estimate, paired_ratio, take_turns
from pointpillars_ov_ros.cli.measurement.workloads import Runner, make_bare_rpn, run_at_once, run_bare
from pointpillars_ov_ros.config.runtime_config import DropPolicy, Mode, RuntimeConfig
from pointpillars_ov_ros.inference.engine import Engine

_PAIRED = "median of the ratios of {} pairs of {}, one directly after the other, swapped every time"


def claim_latency(inputs: ClaimInputs) -> list[Claim]:
    """Compare all stages in latency mode with a bare RPN request of the same compiled graph.

    Paired frame by frame: a cloud and a bare request take nearly as long, so slow phases of the machine affect both.
    The ratio of the medians of all frames would depend on which of them the slow phases hit.
    """
    engine = Engine(inputs.bundle, RuntimeConfig(drop_policy=DropPolicy.REPLAY))
    runner, bare = Runner(engine), make_bare_rpn(engine)
    waiting = inputs.cycle()

    def send() -> float:
        runner.send(next(waiting))
        return runner.left[-1].total_ms

    for _ in inputs.clouds:
        send()
        run_bare(bare)
    runner.left.clear()
    pairs = take_turns(send, lambda: run_bare(bare), len(inputs.clouds) * inputs.rounds)
    host = estimate([frame.host_ms for frame in runner.left])
    runner.close()
    return [
        Claim.of(
            "latency mode: cloud message to detection message / bare RPN request",
            paired_ratio(pairs), 1.05, _PAIRED.format(len(pairs), "frame and request"),
        ),
        Claim.of("latency mode: host part", host, 4.0, f"median of {host.count} frames", " ms"),
    ]  # fmt: skip


def claim_lean_rpn(inputs: ClaimInputs) -> list[Claim]:
    """Compare the rewritten RPN with the original one, request by request."""
    engines = [Engine(inputs.bundle, RuntimeConfig(lean_rpn=lean)) for lean in (True, False)]
    lean, untouched = (make_bare_rpn(engine) for engine in engines)
    run_bare(lean)
    run_bare(untouched)
    pairs = take_turns(lambda: run_bare(lean), lambda: run_bare(untouched), 10 * inputs.rounds)
    how = _PAIRED.format(len(pairs), "requests")
    return [Claim.of("lean RPN / original RPN", paired_ratio(pairs), 0.90, how)]


def claim_throughput(inputs: ClaimInputs) -> list[Claim]:
    """Compare throughput mode with the bare RPN at its optimal number of asynchronous requests.

    Turns are short, with all frames once each. In every turn both have settled when counting starts, see `Runner.run`
    and `run_at_once`; otherwise the filling of the pipeline would count, and more so in shorter turns.
    """
    engine = Engine(inputs.bundle, RuntimeConfig(mode=Mode.THROUGHPUT, drop_policy=DropPolicy.REPLAY))
    requests = [make_bare_rpn(engine) for _ in range(engine.rpn.optimal_requests)]
    runner, frames = Runner(engine), len(inputs.clouds)
    runner.run(inputs.clouds)
    run_at_once(requests, frames)
    pairs = take_turns(lambda: runner.run(inputs.clouds).fps, lambda: run_at_once(requests, frames), 4 * inputs.rounds)
    runner.close()
    text = "throughput mode / bare RPN at its optimal number of requests, frames per second"
    how = _PAIRED.format(len(pairs), f"{frames} frames and as many bare inferences, {len(requests)} requests at once")
    return [Claim.of(text, paired_ratio(pairs), 0.97, how, at_most=False)]


def claim_reference(inputs: ClaimInputs) -> list[Claim]:
    """Compare throughput mode with the reference pipeline, in turns of all frames."""
    engine = Engine(inputs.bundle, RuntimeConfig(mode=Mode.THROUGHPUT, drop_policy=DropPolicy.REPLAY))
    reference, runner = ReferencePipeline(inputs.bundle, engine.runtime), Runner(engine)
    reference.run(inputs.clouds[0])
    runner.run(inputs.clouds)
    pairs = take_turns(
        lambda: runner.run(inputs.clouds).fps,
        lambda: 1e3 * len(inputs.clouds) / sum(map(reference.run, inputs.clouds)),
        inputs.rounds,
    )
    runner.close()
    how = _PAIRED.format(len(pairs), f"{len(inputs.clouds)} frames through each")
    ours, theirs = (median(side) for side in zip(*pairs, strict=True))
    how += f"; medians: {ours:.2f} and {theirs:.2f} FPS"
    return [
        Claim.of(
            "throughput mode / the reference pipeline, frames per second", paired_ratio(pairs), 1.8, how, at_most=False
        )
    ]
