# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What core and inference say through `logging`, in the log of ROS."""

from __future__ import annotations

import logging
from typing import Protocol

PACKAGE = __name__.partition(".")[0]


class RosLogger(Protocol):
    """What of rclpy's logger is used here."""

    def info(self, message: str) -> bool:
        """Log what is as it should be."""

    def warning(self, message: str) -> bool:
        """Log a warning."""

    def error(self, message: str) -> bool:
        """Log an error."""


class RosHandler(logging.Handler):
    """Hands what this package logs, from INFO on, to the logger of a node; from any thread."""

    def __init__(self, logger: RosLogger) -> None:
        """Begin with the next message, until `close`."""
        super().__init__(logging.INFO)
        self._logger, self._package = logger, logging.getLogger(PACKAGE)
        self._level_before = self._package.level
        self._package.setLevel(logging.INFO)
        self._package.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Log it; one line of the source for each level, since rclpy takes a line to be always of one."""
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
