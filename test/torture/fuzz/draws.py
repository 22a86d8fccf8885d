# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Values drawn from the bytes of a fuzzer, those that break things more often than others."""

from __future__ import annotations

import atexit
import json
import struct
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

T = TypeVar("T")

INTEGERS = (0, 1, -1, 2, 3, 8, 127, 128, 255, 256, 65535, 2**31 - 1, 2**31, -(2**31), 2**32 - 1, 2**63 - 1, -(2**63))
FLOATS = (0.0, -0.0, 1.0, -1.0, 0.5, 1e-310, 1e-45, 3.4e38, 3.5e38, 1e300, float("inf"), -float("inf"), float("nan"))
TEXTS = ("", "x", "..", "/", "\0", "a\nb", "\u2028", "é", "\ud800", "nan", "1e999", "0x10", "-0", "²", "9" * 5000, "{}")
HUGE = 10**400


class Draws:
    """Source of values taken from the front of `data`; when that is used up, every byte is 0."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    @property
    def left(self) -> int:
        """Bytes that were not drawn yet."""
        return len(self._data) - self._at

    def bytes(self, count: int) -> bytes:
        """Return `count` bytes."""
        begin, self._at = self._at, min(self._at + count, len(self._data))
        return self._data[begin : self._at].ljust(count, b"\0")

    def rest(self) -> bytes:
        """Return the rest of the data."""
        return self.bytes(self.left)

    def byte(self) -> int:
        return self.bytes(1)[0]

    def below(self, count: int) -> int:
        """Return a number from 0 to `count` - 1, at most 65535."""
        return (self.byte() if count <= 256 else struct.unpack("<H", self.bytes(2))[0]) % count

    def one_in(self, count: int) -> bool:
        """Return True occasionally, never when the data is used up."""
        return self.below(count) == count - 1

    def pick(self, choices: Sequence[T]) -> T:
        return choices[self.below(len(choices))]

    def integer(self, low: int = -(2**63), high: int = 2**63 - 1) -> int:
        """Return a whole number within bounds: near 0, one of `INTEGERS`, or any."""
        kind = self.below(4)
        if kind == 0:
            value = self.byte()
        elif kind == 1:
            value = self.pick(INTEGERS) + self.below(3) - 1
        else:
            value = int.from_bytes(self.bytes(2 if kind == 2 else 8), "little", signed=True)
        return value if low <= value <= high else low + value % (high - low + 1)

    def number(self) -> float:
        kind = self.below(4)
        if kind == 0:
            return self.byte() / 8.0 - 16.0
        if kind == 1:
            return self.pick(FLOATS)
        return float(struct.unpack("<f" if kind == 2 else "<d", self.bytes(4 if kind == 2 else 8))[0])

    def text(self) -> str:
        if self.one_in(2):
            return self.pick(TEXTS)
        return self.bytes(self.below(12)).decode("latin1")

    def value(self, depth: int = 3) -> Any:
        """Return any value of YAML or JSON."""
        kind = self.below(9 if depth else 6)
        if kind == 6:
            return [self.value(depth - 1) for _ in range(self.below(5))]
        if kind >= 7:
            return {self.value(0): self.value(depth - 1) for _ in range(self.below(4))}
        if kind == 5:
            return self.pick((HUGE, -HUGE, 10**5000, b"bytes", True, False))
        return (None, self.integer(), self.number(), self.text(), bool(self.byte() & 1))[kind]


def as_json(document: Any) -> bytes:
    """Return a document as JSON, with strings in place of values that JSON lacks."""
    try:
        return json.dumps(document, default=str, skipkeys=True).encode("utf-8", "surrogatepass")
    except ValueError:
        return b"[" + str(type(document)).encode() + b"]"


@cache
def scratch() -> Path:
    """Return the scratch folder of this process."""
    folder = TemporaryDirectory(prefix="fuzz.")
    atexit.register(folder.cleanup)
    return Path(folder.name)


def as_file(data: bytes, name: str) -> Path:
    """Write `data` to the file `name`, over what was there."""
    path = scratch() / name
    path.write_bytes(data)
    return path


def change(document: Any, draws: Draws) -> Any:
    """Return a copy of a plain document (dicts and lists) with some values changed, removed, doubled or added."""
    if draws.one_in(24):
        return draws.value()
    if isinstance(document, dict):
        changed = {key: change(item, draws) for key, item in document.items() if not draws.one_in(64)}
        if draws.one_in(64):
            changed[draws.value(0)] = draws.value()
        return changed
    if isinstance(document, list):
        changed_list = [change(item, draws) for item in document if not draws.one_in(64)]
        return changed_list * 2 if draws.one_in(64) else changed_list
    if isinstance(document, float) and draws.one_in(8):
        return draws.number()
    if isinstance(document, int) and draws.one_in(8):
        return draws.integer()
    return document


def edit(valid: bytes, draws: Draws) -> bytes:
    """Return `valid` with a few bytes changed, removed, doubled or inserted."""
    data = bytearray(valid)
    for _ in range(draws.below(4)):
        at, length = draws.below(65536) % (len(data) + 1), draws.below(32)
        kind = draws.below(5)
        if kind == 0:
            data[at : at + 1] = draws.bytes(1)
        elif kind == 1:
            del data[at : at + length]
        elif kind == 2:
            data[at:at] = data[at : at + length] * draws.below(8)
        elif kind == 3:
            data[at:at] = draws.text().encode("utf-8", "surrogatepass")
        else:
            del data[at:]
    return bytes(data)
