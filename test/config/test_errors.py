# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What came in a message, in a sentence."""

from __future__ import annotations

import pytest

from pointpillars_ov_ros.config.errors import list_names


@pytest.mark.parametrize(
    ("names", "listed"),
    [
        ([], ""),
        (["x", "y", "z"], "x y z"),
        (["x", "y\n"], "x 'y\\n'"),
        (["x" * 61], f"'{'x' * 60}'"),
        ([str(k) for k in range(5000)], "0 1 2 3 4 5 6 7 8 9 10 11 … (5000 in all)"),
    ],
)
def test_lists_stay_short_and_on_a_line(names: list[str], listed: str) -> None:
    assert list_names(names, " ") == listed
