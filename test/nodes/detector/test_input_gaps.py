# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Gaps in the numbers of clouds, and what is none."""

from __future__ import annotations

import pytest

from pointpillars_ov_ros.nodes.detector.input import SequenceGaps

A, B = frozenset({b"a"}), frozenset({b"b"})
NONE: frozenset[bytes] = frozenset()

Heard = tuple[int | None, int, frozenset[bytes]]
"""The sequence number, the number of matched publishers, and their ids."""


@pytest.mark.parametrize(
    ("heard", "gaps"),
    [
        pytest.param([(1, 1, A), (2, 1, A), (3, 1, A)], [0, 0, 0], id="all"),
        pytest.param([(1, 1, A), (5, 1, A), (6, 1, A), (8, 1, A)], [0, 3, 0, 1], id="overwritten"),
        pytest.param([(900, 1, A), (901, 1, A)], [0, 0], id="joined late"),
        pytest.param([(900, 1, A), (1, 1, B), (3, 1, B)], [0, 0, 1], id="publisher restarted"),
        pytest.param([(2, 1, A), (7, 1, B), (9, 1, B)], [0, 0, 1], id="restarted, and further than before"),
        pytest.param([(2, 1, A), (7, 1, A | B), (9, 1, A)], [0, 0, 1], id="another is about to be heard"),
        pytest.param([(1, 1, A), (9, 2, A | B), (3, 2, A | B), (20, 2, A | B)], [0, 0, 0, 0], id="two publishers"),
        pytest.param([(1, 2, A | B), (9, 1, A), (11, 1, A)], [0, 0, 1], id="one of two left"),
        pytest.param([(1, 1, A), (3, 0, NONE)], [0, 1], id="the publisher left, the queue is emptied"),
        pytest.param([(1, 1, A), (3, 0, NONE), (7, 1, B)], [0, 1, 0], id="it left, and another came"),
        pytest.param([(1, 1, NONE), (7, 1, A), (9, 1, A)], [0, 5, 1], id="listed later than heard"),
        pytest.param([(1, 1, NONE), (7, 1, A | B), (9, 1, A | B)], [0, 0, 1], id="two listed later than heard"),
        pytest.param([(20, 1, A), (1, 1, A), (7, 1, B), (9, 1, B)], [0, 0, 5, 1], id="restarted, and listed later"),
        pytest.param([(None, 1, A), (None, 1, A)], [0, 0], id="no numbers"),
    ],
)
def test_gaps(heard: list[Heard], gaps: list[int]) -> None:
    publishers = NONE
    gaps_of = SequenceGaps(lambda: publishers)
    found = []
    for number, matched, publishers in heard:  # noqa: B007 (it looks at it)
        found.append(gaps_of.count_before(number, matched))
    assert found == gaps


@pytest.mark.parametrize(("number", "matched", "counts"), [(5, 1, True), (None, 1, False), (5, 2, False)])
def test_it_says_whether_it_counts(number: int | None, matched: int, counts: bool) -> None:
    gaps_of = SequenceGaps(lambda: A)
    assert not gaps_of.is_counting
    gaps_of.count_before(number, matched)
    assert gaps_of.is_counting == counts
