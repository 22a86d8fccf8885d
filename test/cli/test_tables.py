# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Plain-text tables."""

from __future__ import annotations

import numpy as np
import pytest

from pointpillars_ov_ros.cli.tables import PERCENTILES, format_durations, format_table, summarize


def test_columns_are_aligned_the_first_to_the_left_and_the_others_to_the_right() -> None:
    text = format_table(["stage", "p50"], [["rpn", "12.50"], ["a long name", "3"]])
    assert text.split("\n") == [
        "stage          p50",
        "------------------",
        "rpn          12.50",
        "a long name      3",
    ]


def test_a_table_without_rows_is_its_header() -> None:
    assert format_table(["clouds", "number"], []) == "clouds  number\n--------------"


def test_no_line_ends_in_blanks() -> None:
    text = format_table(["name", ""], [["a", ""], ["bb", "1"]])
    assert all(line == line.rstrip() for line in text.split("\n"))


@pytest.mark.parametrize("count", [1, 2, 9, 500])
def test_summaries_are_the_percentiles_of_numpy(count: int) -> None:
    values = np.random.default_rng(count).gamma(2.0, 10.0, count)
    summary = summarize(values.tolist())
    assert list(summary) == ["p50", "p90", "p99", "max"]
    for name, at in PERCENTILES.items():
        assert summary[name] == pytest.approx(np.percentile(values, at))
    assert summary["max"] == values.max()


def test_durations_have_a_row_each_and_a_column_for_each_percentile() -> None:
    lines = format_durations("stage (ms)", {"pfe": [1.0, 2.0, 3.0], "rpn": [10.0]}).split("\n")
    assert lines[0].split() == ["stage", "(ms)", *PERCENTILES]
    assert lines[2].split() == ["pfe", "2.00", "2.80", "2.98", "3.00"]
    assert lines[3].split() == ["rpn", "10.00", "10.00", "10.00", "10.00"]
