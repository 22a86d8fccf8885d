# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""AUTO's move from the device it begins on to the one it prefers, followed until it has happened or failed.

AUTO says neither. It stays where it is without a word where the preferred device cannot compile the network.
"""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections.abc import Callable

from pointpillars_ov_ros.inference.device.devices import parse_device
from pointpillars_ov_ros.inference.engine import Engine

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 0.2


def may_move(engine: Engine) -> bool:
    """Whether AUTO has a network that is not on the device it prefers; the others have all the devices they can."""
    device = parse_device(engine.runtime.rpn_device, "rpn_device")
    is_elsewhere = engine.rpn.preferred_device not in ("", *engine.rpn.execution_devices)
    return device.meta == "AUTO" and (is_elsewhere or any(network.is_provisional for network in engine.networks))


def follow_auto(engine: Engine, settled: Callable[[Engine], None]) -> None:
    """Call `settled` on a thread, once, when AUTO has moved the networks or given up; return at once.

    The engine may be freed meanwhile.
    """
    arguments = (weakref.ref(engine), settled)
    threading.Thread(target=_follow, args=arguments, name="pointpillars-auto", daemon=True).start()


def _follow(reference: weakref.ref[Engine], settled: Callable[[Engine], None]) -> None:
    while (engine := reference()) is not None:
        if not any(network.is_provisional for network in engine.networks):
            try:
                engine.settle()
                settled(engine)
            except Exception:
                log.exception("what AUTO has compiled could not be checked")
            return
        # Not held while nothing is to be done.
        del engine
        time.sleep(_LOOK_EVERY_S)
