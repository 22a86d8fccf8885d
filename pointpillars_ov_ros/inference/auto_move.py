# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""AUTO's move from its first device to the preferred one, watched until it has happened or failed.

AUTO reports neither. If the preferred device cannot compile the network, AUTO silently stays where it is.
"""

from __future__ import annotations

import logging
import threading
import time
import weakref
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import openvino as ov

from pointpillars_ov_ros.config.runtime_config import PerformanceHint, RuntimeConfig
from pointpillars_ov_ros.inference.device.devices import parse_device
from pointpillars_ov_ros.inference.device.network import Network

log = logging.getLogger(__name__)

_LOOK_EVERY_S = 0.2


class Movable(Protocol):
    """Engine that AUTO may move."""

    @property
    def networks(self) -> list[Network]:
        """The networks compiled for a device."""

    def settle(self) -> None:
        """React to the end of the move."""


def may_move(device: str, rpn: Network, networks: Sequence[Network]) -> bool:
    """Return whether AUTO has a network that is not on its preferred device; other meta devices use all their devices.

    `device` is the requested device, `rpn` the network compiled for it, one of `networks`.
    """
    is_elsewhere = rpn.preferred_device not in ("", *rpn.execution_devices)
    is_auto = parse_device(device, "rpn_device").meta == "AUTO"
    return is_auto and (is_elsewhere or any(network.is_provisional for network in networks))


def is_auto_beside_cpu(device: str, rpn: Network) -> bool:
    """Whether `rpn`, compiled for `device`, is on another device of AUTO than the CPU, which AUTO may use, too."""
    parsed = parse_device(device, "rpn_device")
    if parsed.meta != "AUTO" or any("CPU" in name for name in rpn.execution_devices):
        return False
    # Last, since listing the devices loads their plugins.
    return "CPU" in parsed.plugins(ov.Core().available_devices)


def cpu_alone(runtime: RuntimeConfig) -> RuntimeConfig:
    """Return the settings for the CPU, without those that AUTO alone knows."""
    return replace(
        runtime, pfe_device="CPU", rpn_device="CPU", performance_hint=PerformanceHint.AUTO, device_properties=""
    )


def follow_auto(engine: Movable) -> None:
    """Call `engine.settle` once, on a thread, when AUTO has moved the networks or given up; return at once.

    The engine may be freed meanwhile.
    """
    threading.Thread(target=_follow, args=(weakref.ref(engine),), name="pointpillars-auto", daemon=True).start()


def _follow(reference: weakref.ref[Movable]) -> None:
    while (engine := reference()) is not None:
        if not any(network.is_provisional for network in engine.networks):
            try:
                engine.settle()
            except Exception:
                log.exception("the networks that AUTO compiled could not be checked")
            return
        # The engine is not held while there is nothing to do.
        del engine
        time.sleep(_LOOK_EVERY_S)
