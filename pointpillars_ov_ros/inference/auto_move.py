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
from collections.abc import Sequence
from typing import Protocol

from pointpillars_ov_ros.inference.device.devices import parse_device
from pointpillars_ov_ros.inference.device.network import Network

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 0.2


class Movable(Protocol):
    """What is followed: an engine."""

    @property
    def networks(self) -> list[Network]:
        """Those compiled for a device."""

    def settle(self) -> None:
        """Act on the end of the move."""


def may_move(device: str, rpn: Network, networks: Sequence[Network]) -> bool:
    """Whether AUTO has a network that is not on the device it prefers; the others have all the devices they can.

    `device` is the one asked for, `rpn` the network compiled for it, one of `networks`.
    """
    is_elsewhere = rpn.preferred_device not in ("", *rpn.execution_devices)
    is_auto = parse_device(device, "rpn_device").meta == "AUTO"
    return is_auto and (is_elsewhere or any(network.is_provisional for network in networks))


def follow_auto(engine: Movable) -> None:
    """Let `engine` settle, on a thread, when AUTO has moved the networks or given up; return at once.

    The engine may be freed meanwhile.
    """
    threading.Thread(target=_follow, args=(weakref.ref(engine),), name="pointpillars-auto", daemon=True).start()


def _follow(reference: weakref.ref[Movable]) -> None:
    while (engine := reference()) is not None:
        if not any(network.is_provisional for network in engine.networks):
            try:
                engine.settle()
            except Exception:
                log.exception("what AUTO has compiled could not be checked")
            return
        # Not held while nothing is to be done.
        del engine
        time.sleep(_LOOK_EVERY_S)
