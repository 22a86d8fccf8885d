# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Somebody publishes on the topic of the clouds what no driver should, while a good driver goes on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pointpillars_ov_ros.nodes.timing_message import REFUSED

from ..inference.toy_bundle import save_toy_bundle, toy_cloud
from .account import Account, stamp_of
from .arena import DETECTOR, Arena
from .journal import Stamp, read_journal
from .process_watch import Reading
from .scenario import Scenario, scenario

SCENARIOS: list[Scenario] = []

_GOOD = "good"
_MOST_LINES = 40
"""That a throttled log may have, of which the start makes about ten."""
_REFUSED = "each refused and counted, the log throttled; the good driver's clouds are all detected; memory bounded"
_TAKEN = "detected, its stamp and frame as they came; the good driver's clouds are all detected; memory bounded"
_WILD = "detected without those points, or, where the network makes NaN of 3e38, failed and counted; as above else"


@dataclass(frozen=True)
class Meeting:
    """What came of a good driver and a bad peer on one topic."""

    account: Account
    """Of the good driver; detections and timings are everybody's."""
    bad: list[Stamp]
    """Sent by the bad peer."""
    log: str
    """The detector's."""
    grown_mb: float
    """Most memory while they were there, above what it was after the first detections."""

    @property
    def refusals(self) -> dict[Stamp, str]:
        """The reasons of clouds refused."""
        return {stamp_of(line): line["error"] for line in self.account.timings if line["error"].startswith(REFUSED)}

    @property
    def good(self) -> list[dict[str, Any]]:
        """Detections of the good driver's clouds."""
        return [line for line in self.account.detections if line["frame_id"] == _GOOD]

    def check_good(self) -> None:
        """Require that all clouds of the good driver are detected, in order, and that nothing is said too often."""
        stamps, sent = [stamp_of(line) for line in self.good], self.account.sent
        assert stamps == sent, f"{len(set(sent) - set(stamps))} of {len(sent)} good clouds have no detections"
        scores = [score for line in self.account.detections for score in line["scores"]]
        assert all(0.0 <= score <= 1.0 for score in scores), "scores that are no scores"
        lines = self.log.splitlines()
        assert len(lines) <= _MOST_LINES, f"the log has {len(lines)} lines"
        assert max(map(len, lines)) < 1000, f"the log has a line of {max(map(len, lines))} letters"
        assert "Traceback" not in self.log

    def describe(self) -> str:
        """Give the figures."""
        good = f"{len(self.good)} of {len(self.account.sent)} good clouds detected"
        return f"{good}, memory at most {max(0.0, self.grown_mb):.0f} MB more, {len(self.log.splitlines())} log lines"


def meet(folder: Path, kind: str, count: int, rate_hz: float = 10.0, good: int = 50, **parameters: object) -> Meeting:
    """Let a good driver send `good` clouds at 5 Hz, and a bad peer `count` of a kind meanwhile."""
    with Arena(folder) as arena:
        model = save_toy_bundle(folder / "toy").folder
        toy_cloud(0).tofile(folder / "cloud.bin")
        arena.start_checker()
        # In replay everything that comes is taken, so that each one can be asked for.
        plain = {"encoder": "openvino", "lean_rpn": False, "parity_check": False, "drop_policy": "replay"}
        arena.nodes.start(DETECTOR, {"model_dir": str(model), **plain, **parameters})
        arena.start_sender([folder / "cloud.bin"], f"5:{good / 5}", "--reliable", "--frame-id", _GOOD)
        arena.wait_until(lambda: len(arena.account().detections) > 5, "detections")
        before = arena.look_at()
        arena.run("bad_peer", "bad", kind, "--count", str(count), "--rate", str(rate_hz))
        readings: list[Reading] = [before]

        def is_through() -> bool:
            arena.nodes.check()
            readings.append(arena.look_at())
            if not (arena.has_ended("bad") and arena.has_ended("sender")):
                return False
            account = arena.account()
            return account.sent[-1] in account.answered

        arena.wait_until(is_through, "the good driver's last detections", patience_s=300.0)
        bad = [stamp_of(line) for line in read_journal(arena.journal("bad")) if line["kind"] == "sent"]
        grown_mb = max(reading.rss_mb for reading in readings) - before.rss_mb
        return Meeting(arena.account(), bad, arena.log_of(), grown_mb)


def refused(folder: Path, kind: str, count: int = 60) -> str:
    """Require that every one of a kind is refused."""
    meeting = meet(folder, kind, count)
    meeting.check_good()
    passed = set(meeting.bad) - set(meeting.refusals)
    assert not passed, f"{len(passed)} of {len(meeting.bad)} were not refused"
    counted = meeting.account.timings[-1]["refused"]
    assert counted == len(meeting.bad), f"{len(meeting.bad)} refused, {counted} counted"
    reasons = meeting.refusals.values()
    assert max(map(len, reasons)) < 1000, f"a refusal of {max(map(len, reasons))} letters"
    return f"{counted} of {len(meeting.bad)} refused, in {len(set(reasons))} sentences; {meeting.describe()}"


def taken(folder: Path, kind: str, count: int = 60, most_mb: float = 50.0, **parameters: object) -> str:
    """Require that every one of a kind is processed."""
    meeting = meet(folder, kind, count, **parameters)
    meeting.check_good()
    others = [stamp_of(line) for line in meeting.account.detections if line["frame_id"] != _GOOD]
    failed = [stamp_of(line) for line in meeting.account.timings if line["error"]]
    assert sorted(others + failed) == sorted(meeting.bad), f"{len(others)} of {len(meeting.bad)} detected"
    assert meeting.account.counted() == len(failed), f"{len(failed)} failed, {meeting.account.counted()} are counted"
    assert meeting.grown_mb < most_mb, f"{meeting.grown_mb:.0f} MB more"
    amiss = f", {len(failed)} failed" if failed else ""
    return f"{len(others)} of {len(meeting.bad)} detected{amiss}; {meeting.describe()}"


@scenario(SCENARIOS, "a peer's clouds claim widths, heights and steps that cannot be, up to 2^32 - 1 each", _REFUSED)
def absurd_sizes(folder: Path) -> str:
    return refused(folder, "sizes")


@scenario(SCENARIOS, "a peer's clouds have no points, no data, no fields, or no finite point", _REFUSED)
def empty_clouds(folder: Path) -> str:
    return refused(folder, "empty")


@scenario(SCENARIOS, "a peer's fields lie outside the point, are of no type, are arrays, or are 5000", _REFUSED)
def absurd_fields(folder: Path) -> str:
    return refused(folder, "fields")


@scenario(SCENARIOS, "a peer's stamps are 0, past, future, before 1970, or have 2^32 - 1 nanoseconds", _TAKEN)
def absurd_stamps(folder: Path) -> str:
    return taken(folder, "stamps")


@scenario(SCENARIOS, "each of a peer's clouds is in another frame: line feeds, 10 000 letters, other scripts", _TAKEN)
def changing_frames(folder: Path) -> str:
    return taken(folder, "frames")


@scenario(SCENARIOS, "a peer's x, y, z and intensities are NaN, infinite or 3e38", _WILD)
def wild_values(folder: Path) -> str:
    return taken(folder, "values")
