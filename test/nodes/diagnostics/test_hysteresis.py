# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Levels written as digits: 0 OK, 1 WARN, 2 ERROR."""

from __future__ import annotations

import pytest

from pointpillars_ov_ros.nodes.diagnostics.hysteresis import HeldLevel


def hold(recovery: int, found: str) -> str:
    held = HeldLevel(recovery)
    return "".join(str(held.update(bytes([int(level)]))[0]) for level in found)


@pytest.mark.parametrize(
    ("recovery", "found", "said"),
    [
        (1, "0120210", "0120210"),
        (2, "0100100", "0110110"),
        (3, "2000000", "2220000"),
        (3, "1001001000", "1111111110"),
        # For the worst of those that were better.
        (3, "2010000", "2221100"),
        (3, "210000", "222100"),
    ],
)
def test_a_level_is_left_only_after_better_ones_in_a_row(recovery: int, found: str, said: str) -> None:
    assert hold(recovery, found) == said


def test_it_says_why_it_holds() -> None:
    held = HeldLevel(3)
    reasons = []
    for level in (b"\x01", b"\x00", b"\x00", b"\x00"):
        held.update(level)
        reasons.append(held.reason)
    assert reasons == ["", "better in 1 of 3 messages", "better in 2 of 3 messages", ""]


def test_what_is_forgotten_holds_nothing() -> None:
    held = HeldLevel(3)
    held.update(b"\x02")
    held.update(b"\x00")
    held.forget()
    assert (held.update(b"\x00"), held.reason) == (b"\x00", "")
