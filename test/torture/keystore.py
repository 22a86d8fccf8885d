# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Make a keystore, as `ros2 security` does, for the ROS domain of the environment; needs sros2.

    python -m test.torture.keystore KEYSTORE POLICY [ENCLAVE …]

The enclaves of the file POLICY get what it allows them, the others named may do anything.
"""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from sros2.keystore import create_enclave, create_keystore, create_permission


def main() -> None:
    """Make it."""
    keystore, policy = Path(sys.argv[1]), Path(sys.argv[2])
    create_keystore(keystore)
    for enclave in sys.argv[3:]:
        create_enclave(keystore, enclave)
    for element in ElementTree.parse(policy).iterfind("enclaves/enclave"):
        create_enclave(keystore, element.attrib["path"])
        create_permission(keystore, element.attrib["path"], policy)


if __name__ == "__main__":
    main()
