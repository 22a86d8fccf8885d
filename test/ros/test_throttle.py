# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Sentences are throttled by what they say, and all of them together."""

from __future__ import annotations

from pointpillars_ov_ros.ros.throttle import _MOST_KINDS, SentenceThrottle


class Clock:
    """A time that tests set."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_each_reason_passes_once_a_period_whatever_its_numbers() -> None:
    clock = Clock()
    throttle = SentenceThrottle(5.0, clock)
    assert throttle.passes("data: 16 bytes are fewer than 32")
    assert throttle.passes("fields: no 'x'")
    assert not throttle.passes("data: 1.5 bytes are fewer than 7")
    assert not throttle.passes("fields: no 'x'")
    clock.now_s = 5.0
    assert throttle.passes("fields: no 'x'") and throttle.passes("data: 0 bytes are fewer than 1e3")


def test_ever_other_reasons_do_not_fill_the_log() -> None:
    clock = Clock()
    throttle = SentenceThrottle(5.0, clock)
    said = [throttle.passes(f"no {chr(97 + number)}") for number in range(26)]
    assert sum(said) == _MOST_KINDS
    clock.now_s = 5.0
    assert throttle.passes("no y")
