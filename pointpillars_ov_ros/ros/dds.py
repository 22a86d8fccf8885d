# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""DDS transport for clouds: location of the Fast DDS profile, and whether this process uses it.

Fast DDS's defaults lose most best-effort clouds of 2 MB, even on one machine. A killed process leaves 35 MB of its
shared memory in /dev/shm, until `pointpillars_ov clean_shm` removes it: crash loops fill the memory.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping, MutableMapping
from pathlib import Path
from typing import Any

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from rclpy.subscription import Subscription

PACKAGE = __name__.partition(".")[0]
PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
"""Read by Humble and Jazzy, and by Kilted and later."""

_PROFILE_NAMES = ("fastdds_clouds.xml", "fastdds_clouds_3.xml")
"""Profiles for Fast DDS 2 and 3, in the order of the variables."""
_FOREIGN_NAMES = {"heartbeatPeriod": _PROFILE_NAMES[1], "heartbeat_period": _PROFILE_NAMES[0]}
"""Elements that the other version does not know, so that it ignores the whole file; and the file to use instead."""
_OLDER = ("humble", "iron", "jazzy")
_NUMBER = re.compile("[0-9]{1,18}")
_RMEM_MAX = Path("/proc/sys/net/core/rmem_max")
SEGMENTS = Path("/dev/shm")
_MAPS = Path("/proc/self/maps")
_MIB = 1024 * 1024
_SEGMENT_NAME = re.compile("fast(rtps|dds)_[0-9a-f]{16}")
"""Name of a segment of Fast DDS 2 or 3."""
_MIN_AGE_S = 10.0
"""A participant creates a segment first, and locks it a moment later."""


def shipped_profiles(share: Path) -> dict[str, str]:
    """Return the profile for each of `PROFILE_VARIABLES`, in the package's share folder."""
    folder = share / "config"
    return dict(zip(PROFILE_VARIABLES, (str(folder / name) for name in _PROFILE_NAMES), strict=True))


def profile_line(environment: Mapping[str, str] = os.environ) -> str:
    """Return the assignment that makes a process use the same profile as this one, or the shipped one."""
    name = readable_variables(environment)[0]
    unknown = f"config/{_PROFILE_NAMES[PROFILE_VARIABLES.index(name)]} of this package"
    return f"{name}={environment.get(name) or _shipped_profile(environment) or unknown}"


def set_profile(environment: MutableMapping[str, str] = os.environ, rmem_max: Path = _RMEM_MAX) -> None:
    """Select the shipped profile for this process, before its first ROS context.

    A profile that is already set stays. If the kernel does not allow what the shipped one requests, it is not selected,
    since nodes would not find each other.
    """
    shipped = _shipped_profile(environment)
    if shipped is None or not shipped.is_file():
        return
    changed = with_profile(environment, shipped.parents[1])
    if transport_warning(changed, rmem_max) is None:
        environment.update(changed)


def _shipped_profile(environment: Mapping[str, str]) -> Path | None:
    """Return the path of the installed profile; None if this package is not installed for ROS."""
    try:
        profiles = shipped_profiles(Path(get_package_share_directory(PACKAGE)))
        return Path(profiles[readable_variables(environment)[0]])
    except (PackageNotFoundError, OSError):
        return None


