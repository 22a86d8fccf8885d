# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The `timing` topic: the outcome and times of each cloud, as a DiagnosticArray with one status."""

from __future__ import annotations

import dataclasses
import math
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from std_msgs.msg import Header

from pointpillars_ov_ros.config.errors import CloudError, plain, shown
from pointpillars_ov_ros.inference.pipeline.frames import Stage, StageTimes

STATUS_NAME = "pointpillars_detector: frame"
REFUSED = "cloud refused: "
"""Prefix of the error of a cloud that could not be read and therefore made no frame."""
AMISS = ("dropped", "refused", "failed", "lost")
"""Counters of clouds without detections."""
COUNTERS = ("received", "completed", *AMISS)

_CDR_HEADER, _STAMP = 4, 8
"""Sizes (bytes)."""


@dataclass(frozen=True)
class FrameTiming:
    """Entry of one cloud; durations in ms. A refused or failed cloud has the durations it reached."""

    error: str = ""
    points: int = 0
    pillars: int = 0
    detections: int = 0
    convert_ms: float = 0.0
    queue_ms: float = 0.0
    pillars_ms: float = 0.0
    pfe_ms: float = 0.0
    scatter_ms: float = 0.0
    rpn_ms: float = 0.0
    decode_ms: float = 0.0
    total_ms: float = 0.0
    """Time from reception of the cloud to its detections."""
    age_ms: float = 0.0
    """Time from the cloud's stamp to publication, on the node's clock."""
    received: int = 0
    """Number of clouds so far: received = completed + failed + dropped + refused + those in flight."""
    completed: int = 0
    failed: int = 0
    failing: int = 0
    """Number of consecutive failed frames up to now."""
    dropped: int = 0
    refused: int = 0
    lost: int = 0
    """Clouds that were sent but never reached the node.

    They were lost on the way, overwritten by a newer one before they were taken, or could not be decoded. With several
    publishers, or middleware that does not number messages, only those count that the middleware itself reports as
    lost.
    """
    hung: int = 0
    """Inferences that were given up and are still running: each blocks a frame slot."""
    run: int = 0
    """Time at which the detector was configured (ns since 1970); it changes when the detector is configured again."""
    mode: str = ""
    pfe_device: str = ""
    rpn_device: str = ""
    pfe_precision: str = ""
    rpn_precision: str = ""
    parity: str = ""
    """`Verdict.text` of the check at configure."""
    warnings: str = ""
    """Warnings about the devices; see `Engine.warnings`."""
    sensor: str = ""
    """Warnings about the clouds: their intensity, the height of the ground."""
    level: str = ""
    """`Leveller.status` if clouds are levelled; otherwise empty."""

    @property
    def is_failure(self) -> bool:
        """Whether a frame failed."""
        return bool(self.error) and not self.error.startswith(REFUSED)

    @property
    def host_ms(self) -> float:
        """Work of the host: everything but waiting and the two inferences."""
        return self.convert_ms + self.pillars_ms + self.scatter_ms + self.decode_ms


_KINDS: dict[str, Callable[[Any], Any]] = {
    field.name: type(field.default) for field in dataclasses.fields(FrameTiming) if field.name != "error"
}
"""Types of the values in a message, by name."""
_SERIALIZED_KINDS = {f"{name}\0".encode(): (name, kind) for name, kind in _KINDS.items()}
"""Names and types of the values, by name as it is serialized."""


def counts_anew(before: FrameTiming, after: FrameTiming) -> bool:
    """Whether a counter went down, which means that the detector was restarted."""
    return any(getattr(after, name) < getattr(before, name) for name in COUNTERS)


def stage_durations(times: StageTimes) -> dict[str, float]:
    """Return the `*_ms` fields of a `FrameTiming` that come from the frame's stages."""
    durations = {f"{stage.name.lower()}_ms": times.duration_ms(stage) for stage in Stage}
    return {**durations, "total_ms": times.total_ms}


def to_message(timing: FrameTiming, header: Header) -> DiagnosticArray:
    """Build the message; `header` is the cloud's."""
    values = [KeyValue(key=name, value=_format(getattr(timing, name))) for name in _KINDS]
    status = DiagnosticStatus(
        level=DiagnosticStatus.WARN if timing.error else DiagnosticStatus.OK,
        name=STATUS_NAME,
        message=timing.error,
        values=values,
    )
    return DiagnosticArray(header=header, status=[status])


