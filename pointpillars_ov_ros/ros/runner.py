# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Running a node as a process: one executor, orderly end on SIGINT and SIGTERM, errors as one sentence."""

from __future__ import annotations

import gc
import logging
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import rclpy
from rclpy.duration import Duration
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.signals import SignalHandlerOptions

from pointpillars_ov_ros.config.errors import PointPillarsError
from pointpillars_ov_ros.ros.dds import shared_memory_warning
from pointpillars_ov_ros.ros.parameter_sources import unused_parameters
from pointpillars_ov_ros.ros.ros_errors import ros_refusals, security_warning
from pointpillars_ov_ros.ros.stop_signals import StopSignals

_WAKE_S = 1.0
"""The longest that an end unnoticed by the executor takes to be seen; each time costs half a millisecond of CPU."""
_PACKAGE = Path(__file__).parents[1]
_HAND_OVER_S = 0.5
"""A subscriber slower than this misses the last messages."""
PACKAGE = __name__.partition(".")[0]


class RosLogger(Protocol):
    """The part of rclpy's logger that is used here."""

    def info(self, message: str) -> bool:
        """Log information."""

    def warning(self, message: str) -> bool:
        """Log a warning."""

    def error(self, message: str) -> bool:
        """Log an error."""


class RosHandler(logging.Handler):
    """Log handler that passes this package's messages, from INFO on, to a node's logger; from any thread."""

    def __init__(self, logger: RosLogger) -> None:
        """Start with the next message and continue until `close`."""
        super().__init__(logging.INFO)
        self._logger, self._package = logger, logging.getLogger(PACKAGE)
        self._level_before = self._package.level
        self._package.setLevel(logging.INFO)
        self._package.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Log the record; one source line per level, since rclpy allows only one level per source line."""
        text = self.format(record)
        if record.levelno >= logging.ERROR:
            self._logger.error(text)
        elif record.levelno >= logging.WARNING:
            self._logger.warning(text)
        else:
            self._logger.info(text)

    def close(self) -> None:
        """Stop, and restore the package's level."""
        if self in self._package.handlers:
            self._package.setLevel(self._level_before)
            self._package.removeHandler(self)
        super().close()


class Runnable(Protocol):
    """Interface of a node that `run_node` runs."""

    def start(self) -> None:
        """Start working; raises PointPillarsError if that is not possible."""

    def is_finished(self) -> bool:
        """Whether the node has nothing more to do."""

    def stop(self) -> None:
        """Finish pending work; publishing is still possible."""


def run_node(create: Callable[[], Node], stop: StopSignals, arguments: list[str] | None = None) -> int:
    """Spin the node (also a `Runnable`) until a signal or its own end; return the exit code.

    The executor is the single-threaded one: the multi-threaded one loses callbacks at high rates.
    """
    node: Node | None = None
    logs: RosHandler | None = None
    executor: SingleThreadedExecutor | None = None
    try:
        with ros_refusals():
            # ROS's own handlers would shut the context down at once, so that results in flight could not be published.
            rclpy.init(args=arguments, signal_handler_options=SignalHandlerOptions.NO)
            node = create()
        logs = RosHandler(node.get_logger())
        for warning in filter(None, (security_warning(), shared_memory_warning())):
            node.get_logger().warning(warning)
        for sentence in unused_parameters(node, sys.argv if arguments is None else arguments):
            node.get_logger().warning(sentence)
        with ros_refusals():
            node.start()
        # Those who start it disable it while they load.
        gc.enable()
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        stop.start_finished(executor.wake)
        while not (stop.received or node.is_finished()):
            _spin_once(executor, node)
        begin_s = time.monotonic()
        node.stop()
        finished_s = time.monotonic()
        hand_over(node)
        node.get_logger().info(
            f"ended: {finished_s - begin_s:.2f} s to finish, {time.monotonic() - finished_s:.2f} s to hand over"
        )
        return 0
    except PointPillarsError as error:
        if node is None:
            print(f"error: {error}", file=sys.stderr)
        else:
            node.get_logger().fatal(str(error))
        return 1
    except ExternalShutdownException:
        return 0
    finally:
        if logs is not None:
            logs.close()
        if executor is not None:
            # What it was serving last is in use for as long as it is there.
            executor.shutdown()
        if node is not None:
            _leave_dds(node)
        rclpy.try_shutdown()


def _leave_dds(node: Node) -> None:
    """Destroy the node, and with it the DDS participant of this process.

    Left to the end of the process it stays with its peers as a ghost for 20 s, and with the machine as 35 MB of
    /dev/shm. What else the node owns ends with the process: to free networks takes up to half a second.
    """
    node.destroy_node()
    # It holds the node, too; rclpy frees it with the last reference to the node only.
    machine = getattr(node, "_state_machine", None)
    if machine is None:
        gc.collect()
    else:
        machine.destroy_when_not_in_use()


def _spin_once(executor: SingleThreadedExecutor, node: Node) -> None:
    """Serve one callback; log exceptions that ROS itself raises for a message that it considers impossible.

    A `/clock` below zero is such a message. Exceptions from our own callbacks are bugs, and end the process.
    """
    try:
        executor.spin_once(timeout_sec=_WAKE_S)
    except (ExternalShutdownException, PointPillarsError):
        raise
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)[1:]
        if any(Path(frame.filename).is_relative_to(_PACKAGE) for frame in frames):
            raise
        place = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "ROS"
        node.get_logger().error(
            f"ROS could not serve a message ({type(error).__name__}: {error}, at {place}); the node continues",
            throttle_duration_sec=10.0,
        )


def hand_over(node: Node) -> None:
    """Wait briefly until reliable subscribers have received everything published: the rest dies with the process."""
    end = time.monotonic() + _HAND_OVER_S
    for publisher in node.publishers:
        try:
            publisher.wait_for_all_acked(Duration(seconds=max(0.0, end - time.monotonic())))
        except RuntimeError:
            # Not every middleware supports this.
            return
