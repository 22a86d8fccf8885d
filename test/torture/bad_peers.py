# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Somebody publishes on the topic of the clouds what no driver should, while a good driver goes on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pointpillars_ov_ros.ros.timing_message import REFUSED
from test.inference.toy_bundle import save_toy_bundle, toy_cloud
from test.torture.account import Account, stamp_of
from test.torture.arena import DETECTOR, Arena
from test.torture.journal import Stamp, read_journal
from test.torture.process_watch import Reading
from test.torture.scenario import Scenario, scenario
from test.torture.stage import TOY, save_clouds

SCENARIOS: list[Scenario] = []

_GOOD = "good"
_PROGRAM = {"liar": ("bad_cyclone_peer", "bad")}
"""Program that plays a kind if it is not `bad_peer`."""
_MOST_LINES = 40
"""That a throttled log may have, of which the start makes about ten."""
_REFUSED = "each refused and counted, the log throttled; the good driver's clouds are all detected; memory bounded"
_TAKEN = "detected, its stamp and frame as they came; the good driver's clouds are all detected; memory bounded"
_WILD = "detected without those points, or, where the network makes NaN of 3e38, failed and counted; as above else"
_LOST = "each counted as lost, and told of in a throttled sentence; the clouds between are all detected"
_IGNORED = "nothing comes of it; the good driver's clouds are all detected; memory bounded"
_STALLED = "the middleware decodes each for a while before the node sees it; then all good clouds are detected again"
_BORNE = "as many as possible are detected; all of the good driver's are once it is over; memory bounded"


@dataclass(frozen=True)
class Meeting:
    """Outcome of a good driver and a bad peer on one topic."""

    account: Account
    """Account of the good driver while the bad peer was there; detections and timings are everybody's."""
    bad: list[Stamp]
    """Sent by the bad peer."""
    late: list[Stamp]
    """Sent by the good driver when the bad peer had left."""
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
        """Require that all clouds of the good driver are detected, in order, and that the log is as it should be."""
        stamps, sent = [stamp_of(line) for line in self.good], self.account.sent + self.late
        assert stamps == sent, f"{len(set(sent) - set(stamps))} of {len(sent)} good clouds have no detections"
        scores = [score for line in self.account.detections for score in line["scores"]]
        assert all(0.0 <= score <= 1.0 for score in scores), "scores that are no scores"
        self.check_log()

    def check_log(self) -> None:
        """Require that nothing is said too often or at too great length."""
        lines = self.log.splitlines()
        assert len(lines) <= _MOST_LINES, f"the log has {len(lines)} lines"
        assert max(map(len, lines)) < 1000, f"the log has a line of {max(map(len, lines))} letters"
        assert "Traceback" not in self.log

    def check_late(self) -> None:
        """Require that the good driver's clouds were all detected when the bad peer had left."""
        missing = set(self.late) - {stamp_of(line) for line in self.good}
        assert not missing, f"{len(missing)} of {len(self.late)} good clouds after it have no detections"

    def describe(self) -> str:
        """Return the figures."""
        good = f"{len(self.good)} of {len(self.account.sent + self.late)} good clouds detected"
        return f"{good}, memory at most {max(0.0, self.grown_mb):.0f} MB more, {len(self.log.splitlines())} log lines"


def meet(folder: Path, kind: str, count: int, rate_hz: float = 10.0, good: int = 50, **parameters: object) -> Meeting:
    """Let a good driver send `good` clouds at 5 Hz, and a bad peer `count` of a kind meanwhile."""
    with Arena(folder) as arena:
        toy_cloud(0).tofile(folder / "cloud.bin")
        _start_detector(arena, **parameters)
        arena.run(*_PROGRAM.get(kind, ("bad_peer", "bad", kind)), "--count", str(count), "--rate", str(rate_hz))
        arena.wait_until(lambda: bool(read_journal(arena.journal("bad"))), "the bad peer")
        # Which begins when it sees this one.
        arena.start_sender([folder / "cloud.bin"], f"5:{good / 5}", "--reliable", "--frame-id", _GOOD)
        arena.wait_until(lambda: bool(arena.account().detections), "detections")
        before = arena.look_at()
        readings: list[Reading] = [before]

        def is_over() -> bool:
            arena.nodes.check()
            readings.append(arena.look_at())
            return arena.has_ended("bad") and arena.has_ended("sender")

        arena.wait_until(is_over, "the end of the bad peer", patience_s=300.0)
        arena.start_sender([folder / "cloud.bin"], "5:2", "--reliable", "--frame-id", _GOOD, name="late")
        arena.wait_until(lambda: arena.has_ended("late"), "the late clouds")
        late = arena.account("late").sent
        arena.wait_until(lambda: late[-1] in arena.account().answered, "the last detections")
        bad = [stamp_of(line) for line in read_journal(arena.journal("bad")) if line["kind"] == "sent"]
        grown_mb = max(reading.rss_mb for reading in readings) - before.rss_mb
        return Meeting(arena.account(), bad, late, arena.log_of(), grown_mb)


