# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Merging of the parts of a recording by time, each opened no earlier than needed."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

P = TypeVar("P")
T = TypeVar("T")


def merge_by_time(
    parts: Iterable[tuple[int, P]], read: Callable[[P], Iterator[tuple[int, T]]]
) -> Iterator[tuple[int, T]]:
    """Yield (stamp, item) of all parts in the order of their stamps, and for equal stamps in the order of the parts.

    `parts` are (earliest stamp, part). A part is opened when reading reaches its earliest stamp, so that of consecutive
    files and chunks one is open at a time. `read` yields the items of a part by their stamps.
    """
    waiting = deque(sorted(enumerate(parts), key=lambda each: (each[1][0], each[0])))
    heads: list[tuple[int, int, T, Iterator[tuple[int, T]]]] = []

    def advance(number: int, items: Iterator[tuple[int, T]]) -> None:
        head = next(items, None)
        if head is not None:
            heapq.heappush(heads, (head[0], number, head[1], items))

    while waiting or heads:
        while waiting and (not heads or waiting[0][1][0] <= heads[0][0]):
            number, (_, part) = waiting.popleft()
            advance(number, read(part))
        if heads:
            stamp, number, item, items = heapq.heappop(heads)
            yield stamp, item
            advance(number, items)
