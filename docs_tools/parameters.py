# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Write docs/parameters.md from the dataclasses that the nodes declare, and from the arguments of the launch files.

`python -m docs_tools.parameters` writes the page; with `--check` it only compares.
"""

from __future__ import annotations

import argparse
import ast
import dataclasses
import sys
from collections.abc import Callable, Iterable
from enum import Enum
from pathlib import Path, PurePosixPath
from typing import Any

from pointpillars_ov_ros.config.runtime_config import RuntimeConfig
from pointpillars_ov_ros.nodes.detector.effects import LIVE, LIVE_IN_NODE
from pointpillars_ov_ros.ros.launching import Argument
from pointpillars_ov_ros.ros.settings import DetectorNodeConfig, DiagnosticsConfig, PlayerConfig

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "parameters.md"
_AT_ONCE, _ACTIVATE, _CONFIGURE, _START = "at once", "activate", "configure", "start"
_INTRODUCTION = """\
# Parameters

<!-- Generated from the source by `python -m docs_tools.parameters`; a test compares. Do not edit. -->

`ros2 param describe /pointpillars_detector NAME` shows the same on a running system. Set them in a file
(`params_file:=my.yaml`), as `-p NAME:=VALUE` of `ros2 run`, or live by `ros2 param set`. A bad value is refused with a
sentence that names it. Floats are written with a point: `1.0`, not `1`.

*Effect* says when a change counts: `at once`; at the next `activate` or `configure` of the lifecycle (for `configure`,
`~/reload` does as well); `start`: only when the process starts.
"""


def make_page() -> str:
    """Return the whole page."""
    return "\n".join(
        [
            _INTRODUCTION,
            *_section("pointpillars_detector: inference", RuntimeConfig, _effect_of_runtime),
            *_section("pointpillars_detector: node", DetectorNodeConfig, _effect_of_node),
            *_section("pointpillars_diagnostics", DiagnosticsConfig, None),
            *_section("kitti_player", PlayerConfig, None),
            *_launch_section(),
        ]
    )


def _section(title: str, settings: type[Any], effect: Callable[[Any], str] | None) -> Iterable[str]:
    yield f"## {title}\n"
    if effect is None:
        yield "Read when the process starts.\n"
    yield _row("parameter", "default", "values", *(["effect"] if effect else []), "meaning")
    yield _row(*["---"] * (5 if effect else 4))
    for field in dataclasses.fields(settings):
        meaning = field.metadata["description"]
        yield _row(
            f"`{field.name}`", _default(field.default), _values(field), *([effect(field)] if effect else []), meaning
        )
    yield ""


def _launch_section() -> Iterable[str]:
    yield "## Launch arguments\n"
    yield "The other launch files take the arguments of `detector.launch.py`, too, and change some defaults.\n"
    for path in sorted((ROOT / "launch").glob("*.launch.py"), key=lambda path: path.name != "detector.launch.py"):
        yield f"### {path.name}\n"
        yield _row("argument", "default", "values", "meaning")
        yield _row(*["---"] * 4)
        for name, argument in launch_arguments(path).items():
            default = "required" if argument.default is None else _default(argument.default)
            choices = ", ".join(f"`{choice}`" if choice else "empty" for choice in argument.choices)
            yield _row(f"`{name}`", default, choices, argument.description)
        yield ""


def launch_arguments(path: Path) -> dict[str, Argument]:
    """Return the `ARGUMENTS` of a launch file, which needs no `launch` for that: only its constants are evaluated."""
    names: dict[str, Any] = {
        "Path": PurePosixPath,
        "get_package_share_directory": lambda package: f"share/{package}",
    }
    for statement in ast.parse(path.read_text(encoding="utf-8")).body:
        is_ours = isinstance(statement, ast.ImportFrom) and (statement.module or "").startswith("pointpillars_ov_ros")
        if isinstance(statement, ast.Assign) or is_ours:
            exec(compile(ast.Module([statement], []), str(path), "exec"), names)
    arguments: dict[str, Argument] = names["ARGUMENTS"]
    return arguments


def _effect_of_runtime(field: Any) -> str:
    return _AT_ONCE if field.name in LIVE else _CONFIGURE


def _effect_of_node(field: Any) -> str:
    if field.metadata["is_fixed"] or field.name == "autostart":
        return _START
    return _AT_ONCE if field.name in LIVE_IN_NODE else _ACTIVATE


def _default(value: object) -> str:
    """Return a default as a user types it."""
    value = value.value if isinstance(value, Enum) else value
    if value == "":
        return "empty"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{list(value)}`" if isinstance(value, tuple) else f"`{value}`"


def _values(field: Any) -> str:
    """Return the choices or the bounds of a field."""
    if isinstance(field.default, Enum):
        return ", ".join(f"`{member.value}`" for member in type(field.default))
    low, high = field.metadata["low"], field.metadata["high"]
    if low is None or high is None:
        return {bool: "true, false", str: "text", tuple: "6 floats"}.get(type(field.default), "")
    return f"{_number(low)} to {_number(high)}"


def _number(value: float) -> str:
    return f"{value:,.10g}".replace(",", " ")


def _row(*cells: str) -> str:
    # A `|` would end the cell, `~/` and `<` are no Markdown here.
    return "| " + " | ".join(cell.replace("|", "\\|").replace("<", "&lt;") for cell in cells) + " |"


def main() -> int:
    """Write the page, or say that it has to be written."""
    parser = argparse.ArgumentParser(prog="python -m docs_tools.parameters", description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit code 1 where the page is not up to date"
    )
    page = make_page()
    if not parser.parse_args().check:
        PAGE.write_text(page, encoding="utf-8")
        return 0
    if PAGE.read_text(encoding="utf-8") == page:
        return 0
    print(f"{PAGE.relative_to(ROOT)} is out of date: run `python -m docs_tools.parameters`", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