def _start_detector(arena: Arena, **parameters: object) -> None:
    model = save_toy_bundle(arena.folder / "toy").folder
    arena.start_checker()
    # In replay everything that comes is taken, so that each one can be asked for.
    arena.nodes.start(DETECTOR, {"model_dir": str(model), **TOY, "drop_policy": "replay", **parameters})
    arena.connect(*save_clouds(arena.folder, 1), "--frame-id", _GOOD)


def refused(folder: Path, kind: str, count: int = 60, good: int = 50) -> str:
    """Require that every one of a kind is refused."""
    meeting = meet(folder, kind, count, good=good)
    meeting.check_good()
    passed = set(meeting.bad) - set(meeting.refusals)
    assert not passed, f"{len(passed)} of {len(meeting.bad)} were not refused"
    assert "2 publishers on /points" in meeting.log
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


def ignored(folder: Path, kind: str, count: int = 60, most_mb: float = 50.0) -> str:
    """Require that nothing comes of a kind."""
    meeting = meet(folder, kind, count)
    meeting.check_good()
    others = len(meeting.account.timings) - len(meeting.account.sent + meeting.late)
    assert not others, f"{others} timings that are of none of the good driver's clouds"
    assert meeting.grown_mb < most_mb, f"{meeting.grown_mb:.0f} MB more"
    return meeting.describe()


def borne(folder: Path, kind: str, count: int, rate_hz: float, most_mb: float) -> str:
    """Require that a kind of which there is too much does no lasting harm."""
    meeting = meet(folder, kind, count, rate_hz, drop_policy="live")
    meeting.check_late()
    meeting.check_log()
    found = sum(line["frame_id"] != _GOOD for line in meeting.account.detections)
    assert meeting.grown_mb < most_mb, f"{meeting.grown_mb:.0f} MB more"
    return f"{found} of {count} of the peer's detected; {meeting.describe()}"


@scenario(SCENARIOS, "a peer's clouds claim widths, heights and steps that cannot be, up to 2^32 - 1 each", _REFUSED)
def absurd_sizes(folder: Path) -> str:
    return refused(folder, "sizes")


@scenario(SCENARIOS, "a peer's clouds have no data, or no fields", _REFUSED)
def empty_clouds(folder: Path) -> str:
    return refused(folder, "empty")


@scenario(SCENARIOS, "a peer's clouds have no points, or no finite point", _TAKEN)
def blank_clouds(folder: Path) -> str:
    return taken(folder, "blank")


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


@scenario(SCENARIOS, "a driver whose every other message is no PointCloud2: noise, cut off, lengths of 4 GB", _LOST)
def garbage_from_the_driver(folder: Path, count: int = 120) -> str:
    with Arena(folder) as arena:
        _start_detector(arena)
        arena.run("bad_peer", "bad", "every_other", "--count", str(count), "--publishers", "1")
        arena.wait_until(lambda: arena.has_ended("bad"), "the end of the driver", patience_s=300.0)
        lines = [line for line in read_journal(arena.journal("bad")) if line["kind"] == "sent"]
        good = [stamp_of(line) for line in lines if line["is_cloud"]]
        arena.wait_until(lambda: good[-1] in arena.account().answered, "the last good cloud's detections")
        account, log = arena.account(), arena.log_of()
    assert account.answered == good, f"{len(account.answered)} of {len(good)} good clouds detected"
    # The last one is garbage, which the next cloud would tell of.
    garbage, lost = count - len(good) - 1, account.timings[-1]["lost"]
    assert lost == garbage, f"{garbage} sent that are none, {lost} counted as lost"
    assert "sent but not received" in log and len(log.splitlines()) < _MOST_LINES
    return f"{len(good)} good clouds detected, {garbage} others counted as lost; {len(log.splitlines())} log lines"


@scenario(SCENARIOS, "a peer publishes bytes that are no PointCloud2: noise, cut off, lengths of 4 GB", _IGNORED)
def garbage_from_a_peer(folder: Path) -> str:
    return ignored(folder, "garbage")


@scenario(SCENARIOS, "a peer publishes std_msgs/String on the topic of the clouds", _IGNORED)
def another_type(folder: Path) -> str:
    return ignored(folder, "other_type")


@scenario(SCENARIOS, "a program on Cyclone DDS writes another structure under the names of topic and type", _IGNORED)
def another_structure(folder: Path) -> str:
    return ignored(folder, "liar")


@scenario(SCENARIOS, "a peer's messages of 4 MB claim to be 4 million fields, once a second", _STALLED)
def claimed_fields(folder: Path) -> str:
    return borne(folder, "many_fields", 10, 1.0, most_mb=600.0)


@scenario(SCENARIOS, "a peer floods the topic, live: 200 clouds/s of 0.5 MB for 15 s", _BORNE)
def flood(folder: Path) -> str:
    return borne(folder, "flood", 3000, 200.0, most_mb=150.0)


@scenario(SCENARIOS, "a peer sends clouds of a million points, live: 16 and 32 MB, twice a second", _BORNE)
def a_million_points(folder: Path) -> str:
    return borne(folder, "large", 30, 2.0, most_mb=400.0)
