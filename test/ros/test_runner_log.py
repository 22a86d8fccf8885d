# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Log messages of the core reach the ROS log, once, and only while a node runs."""

from __future__ import annotations

import logging

from pointpillars_ov_ros.ros.runner import PACKAGE, RosHandler


class Lines:
    """Takes what a node's logger would."""

    def __init__(self) -> None:
        self.said: list[tuple[str, str]] = []

    def info(self, message: str) -> bool:
        self.said.append(("info", message))
        return True

    def warning(self, message: str) -> bool:
        self.said.append(("warning", message))
        return True

    def error(self, message: str) -> bool:
        self.said.append(("error", message))
        return True


def test_what_the_package_says_is_handed_on_from_info_on_and_nothing_else() -> None:
    lines, log = Lines(), logging.getLogger(f"{PACKAGE}.inference.engine")
    level = logging.getLogger(PACKAGE).level
    handler = RosHandler(lines)
    log.debug("of no interest")
    log.info("that is so")
    log.warning("%s is odd", "this")
    log.error("this is bad")
    logging.getLogger("another").warning("not ours")
    handler.close()
    log.warning("too late")
    assert logging.getLogger(PACKAGE).level == level
    assert lines.said == [("info", "that is so"), ("warning", "this is odd"), ("error", "this is bad")]
