# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Running launch files without `launch`: every action is represented by its arguments."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
LAUNCH_FILES = sorted((REPOSITORY / "launch").glob("*.launch.py"))
DETECTOR = REPOSITORY / "launch" / "detector.launch.py"
_PARTS = ("", ".actions", ".substitutions", ".event_handlers", ".events", ".launch_description_sources")


class Said:
    """Stands for any class of `launch` and `launch_ros`: keeps what it was made of."""

    def __init__(self, *positional: Any, **named: Any) -> None:
        self.positional = positional
        self.named = named

    def perform(self, context: dict[str, str]) -> str:
        """Return the value of a LaunchConfiguration."""
        return context[self.positional[0]]


class Everything(ModuleType):
    """A module with every name in it."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (Said,), {})


class LaunchFile:
    """Contents of a launch file, including those of included files."""

    def __init__(self, path: Path, patch: pytest.MonkeyPatch) -> None:
        for part in _PARTS:
            for package in ("launch", "launch_ros"):
                patch.setitem(sys.modules, package + part, Everything(package + part))
        self.path = path
        self.names: dict[str, Any] = {"__name__": path.stem, "__file__": str(path)}
        exec(compile(path.read_text(encoding="utf-8"), path, "exec"), self.names)
        (self.actions,) = self.names["generate_launch_description"]().positional
        self.included = [
            LaunchFile(Path(said.positional[0].positional[0]), patch) for said in self.of("IncludeLaunchDescription")
        ]

    def of(self, kind: str) -> list[Said]:
        """Return its own actions of a kind."""
        return [action for action in self.actions if type(action).__name__ == kind]

    def defaults(self) -> dict[str, str]:
        """Return the arguments' defaults: its own win over those of included files."""
        included = {name: value for file in self.included for name, value in file.defaults().items()}
        declared = self.of("DeclareLaunchArgument")
        return {**included, **{said.positional[0]: said.named["default_value"] for said in declared}}

    def perform(self, arguments: dict[str, str]) -> list[Any]:
        """Return its actions with these arguments and all defaults."""
        context = {**self.defaults(), **arguments}
        done = []
        for action, kind in ((action, type(action).__name__) for action in self.actions):
            if kind == "OpaqueFunction":
                made = action.named["function"](context)
                done += made
                changes = [each.positional for each in made if type(each).__name__ == "SetLaunchConfiguration"]
                context.update(dict(changes))
            elif kind == "IncludeLaunchDescription":
                done += [each for file in self.included for each in file.perform(context)]
        return done

    def started(self, **arguments: str) -> dict[str, Said]:
        """Return the nodes that it starts, by executable."""
        kinds = ("Node", "LifecycleNode")
        return {a.named["executable"]: a for a in self.perform(arguments) if type(a).__name__ in kinds}
