# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Commands of the documentation that are not run are at least right: flags, launch arguments, parameters, targets."""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import re
import shlex
from typing import NamedTuple

import pytest

from docs_tools.blocks import ROOT, pages, read_blocks
from docs_tools.parameters import launch_arguments
from pointpillars_ov_ros.cli.main import COMMANDS
from pointpillars_ov_ros.config.runtime_config import RuntimeConfig
from pointpillars_ov_ros.ros.settings import DetectorNodeConfig, DiagnosticsConfig, PlayerConfig

PACKAGE = "pointpillars_ov_ros"
NODES = {
    "pointpillars_detector": (RuntimeConfig, DetectorNodeConfig),
    "pointpillars_diagnostics": (DiagnosticsConfig,),
    "kitti_player": (PlayerConfig,),
}


class Typed(NamedTuple):
    """A command of a text, in words."""

    place: str
    words: tuple[str, ...]


def typed_commands() -> list[Typed]:
    """Return what is typed in all blocks of commands, with and without mark."""
    found = []
    for page in pages():
        for block in read_blocks(page):
            if block.language == "sh":
                for number, line in enumerate(block.text.splitlines(), block.line + 1):
                    found += [Typed(f"{page}:{number}", words) for words in split_line(line)]
    return found


def split_line(line: str) -> list[tuple[str, ...]]:
    """Split a line into commands, and those into words; redirections are left out."""
    commands: list[list[str]] = [[]]
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    for word in lexer:
        if word in ("&&", ";", "|"):
            commands.append([])
        else:
            commands[-1].append(word)
    cut = [words[: words.index(">")] if ">" in words else words for words in commands]
    return [tuple(words) for words in cut if words]


TYPED = typed_commands()


def begins(*start: str) -> list[Typed]:
    """Return the commands that begin with some words."""
    return [typed for typed in TYPED if typed.words[: len(start)] == start]


def tools() -> list[Typed]:
    """Return the commands of `pointpillars_ov`, however they are typed."""
    ours = [typed for typed in TYPED if typed.words[0].endswith("pointpillars_ov")]
    by_ros = begins("ros2", "run", PACKAGE, "pointpillars_ov")
    return [*ours, *(Typed(place, words[3:]) for place, words in by_ros)]


def test_commands_are_found_in_texts() -> None:
    line = "a --x 'b c' && ros2 run d > out.txt    # e"
    assert split_line(line) == [("a", "--x", "b c"), ("ros2", "run", "d")]
    assert len(tools()) > 30 and begins("ros2", "launch") and begins("make")


@pytest.mark.parametrize("typed", tools(), ids=lambda typed: f"{typed.place}-{typed.words[1]}")
def test_the_flags_of_a_command_are_its_own(typed: Typed) -> None:
    name, *flags = typed.words[1:]
    assert name in COMMANDS, typed
    tool = importlib.import_module(f"{PACKAGE}.cli.{COMMANDS[name].module}")
    parser = argparse.ArgumentParser(prog=name, exit_on_error=False)
    tool.add_arguments(parser)
    try:
        parser.parse_args(flags)
    except (argparse.ArgumentError, SystemExit) as error:
        pytest.fail(f"{typed.place}: {' '.join(typed.words)}: {error}")


@pytest.mark.parametrize("typed", begins("ros2", "launch"), ids=lambda typed: typed.place)
def test_the_arguments_of_a_launch_file_are_its_own(typed: Typed) -> None:
    assert typed.words[2] == PACKAGE
    known = launch_arguments(ROOT / "launch" / typed.words[3]) | launch_arguments(ROOT / "launch/detector.launch.py")
    for word in typed.words[4:]:
        name, separator, value = word.partition(":=")
        assert separator and name in known, typed
        choices = known[name].choices
        assert not choices or value in choices, typed


@pytest.mark.parametrize("typed", begins("ros2", "run", PACKAGE), ids=lambda typed: typed.place)
def test_the_parameters_of_a_node_are_its_own(typed: Typed) -> None:
    program, words = typed.words[3], typed.words[4:]
    if program == "pointpillars_ov":
        return
    known = {field.name for settings in NODES[program] for field in dataclasses.fields(settings)}
    given = [words[index + 1] for index, word in enumerate(words[:-1]) if word == "-p"]
    assert {word.partition(":=")[0] for word in given} - {"…"} <= known, typed


@pytest.mark.parametrize("typed", begins("make"), ids=lambda typed: typed.place)
def test_make_has_the_target(typed: Typed) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for word in typed.words[1:]:
        if "=" not in word:
            assert re.search(rf"^{re.escape(word)}:.*##", makefile, re.MULTILINE), typed
        else:
            assert f"$({word.partition('=')[0]})" in makefile or f"{word.partition('=')[0]} :=" in makefile, typed


def test_paths_of_the_repository_that_are_named_exist() -> None:
    pattern = re.compile(r"`((?:benchmarks|config|docs|env|launch|test|docs_tools)/[\w./-]+\.\w+)`")
    for page in pages():
        for name in pattern.findall((ROOT / page).read_text(encoding="utf-8")):
            assert (ROOT / name).exists() or (ROOT / PACKAGE / name).exists(), f"{page}: {name}"
