# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Arena of a scenario: the nodes, a sender and a checker, each a process, in a ROS domain of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from pointpillars_ov_ros.cli.processes import NodeProcesses
from pointpillars_ov_ros.ros.dds import readable_profiles
from test.domains import own_domain
from test.torture.account import Account, stamp_of
from test.torture.journal import read_journal
from test.torture.process_watch import Reading, look_at

ROOT = Path(__file__).parents[2]
_DOMAINS = range(215, 232)
"""Domains whose ports Linux assigns to no other sockets, and which the tests do not use."""
DETECTOR, DIAGNOSTICS = "pointpillars_detector", "pointpillars_diagnostics"
_PROBES = 8
"""Minimum number of clouds sent before the others."""
_PROBE = "probe"
_ANSWERS = ("detections", "timing")


class Arena:
    """Starts processes, and ends them all when it is left."""

    def __init__(self, folder: Path, extra_environment: Mapping[str, str] | None = None) -> None:
        """Keep logs and journals in `folder`, which is made."""
        self.folder = folder
        folder.mkdir(parents=True)
        self._stack = ExitStack()
        self.environment = {
            **os.environ,
            "ROS_DOMAIN_ID": self._stack.enter_context(own_domain()),
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
            **readable_profiles(os.environ, ROOT),
            "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
            **(extra_environment or {}),
        }
        self._others: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Arena:
        self.nodes = self._stack.enter_context(NodeProcesses(self.folder, self.environment))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._others.values():
            if process.poll() is None:
                process.terminate()
        for process in self._others.values():
            try:
                process.wait(10.0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._stack.close()

    def journal(self, name: str) -> Path:
        """Return the path of the journal of the sender or checker called so."""
        return self.folder / f"{name}.jsonl"

    def start_checker(self, name: str = "checker", environment: Mapping[str, str] | None = None) -> None:
        """Start a checker, and wait until it listens."""
        self.run("checker", name, environment=environment)
        self.wait_until(lambda: bool(read_journal(self.journal(name))), "the checker")

    def start_sender(
        self,
        clouds: Sequence[Path],
        schedule: str,
        *options: str,
        name: str = "sender",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start a sender; `has_ended` tells when it is through its schedule."""
        arguments = ("--clouds", *map(str, clouds), "--schedule", schedule, *options)
        self.run("sender", name, *arguments, environment=environment)

    def connect(self, cloud: Path, *options: str) -> None:
        """Send a cloud now and then until the checker receives all outputs; accounts ignore these clouds.

        Publishers and subscribers match at their own pace, and earlier messages are not received. Several are sent, so
        that the numbers of the next sender's first clouds are below: that is how a detector knows it from this one.
        """
        self.start_sender([cloud], "4:600", "--reliable", *options, name=_PROBE)
        self.wait_until(self._is_connected, "what comes of a first cloud", 300.0)
        self.end(_PROBE)
        del self._others[_PROBE]

    def _is_connected(self) -> bool:
        self.nodes.check()
        probes = {stamp_of(line) for line in read_journal(self.journal(_PROBE)) if line["kind"] == "sent"}
        heard = read_journal(self.journal("checker"))
        answered = [any(one["kind"] == kind and stamp_of(one) in probes for one in heard) for kind in _ANSWERS]
        return len(probes) >= _PROBES and all(answered)

    def run(self, module: str, name: str, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        """Start a process of this package, `python -m test.torture.MODULE JOURNAL ARGUMENTS`.

        What is in `environment` is so for this process only.
        """
        command = [sys.executable, "-m", f"test.torture.{module}", str(self.journal(name)), *arguments]
        with (self.folder / f"{name}.log").open("wb") as log:
            self._others[name] = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, env={**self.environment, **(environment or {})}, cwd=ROOT
            )

    def pid(self, name: str) -> int:
        """Return the process id of a sender or checker."""
        return self._others[name].pid

    def has_ended(self, name: str) -> bool:
        """Whether a sender or checker has ended successfully; AssertionError with its last words if it failed."""
        code = self._others[name].poll()
        assert not code, f"{name} ended with {code}: {(self.folder / f'{name}.log').read_text()[-2000:]}"
        return code == 0

    def end(self, name: str) -> None:
        """End a sender or checker."""
        self._others[name].terminate()
        self._others[name].wait(30.0)

    def trigger(self, service: str) -> str:
        """Call a std_srvs/Trigger service, and return its answer; a failure begins with "refused: "."""
        name = f"answer_{len(self._others)}"
        self.run("trigger", name, service)
        self.wait_until(lambda: self.has_ended(name), f"the answer of {service}", 120.0)
        (answer,) = read_journal(self.journal(name))
        return ("" if answer["success"] else "refused: ") + str(answer["message"])

    def end_node(self, node: str = DETECTOR, number: int = signal.SIGTERM) -> float:
        """Send a node a signal, and return how long it took to end (s); AssertionError if it failed."""
        begin_s = time.monotonic()
        os.kill(self.nodes.pid(node), number)
        code = self.wait_for_code(node)
        assert code == 0, f"{node} ended with code {code}: {self.log_of(node)[-300:]}"
        return time.monotonic() - begin_s

    def wait_for_code(self, node: str = DETECTOR) -> int:
        """Wait until a node has ended, and give its exit code."""
        self.wait_until(lambda: self.nodes.code(node) is not None, f"the end of {node}")
        return self.nodes.code(node) or 0

    def account(self, sender: str = "sender", checker: str = "checker") -> Account:
        """Read what both have written so far."""
        return Account.read(self.journal(sender), self.journal(checker), self.journal(_PROBE))

    def look_at(self, node: str = DETECTOR) -> Reading:
        """Read what a node holds."""
        return look_at(self.nodes.pid(node))

    def log_of(self, node: str = DETECTOR) -> str:
        """Return the log of a node so far."""
        return (self.folder / f"{node}.log").read_text(errors="replace")

    def wait_until(self, condition: Callable[[], bool], what: str, patience_s: float = 180.0) -> None:
        """Wait; AssertionError names `what` was waited for in vain."""
        deadline_s = time.monotonic() + patience_s
        while not condition():
            assert time.monotonic() < deadline_s, f"waited {patience_s:.0f} s in vain for {what}"
            time.sleep(0.02)
