# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Words of sentences that depend on figures."""

from __future__ import annotations


def count_of(count: int, noun: str = "message", plural: str = "") -> str:
    """Return a number with its noun, as in '1 cloud' and '2 clouds'; `plural` is `noun` with an s unless given."""
    return f"{count} {noun if count == 1 else plural or noun + 's'}"
