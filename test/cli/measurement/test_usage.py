# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Busy time of a device, compared with counting moments; memory, compared with allocations."""

from __future__ import annotations

import numpy as np
import pytest

from pointpillars_ov_ros.cli.measurement.usage import Span, busy_ns, read_memory

pytest.importorskip("hypothesis", reason="properties need it: `make env`, or pip install hypothesis")

from hypothesis import given
from hypothesis import strategies as st

spans = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)))


def count_moments(spans: list[Span], begin_ns: int, end_ns: int) -> int:
    """The slow twin: go through every nanosecond, and see whether a span holds it."""
    return sum(any(begin <= now < end for begin, end in spans) for now in range(begin_ns, end_ns))


@given(spans, st.integers(0, 40), st.integers(0, 40))
def test_busy_is_every_moment_that_a_span_holds(spans: list[Span], begin_ns: int, end_ns: int) -> None:
    assert busy_ns(spans, begin_ns, end_ns) == count_moments(spans, begin_ns, end_ns)


@pytest.mark.parametrize(
    ("spans", "busy"),
    [
        ([], 0),
        ([(10, 20)], 10),
        ([(10, 20), (15, 30)], 20),
        ([(10, 40), (15, 30), (35, 50)], 40),
        ([(-50, 5), (95, 300)], 10),
        # A stage that was not reached.
        ([(0, 0), (60, 0)], 0),
    ],
)
def test_what_overlaps_counts_once_and_what_lies_outside_not_at_all(spans: list[Span], busy: int) -> None:
    assert busy_ns(spans, 0, 100) == busy


def test_memory_grows_with_what_is_allocated_and_the_peak_stays() -> None:
    before = read_memory()
    array = np.ones(100_000_000, np.uint8)
    held = read_memory()
    assert held.now > before.now + 80 and held.peak >= held.now
    del array
    assert read_memory().peak >= held.peak - 1
