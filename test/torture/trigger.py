# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""A process that calls a std_srvs/Trigger service once, and writes down the answer.

python -m test.torture.trigger JOURNAL /pointpillars_detector/reload
"""

from __future__ import annotations

import sys
from pathlib import Path

import rclpy
from std_srvs.srv import Trigger

from test.torture.journal import Journal


def main() -> int:
    """Wait for the service, call it, and wait for the answer."""
    rclpy.init()
    node = rclpy.create_node("trigger")
    client = node.create_client(Trigger, sys.argv[2])
    client.wait_for_service()
    future = client.call_async(Trigger.Request())
    rclpy.spin_until_future_complete(node, future)
    with Journal(Path(sys.argv[1])) as journal:
        journal.write("answer", success=future.result().success, message=future.result().message)
    rclpy.try_shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
