# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The account finds what must never be; otherwise no scenario could fail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

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
