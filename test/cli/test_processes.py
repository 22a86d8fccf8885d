# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Child processes that fail, hang or behave, in place of the nodes; none outlives its owner."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from pointpillars_ov_ros.cli import processes
from pointpillars_ov_ros.cli.processes import NodeProcesses
from pointpillars_ov_ros.config.errors import PointPillarsError

Install = Callable[[str, str], Path]
# Says that it is there by opening the pipe at its end, then waits for ever.
WAITING = """
    import os, signal
    {before}
    os.close(os.open(os.environ["READY"], os.O_WRONLY))
    while True:
        signal.pause()
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Return a function that installs scripts as executables of the package, under their own prefix."""
    folder = tmp_path / "prefix" / "lib" / "pointpillars_ov_ros"
    folder.mkdir(parents=True)
    monkeypatch.setattr(processes, "get_package_prefix", lambda _: str(tmp_path / "prefix"))

    def write(name: str, script: str) -> Path:
        (folder / name).write_text(textwrap.dedent(script))
        return folder / name

    return write


@pytest.fixture
def ready(tmp_path: Path) -> Path:
    """Return a pipe that a child opens once it is set up."""
    path = tmp_path / "ready"
    os.mkfifo(path)
    return path


def wait_until_ready(pipe: Path) -> None:
    with pipe.open("rb") as file:
        file.read()


def wait_for(nodes: NodeProcesses, executable: str) -> int:
    """Wait until a child has ended by itself."""
    return nodes._processes[executable].wait(timeout=30)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("output", ["stdout", "stderr"])
def test_a_child_that_fails_is_an_error_with_its_last_words(install: Install, tmp_path: Path, output: str) -> None:
    install("detector", f"import sys\nprint('loading')\nprint('the model is gone', file=sys.{output})\nsys.exit(3)")
    with NodeProcesses(tmp_path / "logs", os.environ) as nodes:
        nodes.start("detector", {})
        wait_for(nodes, "detector")
        with pytest.raises(PointPillarsError) as error:
            nodes.check()
    text = str(error.value)
    assert all(word in text for word in ("detector", "code 3", str(tmp_path / "logs" / "detector.log")))
    assert "\n" not in text
    if output == "stderr":
        assert "the model is gone" in text


def test_a_child_that_fails_in_silence_is_an_error_too(install: Install, tmp_path: Path) -> None:
    install("detector", "raise SystemExit(1)")
    with NodeProcesses(tmp_path / "logs", os.environ) as nodes:
        nodes.start("detector", {})
        wait_for(nodes, "detector")
        with pytest.raises(PointPillarsError, match="printed nothing"):
            nodes.has_ended("detector")


def test_a_child_that_is_killed_is_an_error(install: Install, tmp_path: Path) -> None:
    install("detector", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    with NodeProcesses(tmp_path / "logs", os.environ) as nodes:
        nodes.start("detector", {})
        wait_for(nodes, "detector")
        with pytest.raises(PointPillarsError, match="code -9"):
            nodes.check()


def test_a_child_that_ends_well_is_no_error(install: Install, tmp_path: Path) -> None:
    install("player", "print('done')")
    with NodeProcesses(tmp_path / "logs", os.environ) as nodes:
        nodes.start("player", {})
        wait_for(nodes, "player")
        nodes.check()
        assert nodes.has_ended("player")
    assert (tmp_path / "logs" / "player.log").read_text() == "done\n"


def test_a_child_that_runs_has_not_ended(install: Install, tmp_path: Path, ready: Path) -> None:
    install("detector", WAITING.format(before=""))
    with NodeProcesses(tmp_path / "logs", {**os.environ, "READY": str(ready)}) as nodes:
        nodes.start("detector", {})
        wait_until_ready(ready)
        nodes.check()
        assert not nodes.has_ended("detector")


@pytest.mark.parametrize("before", ["", "signal.signal(signal.SIGINT, signal.SIG_IGN)"], ids=["willing", "deaf"])
@pytest.mark.parametrize("failing", [False, True], ids=["in order", "after an error"])
def test_no_child_outlives_the_context(
    install: Install, tmp_path: Path, ready: Path, monkeypatch: pytest.MonkeyPatch, before: str, failing: bool
) -> None:
    monkeypatch.setattr(processes, "_STOP_S", 10.0 if before == "" else 0.1)
    install("detector", WAITING.format(before=before))
    pids = []
    try:
        with NodeProcesses(tmp_path / "logs", {**os.environ, "READY": str(ready)}) as nodes:
            nodes.start("detector", {})
            pids.append(nodes._processes["detector"].pid)
            wait_until_ready(ready)
            if failing:
                raise RuntimeError
    except RuntimeError:
        assert failing
    assert [pid for pid in pids if is_running(pid)] == []


def test_a_child_is_interrupted_before_it_is_killed(install: Install, tmp_path: Path, ready: Path) -> None:
    install(
        "detector",
        """
        import os, signal, sys
        def leave(*_):
            print("bye", flush=True)
            sys.exit(0)
        signal.signal(signal.SIGINT, leave)
        os.close(os.open(os.environ["READY"], os.O_WRONLY))
        while True:
            signal.pause()
        """,
    )
    with NodeProcesses(tmp_path / "logs", {**os.environ, "READY": str(ready)}) as nodes:
        nodes.start("detector", {})
        wait_until_ready(ready)
    assert (tmp_path / "logs" / "detector.log").read_text() == "bye\n"


def test_children_do_not_get_the_signals_of_the_terminal(install: Install, tmp_path: Path) -> None:
    install("detector", "import os\nprint(os.getsid(0) == os.getpid())")
    with NodeProcesses(tmp_path / "logs", os.environ) as nodes:
        nodes.start("detector", {})
        wait_for(nodes, "detector")
    assert (tmp_path / "logs" / "detector.log").read_text() == "True\n"


def test_children_get_the_environment_that_was_given(install: Install, tmp_path: Path) -> None:
    install("detector", "import os\nprint(os.environ['WORD'])")
    with NodeProcesses(tmp_path / "logs", {**os.environ, "WORD": "given"}) as nodes:
        nodes.start("detector", {})
        wait_for(nodes, "detector")
    assert (tmp_path / "logs" / "detector.log").read_text() == "given\n"


def test_without_parameters_there_are_no_ros_arguments(install: Install, tmp_path: Path) -> None:
    assert arguments_of(install, tmp_path, {}) == []


@pytest.mark.parametrize(
    "value",
    [
        "plain", "000038", "1", "true", "", "a folder/with blanks", "größe", "AUTO:GPU,CPU", "# no comment", "it's",
        True, False, 3, -1, 10.0, 0.25,
        'a "quoted" word',
        "C:\\temp",
    ],
    ids=repr,
)  # fmt: skip
def test_a_parameter_arrives_as_what_it_is(install: Install, tmp_path: Path, value: object) -> None:
    flag, option, assignment = arguments_of(install, tmp_path, {"name": value})
    assert (flag, option) == ("--ros-args", "-p")
    name, _, text = assignment.partition(":=")
    assert name == "name"
    assert yaml.safe_load(text) == value
    assert type(yaml.safe_load(text)) is type(value)


def arguments_of(install: Install, folder: Path, parameters: dict[str, object]) -> list[str]:
    """Return the command line that a child received."""
    install("player", "import json, sys\nprint(json.dumps(sys.argv[1:]))")
    with NodeProcesses(folder / "logs", os.environ) as nodes:
        nodes.start("player", parameters)
        wait_for(nodes, "player")
    got: list[str] = yaml.safe_load((folder / "logs" / "player.log").read_text())
    return got
