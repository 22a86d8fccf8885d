# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The soak test detects growth, drift and unaccounted clouds, with made-up figures."""

from __future__ import annotations

from typing import Any

import pytest

from pointpillars_ov_ros.ros.timing_message import AMISS
from test.torture.account import Account
from test.torture.arena import DETECTOR
from test.torture.process_watch import Reading
from test.torture.soak import Findings, Sample, evaluate, minute_figures, report

MINUTES, BEGIN_S, PERIOD_S = 12, 1_000, 2


def made_up(
    growth_mb: float = 0.0, slower: float = 1.0, machine_slower: float = 1.0, threads: int = 0, nowhere: int = 0
) -> tuple[Account, list[Sample]]:
    """Return a run in which these quantities grow, for a minute or until the end."""
    samples, sent, detections, count = [], [], [], MINUTES * 60 // PERIOD_S
    for number in range(count + 1):
        done, at_s = number / count, BEGIN_S + number * PERIOD_S
        reading = Reading(at_s, 100.0 + growth_mb * done * MINUTES, 20 + round(threads * done), 30)
        samples.append(Sample(at_s * 1_000_000_000, {DETECTOR: reading}, 5.0 * (1 + (machine_slower - 1) * done)))
        sent.append((at_s, 0))
        age_ms = 80 * (1 + (slower - 1) * done)
        detections.append({"stamp": [at_s, 0], "at_ns": at_s * 1_000_000_000 + round(age_ms * 1e6)})
    detections = detections[: len(detections) - nowhere]
    counts: dict[str, Any] = {"run": 1, "error": "", **dict.fromkeys(AMISS, 0)}
    timings = [{**line, **counts, "received": count, "completed": count} for count, line in enumerate(detections)]
    return Account(sent, detections, timings, []), samples


def judge(**grows: float) -> Findings:
    return evaluate(*made_up(**grows))  # type: ignore[arg-type]


def test_a_run_in_which_nothing_grows_is_as_it_must_be() -> None:
    assert judge().complaints() == []


@pytest.mark.parametrize(
    ("grows", "complaint"),
    [
        ({"growth_mb": 0.6}, f"{DETECTOR} grows by 0.60 MB/min"),
        ({"slower": 1.5}, "the p99 of ages drifts by +30%"),
        ({"threads": 1}, f"{DETECTOR}: threads 20 -> 21"),
        ({"nowhere": 1}, "361 clouds sent, 360 with detections, 0 counted otherwise"),
    ],
)
def test_what_grows_is_named(grows: dict[str, float], complaint: str) -> None:
    assert judge(**grows).complaints() == [complaint]


def test_a_run_of_a_few_minutes_is_not_judged_by_growth_and_drift(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "MINUTES", 6)
    findings = judge(slower=1.5, growth_mb=2.0)
    assert findings.drift > 0.1 and findings.complaints() == []
    assert judge(nowhere=1).complaints() == ["181 clouds sent, 180 with detections, 0 counted otherwise"]


def test_a_machine_that_gets_slower_is_no_drift_of_ours() -> None:
    findings = judge(slower=1.5, machine_slower=1.5)
    assert abs(findings.drift) < 0.03
    assert findings.complaints() == []


def test_the_report_has_a_row_for_each_minute() -> None:
    account, samples = made_up()
    for one in samples:
        one.nodes["pointpillars_diagnostics"] = one.nodes[DETECTOR]
    text = report(evaluate(account, samples), minute_figures(account, samples))
    assert text.startswith("Verdict: as it must be.")
    assert text.count("\n| 1") == 4 and f"\n| {MINUTES} |" in text
