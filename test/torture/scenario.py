# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A fault, what is expected then, and what was observed."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Scenario:
    """A row of the table.

    `play(folder)` injects the fault, and returns the observation in a few words and figures. An AssertionError says
    that the observation differs from the expectation.
    """

    name: str
    fault: str
    expected: str
    play: Callable[[Path], str]


class NotHereError(Exception):
    """A scenario's requirement is missing on this machine; says which."""


@dataclass(frozen=True)
class Outcome:
    """Outcome of a scenario."""

    scenario: Scenario
    passed: bool
    observed: str
    skipped: bool = False
    """Whether it could not be played here; `observed` says why."""


def scenario(
    scenarios: list[Scenario], fault: str, expected: str
) -> Callable[[Callable[[Path], str]], Callable[[Path], str]]:
    """Add the function below to `scenarios`, under its own name."""

    def add(play: Callable[[Path], str]) -> Callable[[Path], str]:
        scenarios.append(Scenario(play.__name__, fault, expected, play))
        return play

    return add


def play(scenario: Scenario, folder: Path) -> Outcome:
    """Play it in a folder of its own; nothing that it raises goes further."""
    try:
        return Outcome(scenario, True, scenario.play(folder / scenario.name))
    except AssertionError as error:
        return Outcome(scenario, False, str(error).strip().split("\n")[0] or "an assertion without words")
    except NotHereError as missing:
        return Outcome(scenario, True, str(missing), skipped=True)
    except Exception as error:
        traceback.print_exc()
        return Outcome(scenario, False, f"{type(error).__name__}: {error}")
