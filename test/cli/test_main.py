# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The launcher as a process: light, and every error one line."""

from __future__ import annotations

import argparse
import importlib
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pointpillars_ov_ros.cli import main as cli
from pointpillars_ov_ros.model.shipped import shipped_model

HEAVY = ("numpy", "torch", "numba", "openvino", "rclpy", "matplotlib", "rosbags", "tqdm", "yaml")
LIST_MODULES = """
import sys
from pointpillars_ov_ros.cli.main import main
try:
    main({arguments!r})
except SystemExit as end:
    assert not end.code, end.code
print("MODULES", *sorted({{name.split(".")[0] for name in sys.modules}}))
"""


def pointpillars_ov(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command as a person would."""
    command = [sys.executable, "-m", "pointpillars_ov_ros.cli.main", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def assert_one_line(result: subprocess.CompletedProcess[str]) -> None:
    assert result.returncode == 1
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert "Traceback" not in result.stderr


def test_help_lists_every_command_and_what_it_is_for() -> None:
    result = pointpillars_ov("--help")
    assert result.returncode == 0
    words = " ".join(result.stdout.split())
    for name, (_, purpose) in cli.COMMANDS.items():
        assert f"{name} {purpose}" in words


@pytest.mark.parametrize("arguments", [["--help"], *([name, "--help"] for name in cli.COMMANDS)], ids=" ".join)
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    script = LIST_MODULES.format(arguments=arguments)
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300, check=True)
    loaded = result.stdout.rpartition("MODULES")[2].split()
    assert "pointpillars_ov_ros" in loaded
    assert [name for name in HEAVY if name in loaded] == []


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_is_a_tool(name: str) -> None:
    tool = importlib.import_module(f"pointpillars_ov_ros.cli.{cli.COMMANDS[name].module}")
    parser = argparse.ArgumentParser()
    tool.add_arguments(parser)
    assert callable(tool.run)
    for action in parser._actions:
        assert action.help, f"{action.dest} has no help"


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_its_own_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main([name, "--help"])
    assert end.value.code == 0
    assert f"pointpillars_ov {name}" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["benchmark"])
def test_without_clouds_they_are_asked_for_in_one_line(name: str) -> None:
    result = pointpillars_ov(name)
    assert_one_line(result)
    assert all(word in result.stderr for word in ("--data", "simulate", "DATA="))
    assert result.stdout == ""


@pytest.mark.parametrize(
    "arguments", [[], ["fly"], ["dem"], ["demo", "--fast"], ["convert"], ["demo", "--mode", "warp"]], ids=" ".join
)
def test_a_wrong_call_shows_the_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(arguments)
    assert end.value.code == 2
    assert capsys.readouterr().err.startswith("usage: pointpillars_ov")


@pytest.mark.parametrize("flag", ["--sensor-pose", "--ego-box"])
@pytest.mark.parametrize("value", ["nan", "inf", "far"])
def test_a_coordinate_that_is_no_number_shows_the_usage(
    flag: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in (["detect", "cloud.bin"], ["detect_bag", "bag", "--out", "out"]):
        with pytest.raises(SystemExit) as end:
            cli.main([*command, flag, value, "0", "0", "0", "0", "0"])
        assert end.value.code == 2
        assert f"argument {flag}: '{value}' is not a number" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        *(["detect", "cloud.bin", "--json"], ["benchmark", "--json"], ["benchmark", "--picture"], ["parity", "--json"]),
        *(["evaluate", "--json"], ["evaluate", "--picture"], ["compare", "--json"], ["trace", "a", "--picture"]),
        *(["timeline", "auto-batch", "--json"], ["timeline", "auto-batch", "--page"], ["latency_report", "--page"]),
        ["simulate", "--out", "streets", "--picture"],
    ],
    ids=" ".join,
)
def test_a_folder_for_an_output_shows_the_usage_before_any_work(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main([*arguments, str(tmp_path)])
    assert end.value.code == 2
    assert f"argument {arguments[-1]}: {tmp_path} is a folder: name a file in it" in capsys.readouterr().err


def test_an_unknown_command_is_named_with_those_that_exist(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["fly"])
    text = capsys.readouterr().err
    assert all(word in text for word in ("fly", *cli.COMMANDS))


def test_a_folder_without_clouds_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["demo", "--data", str(tmp_path), "--model", str(tmp_path)]) == 1
    text = capsys.readouterr().err
    assert text.count("\n") == 1
    assert str(tmp_path) in text


def test_an_unknown_architecture_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["convert", str(tmp_path), str(tmp_path / "out"), "--architecture", "resnet"]) == 1
    text = capsys.readouterr().err
    assert text.count("\n") == 1
    assert all(word in text for word in ("resnet", "smallmunich_car"))
    assert not (tmp_path / "out").exists()


def test_a_module_that_is_missing_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(options: argparse.Namespace) -> int:
        raise ModuleNotFoundError("No module named 'openvino'", name="openvino")

    monkeypatch.setattr(importlib.import_module("pointpillars_ov_ros.cli.demo.command"), "run", run)
    assert cli.main(["demo"]) == 1
    text = capsys.readouterr().err
    assert text.count("\n") == 1
    assert "openvino" in text


def test_an_interrupt_is_no_error_of_ours(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def run(options: argparse.Namespace) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(importlib.import_module("pointpillars_ov_ros.cli.demo.command"), "run", run)
    assert cli.main(["demo"]) == 130
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("arguments", [("--help",), ("inspect",), ("detect_bag", "bag", "--out", "out")])
def test_a_working_directory_that_was_deleted_is_one_sentence(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    program = f"import os, sys; os.chdir({str(gone)!r}); os.rmdir({str(gone)!r}); " + (
        f"from pointpillars_ov_ros.cli.main import main; sys.exit(main({arguments!r}))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300, check=False)
    assert_one_line(ended)
    assert "the current directory cannot be used" in ended.stderr and "`cd` to an existing one" in ended.stderr


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    command = [sys.executable, "-m", "pointpillars_ov_ros.cli.main", "inspect"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stderr is not None
        # As `| true` does it.
        process.stdout.close()
        said = process.stderr.read()
        assert process.wait(300) == 141
    assert said == ""


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_any_name_can_be_printed_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    bundle = shutil.copytree(shipped_model("streets_int8"), tmp_path / "größer …")
    command = [sys.executable, "-m", "pointpillars_ov_ros.cli.main", "inspect", str(bundle)]
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    ended = subprocess.run(command, capture_output=True, timeout=300, check=False, env=environment)
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert rb"er \u2026" in ended.stdout


@pytest.mark.parametrize("closed", [1, 2])
def test_a_stream_that_the_shell_closed_is_no_error(closed: int) -> None:
    command = f"{shlex.quote(sys.executable)} -m pointpillars_ov_ros.cli.main inspect {closed}>&-"
    ended = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=300, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