def readable_variables(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the one of `PROFILE_VARIABLES` that Fast DDS reads; both if the distribution is unknown."""
    distro = environment.get("ROS_DISTRO")
    if not distro:
        return PROFILE_VARIABLES
    return PROFILE_VARIABLES[:1] if distro in _OLDER else PROFILE_VARIABLES[1:]


def readable_profiles(environment: Mapping[str, str], share: Path) -> dict[str, str]:
    """Return the shipped profile for each of `readable_variables`."""
    profiles = shipped_profiles(share)
    return {name: profiles[name] for name in readable_variables(environment)}


def with_profile(environment: Mapping[str, str], share: Path) -> dict[str, str]:
    """Return `environment` with the profile that its distribution reads, unless a profile is already set.

    Fast DDS 3 reads the older variable, too, and complains of a profile for Fast DDS 2.
    """
    own = {name: environment[name] for name in PROFILE_VARIABLES if environment.get(name)}
    users = next(iter(own.values()), None)
    chosen = {name: users or profile for name, profile in readable_profiles(environment, share).items()}
    return {**environment, **chosen, **own}


def transport_warning(environment: Mapping[str, str] = os.environ, rmem_max: Path = _RMEM_MAX) -> str | None:
    """Return one sentence on what would lose clouds in this process; None if nothing is known to."""
    if not _is_fast_dds(environment):
        return None
    profile = _find_profile(environment)
    if profile is None:
        return (
            f"{readable_variables(environment)[0]} is not set: Fast DDS with its default transports loses most large "
            f"clouds; before you start this node and the sender of the clouds: export {profile_line(environment)}"
            f"{_sysctl_hint(environment, rmem_max)}"
        )
    try:
        wanted, other = socket_buffer_size(Path(profile)), _profile_of_own_version(environment, Path(profile))
    # ValueError and LookupError: encodings that Python's parser does not support.
    except (OSError, ElementTree.ParseError, ValueError, LookupError) as error:
        return f"the Fast DDS profile {profile} cannot be read ({error}): Fast DDS runs without it"
    if other:
        return f"{profile} is for another version of Fast DDS and is ignored by this one: use config/{other}"
    allowed = _read_int(rmem_max)
    if wanted is not None and allowed is not None and allowed < wanted:
        return (
            f"net.core.rmem_max is {allowed}, less than the {wanted} bytes that {profile} requests, so nodes may "
            f"not find each other: run `sudo sysctl -w net.core.rmem_max={wanted}`"
        )
    return None


def _sysctl_hint(environment: Mapping[str, str], rmem_max: Path) -> str:
    """Return what else the shipped profile needs on this machine; empty if nothing."""
    shipped = _shipped_profile(environment)
    wanted = socket_buffer_size(shipped) if shipped is not None and shipped.is_file() else None
    allowed = _read_int(rmem_max)
    if wanted is None or allowed is None or allowed >= wanted:
        return ""
    return f", after `sudo sysctl -w net.core.rmem_max={wanted}`"


def shared_memory_warning(
    environment: Mapping[str, str] = os.environ, maps: Path = _MAPS, folder: Path = SEGMENTS
) -> str | None:
    """Return one sentence if Fast DDS found no room for its shared memory, although it should use it; else None.

    Call this once this process has a participant. Fast DDS itself reports nothing, and falls back to UDP.
    """
    profile = _find_profile(environment)
    try:
        wanted = None if profile is None else shared_memory_size(Path(profile))
        if wanted is None or _SEGMENT_NAME.search(maps.read_text()):
            return None
        space = os.statvfs(folder)
    # ValueError and LookupError: encodings that Python's parser does not support.
    except (OSError, ElementTree.ParseError, ValueError, LookupError):
        return None
    total, free = (blocks * space.f_frsize // _MIB for blocks in (space.f_blocks, space.f_bavail))
    return (
        f"{folder} has {total} MiB, {free} of them free: too little for Fast DDS, which needs {wanted // _MIB + 2} MiB "
        "per node, so clouds are sent over UDP, which may lose some; start a container with `--shm-size=512m`, or run "
        "`pointpillars_ov clean_shm`"
    )


def shared_memory_size(profile: Path) -> int | None:
    """Return the largest shared-memory segment that a profile requests (bytes); None if it requests none."""
    return _greatest(profile, ("segment_size",))


def socket_buffer_size(profile: Path) -> int | None:
    """Return the largest UDP receive buffer that a profile requests (bytes); None if it requests none."""
    return _greatest(profile, ("receiveBufferSize", "listenSocketBufferSize", "receive_buffer_size"))


def _is_fast_dds(environment: Mapping[str, str]) -> bool:
    return "fastrtps" in (environment.get("RMW_IMPLEMENTATION") or "rmw_fastrtps_cpp")


def _find_profile(environment: Mapping[str, str]) -> str | None:
    """Return the profile that Fast DDS reads in this environment; None if there is none, or another middleware."""
    if not _is_fast_dds(environment):
        return None
    return next((environment[name] for name in readable_variables(environment) if environment.get(name)), None)


def _profile_of_own_version(environment: Mapping[str, str], profile: Path) -> str:
    """Return the name of the shipped profile to use instead; empty if the current one fits."""
    if not environment.get("ROS_DISTRO"):
        return ""
    foreign = "heartbeat_period" if environment["ROS_DISTRO"] in _OLDER else "heartbeatPeriod"
    found = {element.tag.rpartition("}")[2] for element in ElementTree.parse(profile).getroot().iter()}
    return _FOREIGN_NAMES[foreign] if foreign in found else ""


def _greatest(profile: Path, names: tuple[str, ...]) -> int | None:
    root = ElementTree.parse(profile).getroot()
    sizes = [
        int(element.text)
        for element in root.iter()
        if element.tag.rpartition("}")[2] in names
        and _NUMBER.fullmatch((element.text or "").strip())
        and element.text is not None
    ]
    return max(sizes, default=None)


def remove_dead_segments(folder: Path = SEGMENTS) -> int:
    """Remove the segments of dead participants; return the number of bytes freed.

    Mappings of other processes stay valid. Segments of other users stay, too.
    """
    freed = 0
    for segment, lock, size in find_dead_segments(folder):
        try:
            segment.unlink()
            lock.unlink()
            freed += size
        except OSError:
            # It belongs to another user, or is already gone.
            continue
    return freed


def find_dead_segments(folder: Path = SEGMENTS) -> Iterator[tuple[Path, Path, int]]:
    """Yield each segment of a dead participant, its lock file and its size (bytes).

    A participant locks the file beside its segment for as long as it lives.
    """
    for lock in folder.glob("fast*_el"):
        segment = lock.with_name(lock.name.removesuffix("_el"))
        try:
            is_old = time.time() - segment.stat().st_ctime > _MIN_AGE_S
            if _SEGMENT_NAME.fullmatch(segment.name) and is_old and _is_free(lock):
                yield segment, lock, segment.stat().st_size
        except OSError:
            # Somebody else's, or gone already.
            continue


def _is_free(lock: Path) -> bool:
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _read_int(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def waiting_messages(subscription: Subscription) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Yield the queued messages and remove them, each with rclpy's information (`source_timestamp`, ...)."""
    with subscription.handle:
        while (taken := subscription.handle.take_message(subscription.msg_type, subscription.raw)) is not None:
            yield taken
