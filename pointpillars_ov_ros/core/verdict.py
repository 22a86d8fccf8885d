# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Results of checks as text; kept apart so that code that only forwards them imports nothing else."""

from __future__ import annotations

from typing import NamedTuple

AGREES = "ok"
NOT_CHECKED = "not checked"
NOT_LEVELLED = "not levelled: "
"""Beginning of the status of `clouds.level.Leveller` while clouds are left as they are."""


class Verdict(NamedTuple):
    """Result of a parity check."""

    text: str
    """AGREES, NOT_CHECKED, or what differs; for diagnostics."""
    sentence: str
    """The result as a full sentence, for the log."""

    @property
    def failed(self) -> bool:
        """Whether the check failed and needs attention."""
        return has_failed(self.text)


def has_failed(text: str) -> bool:
    """Whether a check failed, judged by its text alone; an empty text counts as not failed."""
    return text not in ("", AGREES, NOT_CHECKED)
