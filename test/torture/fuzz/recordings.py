# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Targets: what the package keeps on disk and reads again: traces, journals, manifests, recordings, bags."""

from __future__ import annotations

import io
import json
import struct
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np

from pointpillars_ov_ros.bags.detect_many import Manifest
from pointpillars_ov_ros.bags.journal import Journal, Outcome
from pointpillars_ov_ros.bags.reader import open_bag
from pointpillars_ov_ros.cli.latency_report.runs import LatencyRun
from pointpillars_ov_ros.cli.recordings import read_json
from pointpillars_ov_ros.cli.timeline.recording import read_recording
from pointpillars_ov_ros.config.errors import PointPillarsError
from pointpillars_ov_ros.inference.parity import reference as parity_reference
from pointpillars_ov_ros.inference.pipeline.frames import Stage, StageEvent
from pointpillars_ov_ros.inference.simulation.simulate import load_profile
from pointpillars_ov_ros.inference.trace.reader import read_trace
from pointpillars_ov_ros.inference.trace.writer import TraceLines
from pointpillars_ov_ros.model.ports import rpn_ports
from pointpillars_ov_ros.ros.dds import transport_warning
from test.builders import tiny_config
from test.torture.fuzz.bundles import HOSTILE
from test.torture.fuzz.draws import Draws, as_file, as_json, edit, scratch

_JOB = {"model": "m", "input": "i"}
_HEAD = struct.Struct("<qIII")
_FIT = 2**63


def trace(data: bytes) -> None:
    """Read a trace; its times are numbers that a clock can have."""
    found = read_trace(as_file(data, "trace.json"))
    assert found.events
    assert all(abs(event.now_ns) < _FIT and abs(event.sequence) < _FIT for event in found.events)
    assert all(begin.now_ns <= end.now_ns for begin, end in zip(found.events[::2], found.events[1::2], strict=True))


def trace_again(data: bytes) -> None:
    """Write a trace of a title and events of any kind; it is read as it was written."""
    draws = Draws(data)
    title, devices = draws.text(), (draws.text(), draws.text())
    title, *names = (text.encode("utf-8", "replace").decode() for text in (title, *devices))
    lines, now = TraceLines(title, (names[0], names[1])), 0
    events = []
    for sequence in range(1 + draws.below(4)):
        for is_end in (False, True):
            now += draws.below(50_000)
            events.append(StageEvent(sequence, draws.pick((Stage.PFE, Stage.RPN)) if not is_end else events[-1].stage,
                                     is_end, now * 1000, draws.below(3)))  # fmt: skip
    text = ",\n".join([lines.head(), *(line for event in events for line in lines.of(event))])
    found = read_trace(as_file(f"[\n{text}\n]\n".encode(), "trace.json"))
    assert (found.title, found.devices, found.warning) == (title, (names[0], names[1]), "")
    assert found.events == [event._replace(slot=found.events[i].slot) for i, event in enumerate(events)]


def trace_seeds() -> tuple[bytes, ...]:
    """Return a short trace, and partly hostile lines."""
    lines = TraceLines("toy, latency mode", ("CPU", "GPU"))
    stages = (Stage.PILLARS, Stage.PFE, Stage.RPN)
    events = [StageEvent(0, stage, is_end, 1000 * stage) for stage in stages for is_end in (False, True)]
    whole = [lines.head(), *(line for event in events for line in lines.of(event))]
    text = "[\n" + ",\n".join(whole) + "\n]\n"
    hostile = (
        '"ts": 1e999',
        '"ts": "x"',
        '"ts": NaN',
        '"ts": ' + "9" * 400,
        '"ts": [1]',
        '"dur": -5',
        '"ts": ' + "9" * 5000,
    )
    changed = [text.replace('"ts": 2.0', each) for each in hostile]
    return (text.encode(), *(each.encode() for each in changed), b"[\n" + b"[" * 3000 + b"\n]")


def journal(data: bytes) -> None:
    """Open a journal of any bytes; replay it, append to it, and read it again."""
    path = as_file(data, "detections.journal")
    opened = Journal(path, _JOB)
    try:
        before = 0
        while (outcome := opened.replay()) is not None:
            before += 1
            assert len(outcome.detections) <= len(data)
        opened.append(Outcome(5, 1, b"boxes", "no"))
    finally:
        opened.close()
    again = Journal(path, _JOB)
    try:
        outcomes = [again.replay() for _ in range(before + 2)]
    finally:
        again.close()
    assert outcomes[before:] == [Outcome(5, 1, b"boxes", "no"), None]


def journal_entry(payload: bytes, refusal: bytes = b"", stamp: int = 7) -> bytes:
    """Return an entry with the right checksum."""
    head = _HEAD.pack(stamp, 1, len(payload), len(refusal))
    return head + struct.pack("<I", zlib.crc32(head + payload + refusal)) + payload + refusal


def journal_seeds() -> tuple[bytes, ...]:
    """Return a complete journal, and some that are complete only by their own checksum."""
    first = journal_entry(json.dumps(_JOB).encode())
    odd = (b"", b"[1]", b"7", b"{]", b"\xff", b'{"model": {}}', b"[" * 3000, b"9" * 5000, b"null")
    return (first + journal_entry(b"abc") + journal_entry(b"", b"refused"), first + journal_entry(b"a", b"\xff"),
            *(journal_entry(content) for content in odd))  # fmt: skip


