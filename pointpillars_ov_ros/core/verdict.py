# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What a parity check came to, in words: light enough for those who only pass them on."""

from __future__ import annotations

from typing import NamedTuple

AGREES = "ok"
NOT_CHECKED = "not checked"


class Verdict(NamedTuple):
    """What a parity check came to."""

    text: str
    """AGREES, NOT_CHECKED, or what is amiss; for diagnostics."""
    sentence: str
    """The same in full, for the log."""

    @property
    def is_amiss(self) -> bool:
        """Tell whether somebody should look at it."""
        return is_amiss(self.text)


def is_amiss(text: str) -> bool:
    """Tell it from the text alone, which is empty where nothing was said."""
    return text not in ("", AGREES, NOT_CHECKED)
