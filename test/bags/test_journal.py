# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The journal of an unfinished bag: whatever a disk has made of it, it is read as far as it is whole, or refused."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import pytest

from pointpillars_ov_ros.bags.detect_many import Manifest
from pointpillars_ov_ros.bags.journal import JOURNAL, Journal, Outcome
from pointpillars_ov_ros.config.errors import PointPillarsError

JOB = {"model": "m", "mode": "latency"}
OUTCOMES = [Outcome(5, 2, b"boxes", ""), Outcome(-6, 0, b"", "cloud refused: é")]


def entry(payload: bytes, refusal: bytes = b"") -> bytes:
    """Return an entry with the right checksum, assembled independently of the code under test."""
    head = struct.pack("<qIII", 7, 1, len(payload), len(refusal))
    return head + struct.pack("<I", zlib.crc32(head + payload + refusal)) + payload + refusal


def replayed(path: Path) -> list[Outcome]:
    journal, outcomes = Journal(path, JOB), []
    while (outcome := journal.replay()) is not None:
        outcomes.append(outcome)
    journal.close()
    return outcomes


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / JOURNAL
    journal = Journal(path, JOB)
    for outcome in OUTCOMES:
        journal.append(outcome)
    journal.close()
    return path


def test_outcomes_are_given_as_they_were_added(written: Path) -> None:
    assert replayed(written) == OUTCOMES


def test_what_is_cut_off_anywhere_is_read_up_to_the_last_whole_outcome(written: Path) -> None:
    whole = written.read_bytes()
    ends = [len(entry(json.dumps(JOB).encode()))]
    for outcome in OUTCOMES:
        ends.append(ends[-1] + len(entry(outcome.detections, outcome.refusal.encode())))
    assert ends[-1] == len(whole)
    for size in range(ends[0], len(whole) + 1):
        written.write_bytes(whole[:size])
        assert replayed(written) == OUTCOMES[: sum(end <= size for end in ends[1:])]


NO_JOBS = (b"[1]", b"7", b"{", b"\xff", b"[" * 9000, b"9" * 5000, b"null", b'{"x": {}}')


@pytest.mark.parametrize("content", NO_JOBS, ids=lambda content: repr(content[:20]))
def test_a_journal_that_begins_with_no_job_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / JOURNAL
    path.write_bytes(entry(content))
    with pytest.raises(PointPillarsError, match=r"was started with .*delete the folder to start again") as raised:
        Journal(path, JOB)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 2000


def test_a_refusal_that_is_no_text_is_shown_as_far_as_it_is(written: Path) -> None:
    with written.open("ab") as file:
        file.write(entry(b"", b"no\xff"))
    assert replayed(written)[-1].refusal == "no\ufffd"


@pytest.mark.parametrize("zeros", [1, 23, 24, 25, 4096])
def test_a_tail_of_zeros_is_cut_off(written: Path, zeros: int) -> None:
    """As a file system may leave it after a power failure."""
    whole = written.read_bytes()
    written.write_bytes(whole + bytes(zeros))
    assert replayed(written) == OUTCOMES
    assert written.read_bytes() == whole, "what is added now follows the last whole record"


def test_an_entry_of_nothing_is_cut_off_though_its_check_sum_is_right(written: Path) -> None:
    whole = written.read_bytes()
    written.write_bytes(whole + entry(b"") + entry(b"more"))
    assert replayed(written) == OUTCOMES
    assert written.read_bytes() == whole


def test_a_flipped_bit_anywhere_costs_what_follows_and_no_more(written: Path) -> None:
    whole = written.read_bytes()
    ends = [len(entry(json.dumps(JOB).encode()))]
    for outcome in OUTCOMES:
        ends.append(ends[-1] + len(entry(outcome.detections, outcome.refusal.encode())))
    for bit in range(8 * ends[0], 8 * len(whole)):
        broken = bytearray(whole)
        broken[bit // 8] ^= 1 << bit % 8
        written.write_bytes(broken)
        kept = sum(end <= bit // 8 for end in ends[1:])
        assert replayed(written) == OUTCOMES[:kept]
        assert written.read_bytes() == whole[: ends[kept]]


def test_a_journal_whose_first_record_is_broken_begins_anew(written: Path) -> None:
    broken = bytearray(written.read_bytes())
    broken[3] ^= 1
    written.write_bytes(broken)
    assert replayed(written) == []
    assert replayed(written) == []


def test_sizes_beyond_the_file_ask_for_no_memory(written: Path) -> None:
    with written.open("ab") as file:
        file.write(struct.pack("<qIIII", 7, 1, 2**32 - 1, 2**32 - 1, 0) + b"x")
    assert replayed(written) == OUTCOMES


@pytest.mark.parametrize(
    "text",
    ['{"settings": [], "inputs": 7}', '{"settings": {}, "inputs": {"a": 7}}', '{"settings": {}, "inputs": {"a": {}}}',
     '{"settings": {}, "inputs": {"a": {"state": "done", "odd": 1}}}', "[" * 9000, "9" * 5000, "\xff", "null", ""],
    ids=lambda text: text[:40],
)  # fmt: skip
def test_a_file_that_is_no_manifest_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "manifest.json"
    path.write_text(text, encoding="latin1")
    with pytest.raises(PointPillarsError, match="this is not a manifest of detect_bags") as raised:
        Manifest(path, {})
    assert "\n" not in str(raised.value)
