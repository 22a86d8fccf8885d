# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The account finds what must never be; otherwise no scenario could fail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pointpillars_ov_ros.ros.timing_message import COUNTERS
from test.torture.account import Account
from test.torture.journal import Journal, read_journal

SENT = [(100, 0), (100, 500), (101, 0)]


def detections(*stamps: tuple[int, int], delay_ms: int = 5) -> list[dict[str, Any]]:
    return [{"stamp": list(s), "at_ns": s[0] * 1_000_000_000 + s[1] + delay_ms * 1_000_000} for s in stamps]


@pytest.mark.parametrize(
    ("answered", "complaint"),
    [
        (SENT, []),
        (SENT[:1], []),
        ([SENT[0], SENT[0]], ["detections: 1 clouds answered twice"]),
        (SENT[::-1], ["detections: out of order"]),
        ([(99, 7), *SENT], ["detections: 1 of clouds that were never sent"]),
    ],
)
def test_disorder_is_found(answered: list[tuple[int, int]], complaint: list[str]) -> None:
    assert Account(SENT, detections(*answered), [], []).disorder() == complaint


def test_clouds_without_detections_are_known_and_those_the_detector_counts() -> None:
    counts = {"dropped": 1, "refused": 0, "failed": 2, "lost": 4}
    timings = [{**line, **counts} for line in detections(SENT[0])]
    account = Account(SENT, detections(SENT[0]), timings, [])
    assert account.missing() == set(SENT[1:])
    assert account.counted() == 7
    assert account.counted(timings[0]["at_ns"]) == 0


def timing(stamp: tuple[int, int], run: int = 1, error: str = "", **counters: int) -> dict[str, Any]:
    (line,) = detections(stamp)
    return {**line, "run": run, "error": error, **dict.fromkeys(COUNTERS, 0), **counters}


FIVE = [(100 + number, 0) for number in range(5)]


def run_of_five(**changes: int) -> list[dict[str, Any]]:
    """Return the timings of five clouds: the second was dropped, the fourth refused, of the last nothing is known."""
    last = {"completed": 2, "refused": 1, "dropped": 1, **changes}
    return [
        timing(FIVE[0], completed=1),
        timing(FIVE[2], completed=2, dropped=1),
        timing(FIVE[3], error="cloud refused", **last),
    ]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({}, None),
        ({"completed": 3}, "run 0: 1 frames heard of, 2 counted as completed"),
        ({"refused": 0}, "run 0: 1 refusals and failures heard of, others are counted"),
        ({"dropped": 0}, "run 0: of 1 to 1 clouds nothing was heard, 0 are counted as dropped or lost"),
        ({"lost": 1}, "run 0: of 1 to 1 clouds nothing was heard, 2 are counted as dropped or lost"),
    ],
    ids=["right", "completed", "refused", "forgotten", "too many"],
)
def test_the_counters_of_the_detector_are_compared_with_what_was_heard(
    changes: dict[str, int], complaint: str | None
) -> None:
    account = Account(FIVE, detections(FIVE[0], FIVE[2]), run_of_five(**changes), [])
    assert account.complaints() == ([] if complaint is None else [complaint])


def test_clouds_displaced_by_one_that_is_not_finished_may_be_counted_already() -> None:
    timings = run_of_five(dropped=2)
    timings[-1]["at_ns"] += 2_000_000_000
    assert Account(FIVE, detections(FIVE[0], FIVE[2]), timings, []).complaints() == []


@pytest.mark.parametrize(("last", "is_right"), [(3, True), (4, True), (2, False), (5, False)])
def test_clouds_displaced_while_the_first_frame_was_at_work_are_in_its_counters(last: int, is_right: bool) -> None:
    """Under load it is reported late. The fourth cloud may be counted with the fifth, or later."""
    timings = [timing(FIVE[0], completed=1, dropped=1), timing(FIVE[4], completed=2, dropped=last)]
    timings[0]["at_ns"] += 2_000_000_000
    account = Account(FIVE, detections(FIVE[0], FIVE[4]), timings, [])
    assert (account.complaints() == []) == is_right


def test_a_frame_without_its_detections_is_found() -> None:
    account = Account(FIVE, detections(FIVE[0]), run_of_five(), [])
    assert account.complaints() == ["run 0: 1 frames completed whose detections nobody heard"]


def test_each_run_of_a_detector_that_was_killed_is_judged_by_itself() -> None:
    """What was sent while there was none is counted by nobody."""
    later = [timing((200, 0), run=2, completed=1), timing((203, 0), run=2, completed=2, dropped=1, lost=1)]
    sent = [*FIVE, (150, 0), *((200 + number, 0) for number in range(4))]
    heard = detections(FIVE[0], FIVE[2], (200, 0), (203, 0))
    assert Account(sent, heard, [*run_of_five(), *later], []).complaints() == []
    later[-1]["lost"] = 0
    (complaint,) = Account(sent, heard, [*run_of_five(), *later], []).complaints()
    assert complaint.startswith("run 1: of 2 to 2 clouds")


def test_ages_are_from_sending_to_hearing() -> None:
    account = Account(SENT, detections(*SENT, delay_ms=7), [], [])
    assert account.ages_ms() == [7.0] * 3
    assert account.ages_ms(100_000_000_500, 101_000_000_000) == [7.0]


def test_a_journal_is_read_up_to_the_line_that_is_being_written(tmp_path: Path) -> None:
    path = tmp_path / "some.jsonl"
    assert read_journal(path) == []
    with Journal(path) as journal:
        journal.write("sent", stamp=[1, 2])
        assert read_journal(path) == [{"kind": "sent", "stamp": [1, 2]}]
        with path.open("a") as file:
            file.write('{"kind": "se')
        assert len(read_journal(path)) == 1


def test_clouds_sent_before_are_left_out_with_what_they_did_to_the_counters(tmp_path: Path) -> None:
    begin = dict.fromkeys(("received", "completed", "dropped", "refused", "failed", "lost"), 0)
    with Journal(tmp_path / "probe") as probe, Journal(tmp_path / "sender") as sender:
        probe.write("sent", stamp=[99, 0])
        for stamp in SENT:
            sender.write("sent", stamp=list(stamp))
    with Journal(tmp_path / "checker") as checker:
        checker.write("ready", at_ns=1)
        for number, (stamp, lost) in enumerate((((99, 0), 3), (SENT[0], 3), (SENT[2], 4)), start=1):
            line = {"at_ns": number, "stamp": list(stamp)}
            checker.write("detections", **line)
            checker.write("timing", **line, **{**begin, "received": number, "completed": number, "lost": lost}, run=1)
    account = Account.read(tmp_path / "sender", tmp_path / "checker", tmp_path / "probe")
    assert account.answered == [SENT[0], SENT[2]] and account.disorder() == []
    assert len(account.missing()) == account.counted() == 1
    assert account.timings[-1]["received"] == 2
