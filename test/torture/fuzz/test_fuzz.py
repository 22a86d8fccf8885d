# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A little of the fuzzing in every test run, and whether it finds what there is to be found."""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pointpillars_ov_ros.config.errors import ConfigError
from test.torture.fuzz import parent
from test.torture.fuzz.draws import Draws, edit
from test.torture.fuzz.targets import TARGETS, Target, run

pytest.importorskip("hypothesis", reason="properties need it: `make env`, or pip install hypothesis")

from hypothesis import given, settings
from hypothesis import strategies as st

SLOW = {"bundle_text", "bundle_values", "bundle_files", "foreign_description", "reference", "bag"}
"""Targets of at most a hundred inputs per second."""
ROOT = Path(__file__).parents[3]

PLANTED = """
import sys, time
from pathlib import Path
from test.torture.fuzz.child import Feeder, State

def feed(data):
    if data == b"crash":
        [][1]
    if data == b"hang":
        while True:
            pass
    if data == b"much":
        bytearray(400 * 2**20)
    if data == b"most":
        bytearray(1 << 40)

folder = Path(sys.argv[1])
feeder = Feeder(feed, State(folder / "state"), folder / "findings.jsonl")
feeder.limit()
for data in (b"", b"crash", b"crash", b"hang", b"much", b"most", b"fine"):
    feeder(data)
"""


@pytest.mark.parametrize("name", TARGETS)
def test_inputs_to_begin_with_are_read_or_refused(name: str) -> None:
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        for data in TARGETS[name].seeds():
            run(TARGETS[name], data)


@pytest.mark.parametrize("name", TARGETS)
def test_bad_bytes_are_refused_in_a_sentence(name: str) -> None:
    target, seeds = TARGETS[name], TARGETS[name].seeds()

    @settings(max_examples=10 if name in SLOW else 50, deadline=None, derandomize=True, database=None)
    @given(st.integers(0, len(seeds)), st.binary(min_size=20, max_size=400))
    def feed(index: int, data: bytes) -> None:
        with np.errstate(over="raise", invalid="raise", divide="raise"):
            run(target, data if index == len(seeds) else edit(seeds[index], Draws(data)))

    feed()


@pytest.mark.parametrize(
    "error", [IndexError("x"), ConfigError("two\nlines"), ConfigError(""), ConfigError("x" * 30_000)]
)
def test_what_is_no_refusal_in_a_sentence_is_raised(error: Exception) -> None:
    def fail(_data: bytes) -> None:
        raise error

    with pytest.raises((IndexError, AssertionError)):
        run(Target(fail, 1, tuple), b"")


def test_a_refusal_is_no_finding() -> None:
    def refuse(_data: bytes) -> None:
        raise ConfigError("field: 7 is too many")

    run(Target(refuse, 1, tuple), b"")


def test_crashes_hangs_and_large_allocations_are_found_once_each_with_their_input(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PLANTED, str(tmp_path)]
    subprocess.run(command, check=True, timeout=300, cwd=ROOT)
    found = [json.loads(line) for line in (tmp_path / "findings.jsonl").read_text().splitlines()]
    assert [(bytes.fromhex(each["input"]), each["what"]) for each in found] == [
        (b"crash", "IndexError"),
        (b"hang", "Hang"),
        (b"much", "MemoryError"),
        (b"most", "MemoryError"),
    ]
    done, begun, work_s, data = parent.State(tmp_path / "state").read()
    assert (done, begun, data) == (7, 7, b"")
    assert work_s > 1.0


def test_a_target_is_fed_as_often_as_asked_for(tmp_path: Path) -> None:
    pytest.importorskip("atheris", reason="make env EXTRAS=fuzz")
    outcome = parent.fuzz("times", 400, 1, tmp_path / "times")
    assert outcome.inputs >= 400
    assert outcome.findings == []
    assert outcome.coverage[1] > 0


def die(_name: str, folder: Path, _inputs: int, _seed: int, log: Path) -> None:
    """Do as a target does that crashes in native code."""
    parent.State(folder / "state").begin(b"deadly")
    log.write_text("last words\n")
    os.abort()


def test_a_process_that_dies_is_a_finding_with_the_input_it_died_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(*arguments: Any) -> BaseProcess:
        child = multiprocessing.get_context("spawn").Process(target=die, args=arguments)
        child.start()
        return child

    monkeypatch.setattr(parent, "start_child", start)
    monkeypatch.setattr(parent, "_MOST_DEATHS", 2)
    outcome = parent.fuzz("cloud", 5, 1, tmp_path / "cloud")
    assert [found["what"] for found in outcome.findings] == ["exit -6"] * 2
    assert bytes.fromhex(outcome.findings[0]["input"]) == b"deadly"
    assert (outcome.findings[0]["where"], outcome.findings[0]["says"]) == ("native code", "last words")


def test_every_part_of_the_package_is_watched_for_coverage_or_compiled() -> None:
    """As the package was divided anew, most of it was watched no more, and no test noticed."""
    pytest.importorskip("atheris", reason="make env EXTRAS=fuzz")
    script = (
        "import sys; from test.torture.fuzz import nursery; compiled = {*nursery.compiled_modules()}; "
        "print([n for n, m in sys.modules.items() if n.startswith(nursery.PACKAGE + '.') and n not in compiled "
        "and 'atheris' not in type(m.__loader__).__module__])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
