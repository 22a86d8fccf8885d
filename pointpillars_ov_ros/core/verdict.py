# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The result of a parity check, in words: light enough for those who only pass them on."""

from __future__ import annotations

from typing import NamedTuple

AGREES = "ok"
NOT_CHECKED = "not checked"


class Verdict(NamedTuple):
    """The result of a parity check."""

    text: str
    """AGREES, NOT_CHECKED, or what differs; for diagnostics."""
    sentence: str
    """The same in full, for the log."""

    @property
    def failed(self) -> bool:
        """Whether somebody should look at it."""
        return has_failed(self.text)


def has_failed(text: str) -> bool:
    """Whether a check failed, by its text alone, which is empty where nothing was said."""
    return text not in ("", AGREES, NOT_CHECKED)
