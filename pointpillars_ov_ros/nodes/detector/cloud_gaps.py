# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Clouds that were sent and never taken, found by the numbers that their publisher gives them."""

from __future__ import annotations

from collections.abc import Callable


class CloudGaps:
    """Counts the numbers left out, from the first cloud of a publisher on.

    The middleware itself tells of clouds lost on the way, but neither of those that a newer one overwrote in its queue
    nor of those that it could not decode. It does not tell either which publisher a number is of: so numbers are
    compared while there is one publisher only, and begin anew with another.
    """

    def __init__(self, publishers: Callable[[], frozenset[bytes]]) -> None:
        """Begin before the first cloud; `publishers` gives the ids of those that there are."""
        self._find_publishers = publishers
        self._publishers: frozenset[bytes] = frozenset()
        self._last: int | None = None

    @property
    def is_counting(self) -> bool:
        """Tell whether a gap before the next cloud would be found."""
        return self._last is not None

    def before(self, number: int | None, matched: int) -> int:
        """Take the number of the next cloud; give how many were left out before it.

        None: the middleware numbers nothing. `matched` is how many publishers are heard by now.
        """
        last, self._last = self._last, number if matched <= 1 else None
        if self._last is None or number is None:
            return 0
        if last is not None and number == last + 1:
            return 0
        # Seldom, since asking for them takes a while.
        known, self._publishers = self._publishers, self._find_publishers()
        if last is None or number <= last or self._publishers - known:
            return 0
        return number - last - 1
