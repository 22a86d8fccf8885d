# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Entry point of `make env`: prepares .venv, or finds out quickly that nothing has changed.

Any Python can start this file, so that an old one gets a clear message; the work is in setup_env.py.
"""

import sys

if __name__ == "__main__":
    if sys.version_info < (3, 8):
        version = sys.version.split()[0]
        sys.exit("make env: Python >= 3.10 is needed, this is " + version + "; name another by PYTHON=")
    from setup_env import main

    sys.exit(main())