def journal_entries(data: bytes) -> None:
    """Open a journal of entries that are whole, with anything in them."""
    draws = Draws(data)
    first = json.dumps(_JOB).encode() if not draws.one_in(2) else as_json(draws.value())
    entries = [journal_entry(edit(first, draws), b"", draws.integer())]
    entries += [journal_entry(draws.bytes(draws.below(9)), draws.bytes(draws.below(9))) for _ in range(draws.below(4))]
    journal(edit(b"".join(entries), draws))


def manifest(data: bytes) -> None:
    """Read the manifest of detect_bags; what is accepted says a state of each input."""
    found = Manifest(as_file(data, "manifest.json"), {"mode": "latency"})
    assert all(isinstance(report.get("state"), str) for report in found.reports.values())


def recording(data: bytes) -> None:
    """Read the recordings of `timeline` and `latency_report`."""
    path = as_file(data, "recording.json")
    with suppress(PointPillarsError):
        read_recording(path)
    read_json(LatencyRun, path, "latency_report")


JSON_SEEDS = (
    b'{"settings": {"mode": "latency"}, "inputs": {"a": {"input": "/a", "state": "done", "reason": ""}}}',
    b'{"settings": [], "inputs": 7}',
    b'{"settings": {"mode": "latency"}, "inputs": {"a": 7}}',
    b'{"title": "t", "heard": [{"at_s": 0.5, "timing": {"error": "", "total_ms": NaN}}]}',
    b'{"title": "t", "heard": []}',
    b'{"title": 1e999, "kind": ' + b"9" * 5000 + b"}",
    b"[" * 3000,
    b'"\\ud800"',
)


def reference(data: bytes) -> None:
    """Read the kept answer of the parity check; a damaged one is made anew, and never an error."""
    config = tiny_config()
    answer = parity_reference.read(as_file(data, "answer.npz"), config)
    assert answer is None or all(array.dtype == np.float32 for array in answer)


def reference_seeds() -> tuple[bytes, ...]:
    """Return a complete answer, and one that expands when decompressed."""
    config = tiny_config()
    outputs = rpn_ports(config).outputs
    shapes = [outputs[name] for name in (config.rpn.boxes, config.rpn.scores, config.rpn.directions)]
    arrays = [np.zeros((3, 3), np.float32), *(np.zeros(shape, np.float32) for shape in shapes)]
    named = dict(zip(parity_reference.Answer._fields, arrays, strict=True))
    whole, bomb = io.BytesIO(), io.BytesIO()
    np.savez(whole, **named)
    np.savez_compressed(bomb, **named)
    return whole.getvalue(), bomb.getvalue()


def profile(data: bytes) -> None:
    """Read the description of a simulated machine."""
    load_profile(as_file(data, "machine.yaml"))


PROFILE_SEEDS = (
    b"name: a\nsource: b\npfe_device: GPU\nrpn_device: GPU\nslow_down: 1.5\nstages_ms: {pillars: 1.0}\n",
    *HOSTILE,
)


def dds_profile(data: bytes) -> None:
    """Look into a Fast DDS profile, of which nothing may keep a node from starting."""
    environment = {"FASTRTPS_DEFAULT_PROFILES_FILE": str(as_file(data, "profile.xml")), "ROS_DISTRO": "jazzy"}
    warning = transport_warning(environment, as_file(b"212992\n", "rmem_max"))
    assert warning is None or "\n" not in warning


def dds_seeds() -> tuple[bytes, ...]:
    """Return our own profile, and XML that expands or cannot be decoded."""
    own = (Path(__file__).parents[3] / "config" / "fastdds_clouds.xml").read_bytes()
    laughs = (
        b'<!DOCTYPE a [<!ENTITY b "' + b"c" * 50 + b'"><!ENTITY d "' + b"&b;" * 50 + b'">]><a>' + b"&d;" * 50 + b"</a>"
    )
    sizes = (b"\xc2\xb2", b"9" * 5000, b"1.5", b"")
    return (own, laughs, b'<?xml version="1.0" encoding="foo"?><a/>', b'<?xml version="1.0" encoding="utf-7"?><a/>',
            *(b"<a><receiveBufferSize>" + size + b"</receiveBufferSize></a>" for size in sizes))  # fmt: skip


def cut_bag(data: bytes) -> None:
    """Open an MCAP of any bytes, and read what is in it."""
    path = as_file(data, "bag.mcap")
    with open_bag(path) as reader:
        for _ in zip(reader.messages(), range(100), strict=False):
            pass


def bag_seeds() -> tuple[bytes, ...]:
    """Return a short bag, complete and truncated."""
    from pointpillars_ov_ros.bags.writer import BagWriter

    folder = scratch() / "seed"
    with BagWriter(folder) as bag:
        bag.add_topic("/a", "std_msgs/msg/String", latched=False)
        for stamp in range(3):
            bag.write("/a", stamp, b"\0\1\0\0\2\0\0\0a\0")
    whole = next(folder.glob("*.mcap")).read_bytes()
    return whole, whole[: len(whole) * 2 // 3], whole[:64]