def from_message(message: DiagnosticArray) -> FrameTiming:
    """Parse a message; CloudError names what does not belong there."""
    if len(message.status) != 1 or message.status[0].name != STATUS_NAME:
        raise CloudError(f"status: a timing message has exactly one, named {STATUS_NAME!r}")
    status = message.status[0]
    return _read(status.message, ((pair.key, pair.value) for pair in status.values))


def from_serialized(data: bytes) -> FrameTiming:
    """Decode a serialized message (CDR); CloudError names what is not part of a timing message."""
    try:
        reader = _CdrReader(data)
        reader.skip_header()
        is_alone = reader.read_uint32() == 1
        if is_alone:
            reader.skip_byte()
        if not is_alone or reader.read_string() != STATUS_NAME:
            raise CloudError(f"status: a timing message has one, called {STATUS_NAME!r}")
        error = reader.read_string()
        # The hardware.
        reader.read_string()
        return FrameTiming(error=error, **reader.read_values())
    except (struct.error, UnicodeDecodeError):
        raise CloudError("data: truncated, or a string is not text") from None


def _read(error: str, pairs: Iterable[tuple[str, str]]) -> FrameTiming:
    values = {}
    for key, text in pairs:
        try:
            values[key] = value = _KINDS[key](text)
            is_number = not isinstance(value, float) or math.isfinite(value)
        except (KeyError, ValueError):
            is_number = False
        if not is_number:
            raise _foreign(key, text)
    return FrameTiming(error=error, **values)


def _find_kind(serialized: bytes, text: bytes) -> tuple[str, Callable[[Any], Any]]:
    """Return name and type of the value called `serialized`, which has other zero bytes than the usual one."""
    key = serialized.partition(b"\0")[0].decode()
    if key not in _KINDS:
        raise _foreign(key, text.decode())
    return key, _KINDS[key]


def _foreign(key: str, text: str) -> CloudError:
    return CloudError(f"{plain(key)}: {shown(text)} is not part of a timing message")


class _CdrReader:
    """Sequential reader of a serialized message; struct.error if it ends early."""

    def __init__(self, data: bytes) -> None:
        """Start after the four bytes of the header, which tell the byte order; alignment counts from there."""
        if len(data) < _CDR_HEADER:
            raise struct.error("no header")
        self._uint32 = struct.Struct("<I" if data[1] & 1 else ">I")
        self._data, self._at = data, _CDR_HEADER

    def skip_header(self) -> None:
        """Skip a `std_msgs/Header`."""
        self._at += _STAMP
        self.read_string()

    def skip_byte(self) -> None:
        """Skip a byte."""
        self._at += 1

    def read_uint32(self) -> int:
        """Read a number, at the next multiple of four bytes."""
        self._at = at = (self._at + 3) & ~3
        (value,) = self._uint32.unpack_from(self._data, at)
        self._at = at + 4
        return int(value)

    def read_values(self) -> dict[str, Any]:
        """Read pairs of name and value up to the end.

        One loop with hardly a call, because this is most of what the diagnostics node computes.
        """
        data, unpack = self._data, self._uint32.unpack_from
        count, end, values = self.read_uint32(), self._at, {}
        for _ in range(count):
            at = (end + 3 & ~3) + 4
            at_value = at + unpack(data, at - 4)[0]
            begin = (at_value + 3 & ~3) + 4
            end = begin + unpack(data, begin - 4)[0]
            # Up to the first zero byte, as ROS does.
            text = data[begin:end].partition(b"\0")[0]
            key, kind = _SERIALIZED_KINDS.get(data[at:at_value]) or _find_kind(data[at:at_value], text)
            try:
                value: Any = text.decode() if kind is str else kind(text)
            except ValueError:
                raise _foreign(key, text.decode()) from None
            if kind is float and not math.isfinite(value):
                raise _foreign(key, text.decode())
            values[key] = value
        if end > len(data):
            raise struct.error("a string ends after the data")
        return values

    def read_string(self) -> str:
        """Read a string up to its first zero byte, as ROS does."""
        at = (self._at + 3) & ~3
        (length,) = self._uint32.unpack_from(self._data, at)
        self._at = end = at + 4 + length
        if end > len(self._data):
            raise struct.error("a string ends after the data")
        return self._data[at + 4 : end].partition(b"\0")[0].decode()


def _format(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
