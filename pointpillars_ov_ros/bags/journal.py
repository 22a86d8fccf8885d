# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Journal of the detections so far, beside an unfinished bag, from which a killed process resumes."""

from __future__ import annotations

import fcntl
import json
import os
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

from pointpillars_ov_ros.config.documents import parse_json
from pointpillars_ov_ros.config.errors import PointPillarsError, plain

JOURNAL = "detections.journal"
_HEAD, _CHECK = struct.Struct("<qIII"), struct.Struct("<I")
"""Stamp (ns), number of boxes, bytes of detections, bytes of refusal; then the CRC-32 of these and the payload."""
_SYNC_EVERY = 50
"""Number of outcomes that may be lost with the machine's power; none are lost with the process."""


class Outcome(NamedTuple):
    """Outcome of a cloud."""

    stamp_ns: int
    """Time at which the cloud was received, according to the bag."""
    boxes: int
    detections: bytes
    """The serialized Detection3DArray; empty if the cloud was refused."""
    refusal: str


class Journal:
    """Outcomes of clouds in order: existing ones are replayed first, then new ones are added.

    From the first damaged record on, everything is cut off, and those clouds are detected again.
    """

    def __init__(self, path: Path, job: dict[str, str]) -> None:
        """Open or start the journal of a job, which comprises everything its outcomes depend on.

        Raises PointPillarsError if it belongs to another job or is in use by another process.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "r+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            stored = self._read()
            if stored is None:
                self._file.truncate(0)
                self._file.seek(0)
                self._write(Outcome(0, 0, json.dumps(job).encode(), ""))
            else:
                check_job(path.parent, _read_job(stored), job)
        except BlockingIOError:
            self._file.close()
            raise PointPillarsError(f"{path.parent}: another process is using it") from None
        except PointPillarsError:
            self._file.close()
            raise
        self._is_replaying = True
        self._unsynced = 0

    def replay(self) -> Outcome | None:
        """Return the next outcome of an earlier run; None when there are no more."""
        if not self._is_replaying:
            return None
        at = self._file.tell()
        outcome = self._read()
        if outcome is None:
            # A killed process did not finish writing it, or a disk did not keep it.
            self._file.truncate(at)
            self._file.seek(at)
            self._is_replaying = False
        return outcome

    def append(self, outcome: Outcome) -> None:
        """Add an outcome; from now on it survives this process."""
        self._write(outcome)
        self._unsynced += 1
        if self._unsynced >= _SYNC_EVERY:
            os.fsync(self._file.fileno())
            self._unsynced = 0

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, outcome: Outcome) -> None:
        payload, refusal = outcome.detections, outcome.refusal.encode()
        head = _HEAD.pack(outcome.stamp_ns, outcome.boxes, len(payload), len(refusal))
        self._file.write(head + _CHECK.pack(zlib.crc32(head + payload + refusal)) + payload + refusal)
        self._file.flush()

    def _read(self) -> Outcome | None:
        """Return the next record; None if it is damaged, for example by a power failure."""
        head, check = self._file.read(_HEAD.size), self._file.read(_CHECK.size)
        if len(check) < _CHECK.size:
            return None
        stamp_ns, boxes, size, refusal_size = _HEAD.unpack(head)
        # Not more than there is: the sizes may be damaged by a power failure.
        payload = self._file.read(min(size + refusal_size, os.fstat(self._file.fileno()).st_size))
        is_whole = len(payload) == size + refusal_size and zlib.crc32(head + payload) == _CHECK.unpack(check)[0]
        # A cloud has detections, even if none in number, or the reason why it was refused.
        if not is_whole or not payload:
            return None
        return Outcome(stamp_ns, boxes, payload[:size], payload[size:].decode(errors="replace"))


def _read_job(stored: Outcome) -> dict[str, object]:
    """Return the job that a journal begins with; empty, which matches no job, if something else is there."""
    try:
        job = parse_json(stored.detections.decode())
    except ValueError:
        return {}
    return job if isinstance(job, dict) else {}


def check_job(folder: Path, stored: dict[str, object], job: dict[str, str]) -> None:
    """Raise PointPillarsError unless a job is the one that `folder` was started with."""
    for name in sorted({*stored, *job}):
        if stored.get(name) != job.get(name):
            raise PointPillarsError(
                f"{folder} was started with {plain(name)} {plain(stored.get(name))}, but now it is {job.get(name)}: "
                "delete the folder to start again"
            )
