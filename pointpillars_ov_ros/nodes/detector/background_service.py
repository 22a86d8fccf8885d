# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A service whose work takes seconds, while clouds are still processed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from rclpy.task import Future
from std_srvs.srv import Trigger

from pointpillars_ov_ros.config.errors import InferenceError, PointPillarsError

log = logging.getLogger(__name__)

T = TypeVar("T")


class BackgroundTrigger(Generic[T]):
    """A std_srvs/Trigger service that works on its own thread, and answers on the executor's."""

    def __init__(self, node: Node, name: str, work: Callable[[], T], done: Callable[[T], str]) -> None:
        """Offer the service `name`; `done` returns the answer. The text of a PointPillarsError is an answer, too."""
        self._node, self._name, self._work, self._done = node, name, work, done
        self._is_under_way = False
        # A callback group of its own: while a call awaits its work, no other callback of the same group is served.
        node.create_service(Trigger, name, self._serve, callback_group=ReentrantCallbackGroup())

    async def _serve(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        if self._is_under_way:
            response.message = f"{self._name} is already in progress"
            return response
        self._is_under_way = True
        try:
            future = Future(executor=self._node.executor)
            threading.Thread(target=self._run, args=(future,), name=f"pointpillars-{self._name}", daemon=True).start()
            response.message = self._done(await future)
            response.success = True
        except PointPillarsError as error:
            response.message = str(error)
        finally:
            self._is_under_way = False
        # Two lines, since rclpy allows only one level per source line.
        if response.success:
            self._node.get_logger().info(f"{self._name}: {response.message}")
        else:
            self._node.get_logger().error(f"{self._name}: {response.message}")
        return response

    def _run(self, future: Any) -> None:
        try:
            future.set_result(self._work())
        except PointPillarsError as error:
            future.set_exception(error)
        except Exception as unknown:
            # The caller gets the error, and the node goes on.
            log.exception("%s failed", self._name)
            future.set_exception(InferenceError(f"{type(unknown).__name__}: {unknown}"))
