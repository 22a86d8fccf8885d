# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Checks of a cloud topic: publishers, quality of service, DDS, shared memory, message headers and TF."""

from __future__ import annotations

import os
import shutil
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

import numpy as np
from rclpy.qos import QoSProfile, qos_check_compatible

from pointpillars_ov_ros.clouds.transform_buffer import Missing
from pointpillars_ov_ros.config.errors import count_of, list_names, shown
from pointpillars_ov_ros.config.findings import Finding, Level
from pointpillars_ov_ros.ros import dds
from pointpillars_ov_ros.ros.cloud_sources import CLOUD_TYPE, is_refused
from pointpillars_ov_ros.ros.qos import is_best_effort
from pointpillars_ov_ros.ros.topic_probe import CloudHead, Endpoint, TopicView

_RMEM_MAX = Path("/proc/sys/net/core/rmem_max")
_DETECTOR = "pointpillars_detector"
_MAX_AGE_S, _ABSURD_AGE_S = 0.5, 60.0
"""Age of a cloud on arrival: older clouds are late, much older ones have stamps of another clock."""
_MAX_AHEAD_S = 0.05
_MAX_LOST = 0.02
_USUAL_BYTES = 2_000_000
"""Assumed size of a cloud if none was received."""
_MIN_FREE_BYTES = 200e6
"""Minimum free shared memory; each DDS participant with the shipped profile takes 35 MB."""
_MAX_DEAD_BYTES = 200e6
_STAMPS = 5
"""Number of clouds, the newest ones, whose transforms are looked up."""
_CLOCKS = "synchronise the clocks (chrony, PTP), or have the driver stamp by this machine's clock"


def check_publishers(view: TopicView) -> Finding:
    """Check that the topic has publishers of clouds, and that clouds arrive."""
    name, clouds = "ros.topic", view.cloud_publishers
    if clouds and view.heads:
        return Finding(name, Level.OK, f"{view.topic}: {_names(clouds)}, {count_of(len(view.heads), 'cloud')} received")
    if clouds:
        text = f"{_names(clouds)} publishes {view.topic}, but no cloud arrived within {view.seconds:g} s"
        hint = f"is the sensor sending? check with `ros2 topic hz {view.topic}` on the driver's machine"
        return Finding(name, Level.FAULT, text, (hint, *_profile_cure()))
    if view.publishers:
        kinds = list_names(sorted({one.type for one in view.publishers}))
        text = f"{view.topic} is published by {_names(view.publishers)} as {kinds}, but the detector needs {CLOUD_TYPE}"
        cure = f"have the driver publish {CLOUD_TYPE} (Livox: xfer_format: 0)"
        return Finding(name, Level.FAULT, text, (*_other_topics(view), cure))
    text = f"nobody publishes {view.topic}"
    others = _other_topics(view)
    if others:
        there = list_names([f"{topic} ({count_of(n, 'publisher')})" for topic, n in sorted(view.cloud_topics.items())])
        return Finding(name, Level.FAULT, f"{text}; PointCloud2 is on {there}", others)
    text = f"{text}, nor PointCloud2 on any topic, in {_domain()}"
    return Finding(
        name, Level.FAULT, text, ("start the driver", "export ROS_DOMAIN_ID=N   # the driver's, if it has another")
    )


def check_graph(view: TopicView) -> Finding:
    """List the cloud topics, if no topic was given."""
    if not view.cloud_topics:
        return Finding("ros.topic", Level.OK, f"no topic of PointCloud2 at the moment, in {_domain()}")
    there = list_names(sorted(view.cloud_topics))
    best = sorted(view.cloud_topics)[0]
    text = f"PointCloud2 is on {there}: `pointpillars_ov doctor --topic {best}` also checks its clouds"
    return Finding("ros.topic", Level.OK, text)


def _other_topics(view: TopicView) -> tuple[str, ...]:
    best = get_close_matches(view.topic, sorted(view.cloud_topics), n=1, cutoff=0.0)
    if not best:
        return ()
    return (
        f"pointpillars_ov doctor --topic {best[0]}",
        f"ros2 launch pointpillars_ov_ros detector.launch.py points:={best[0]}",
    )


def check_qos(view: TopicView, asked: QoSProfile) -> list[Finding]:
    """Compare the offered quality of service with that of all subscriptions, and of a detector with defaults."""
    name, found = "ros.qos", []
    for subscription in view.subscriptions:
        refused = [one for one in view.cloud_publishers if is_refused(one.profile, subscription.profile)]
        if refused:
            found.append(_say_refused(name, view, subscription, refused))
    has_detector = any(one.node == _DETECTOR for one in view.subscriptions)
    refused = [one for one in view.cloud_publishers if is_refused(one.profile, asked)]
    if refused and not has_detector:
        found.append(_say_refused(name, view, Endpoint(_DETECTOR, CLOUD_TYPE, asked), refused))
    if found or not view.cloud_publishers:
        return found
    offered = list_names(sorted({_reliability(one.profile) for one in view.cloud_publishers}))
    who = "the running detector" if has_detector else "the detector"
    return [Finding(name, Level.OK, f"offered {offered}; compatible with {who}")]


def _say_refused(name: str, view: TopicView, listener: Endpoint, refused: Sequence[Endpoint]) -> Finding:
    asked = listener.profile
    text = f"{listener.node} cannot receive from {_names(refused)} on {view.topic}"
    if _reliability(refused[0].profile) == "best effort" and _reliability(asked) == "reliable":
        text += ": best effort is offered, but reliable is requested"
    else:
        reason = qos_check_compatible(refused[0].profile, asked)[1].removeprefix("ERROR:").strip(" ;")
        text += f": {reason}"
    if listener.node != _DETECTOR:
        cure = (
            f"subscribe best effort in {listener.node} (RViz: the display's Topic > Reliability Policy > Best Effort)"
        )
        return Finding(name, Level.WARN, text, (cure,))
    node = f"ros2 run pointpillars_ov_ros {_DETECTOR} --ros-args -r points:={view.topic}"
    return Finding(
        name,
        Level.FAULT,
        text,
        (f"ros2 param set {listener.path} input_reliability auto", f"{node} -p input_reliability:=auto"),
    )


def check_loss(view: TopicView) -> list[Finding]:
    """Count the lost clouds of a single publisher by its sequence numbers."""
    numbers = [head.number for head in view.heads if head.number is not None]
    if len(view.cloud_publishers) != 1 or len(numbers) < 2:
        return []
    sent = max(numbers) - min(numbers) + 1
    lost, name = sent - len(set(numbers)), "ros.loss"
    text = f"{len(set(numbers))} of {count_of(sent, 'cloud')} arrived"
    if lost <= _MAX_LOST * sent:
        return [Finding(name, Level.OK, text)]
    size = max(head.size for head in view.heads)
    text += f", {lost} were lost on the way ({size / 1e6:.1f} MB each): DDS drops what its buffers cannot hold"
    return [Finding(name, Level.FAULT if lost > 0.2 * sent else Level.WARN, text, _profile_cure())]


def check_transport(
    view: TopicView, environment: Mapping[str, str] = os.environ, rmem_max: Path = _RMEM_MAX
) -> Finding:
    """Check the DDS profile, and that the socket buffers can hold clouds of this size."""
    name = "ros.dds"
    implementation = environment.get("RMW_IMPLEMENTATION") or "rmw_fastrtps_cpp"
    size = max((head.size for head in view.heads), default=_USUAL_BYTES if view.cloud_publishers else 0)
    allowed = _read_int(rmem_max)
    text = f"{implementation}, {_domain(environment)}"
    given = dict(environment)
    # As a node does it, but also if the kernel must be configured first.
    dds.set_profile(given, Path(os.devnull))
    warning = dds.transport_warning(given, rmem_max)
    if warning:
        seen, _, cure = warning.partition(": run ")
        return Finding(name, Level.WARN, seen, (cure.strip("`") or _unset(given),))
    buffer = _profile_buffer(given)
    if buffer is not None and size > buffer:
        text = f"the Fast DDS profile in use has receive buffers of {buffer:,} bytes, less than a cloud of {size:,}"
        return Finding(name, Level.WARN, text, _profile_cure(where=""))
    if allowed is not None and size > allowed:
        text = f"net.core.rmem_max is {allowed:,} bytes, less than a cloud of {size:,}: over a network they are lost"
        return Finding(name, Level.WARN, text, (f"sudo sysctl -w net.core.rmem_max={_round_up(size)}",))
    limit = "" if allowed is None else f", net.core.rmem_max {allowed / 1e6:.1f} MB"
    clouds = f" for clouds of {size / 1e6:.1f} MB" if size else ""
    return Finding(name, Level.OK, f"{text}{limit}{clouds}")


def check_shared_memory(folder: Path = dds.SEGMENTS, min_free: float = _MIN_FREE_BYTES) -> Finding:
    """Check the shared memory that processes of one machine exchange clouds through."""
    name = "ros.shm"
    try:
        usage = shutil.disk_usage(folder)
    except OSError as error:
        text = f"{folder} cannot be used ({error.strerror}): Fast DDS falls back to sockets"
        return Finding(name, Level.WARN, text, (f"sudo mount -t tmpfs tmpfs {folder}",))
    text = f"{folder}: {usage.free / 1e6:,.0f} of {usage.total / 1e6:,.0f} MB free"
    dead = sum(size for _, _, size in dds.find_dead_segments(folder))
    if dead > _MAX_DEAD_BYTES or (dead and usage.free < min_free):
        text += f"; {dead / 1e6:,.0f} MB are left over from killed processes"
        return Finding(name, Level.WARN, text, ("pointpillars_ov clean_shm",))
    if usage.free < min_free:
        text += ", and each DDS process takes 35 MB"
        return Finding(name, Level.WARN, text, ("docker run --ipc=host …   # or --shm-size=1g; outside of a container: "
                                                f"sudo mount -o remount,size=2g {folder}",))  # fmt: skip
    return Finding(name, Level.OK, text)


def check_heads(
    heads: Sequence[CloudHead], source: str, has_clock: bool = False, moment: str = "they arrive"
) -> list[Finding]:
    """Look at frame and stamp of the clouds of `source`; `has_clock`: their times are those of /clock.

    `moment`: when they were received, in words.
    """
    return [_check_frame(heads, source), _check_stamps(heads, has_clock, moment)] if heads else []


def _check_frame(heads: Sequence[CloudHead], source: str) -> Finding:
    frames = sorted({head.frame for head in heads})
    if "" in frames:
        text = f"the clouds of {source} have an empty frame_id: neither RViz nor TF can place them, or their boxes"
        cure = "--ros-args -p frame_id:=lidar   # of the driver; the name of the parameter may differ"
        return Finding("ros.frame", Level.FAULT, text, (cure,))
    if len(frames) > 1:
        text = f"the clouds are in {len(frames)} frames, {list_names(frames)}: several sensors on one topic?"
        return Finding("ros.frame", Level.NOTE, text)
    return Finding("ros.frame", Level.OK, f"frame_id {shown(frames[0])}")


def _check_stamps(heads: Sequence[CloudHead], has_clock: bool, moment: str) -> Finding:
    name = "ros.stamps"
    if any(head.stamp_ns == 0 for head in heads):
        text = "the stamps are 0: TF cannot say where the clouds were taken, and the age of the boxes is unknown"
        return Finding(name, Level.FAULT, text, ("have the driver stamp its clouds: node.get_clock().now().to_msg()",))
    age = float(np.median([(head.received_ns - head.stamp_ns) / 1e9 for head in heads]))
    if has_clock:
        return Finding(name, Level.OK, "stamps are those of /clock (a bag or a simulator)")
    if abs(age) > _ABSURD_AGE_S:
        text = f"the stamps are {_duration(age)}: they are from another clock, or from a bag that is played"
        return Finding(name, Level.WARN, text, ("ros2 bag play BAG --clock   # and use_sim_time:=true", _CLOCKS))
    if age < -_MAX_AHEAD_S:
        return Finding(name, Level.WARN, f"the stamps are {_duration(age)}", (_CLOCKS,))
    if age > _MAX_AGE_S:
        text = f"the clouds are {age:.2f} s old when {moment}: they wait in the driver or on the way"
        return Finding(name, Level.WARN, text, ("a smaller queue in the driver (depth 1, best effort)", _CLOCKS))
    return Finding(name, Level.OK, f"clouds are {1000.0 * age:.0f} ms old when {moment}")


def check_transforms(view: TopicView, target: str) -> Finding:
    """Check that TF has a transform of the newest clouds to the frame `target`."""
    name, heads = "ros.tf", view.heads[-_STAMPS:]
    if not heads:
        return Finding(name, Level.NOTE, f"no cloud arrived whose transform to {shown(target)} could be looked up")
    target = target.lstrip("/")
    missing: Missing | None = None
    cures: tuple[str, ...]
    for head in heads:
        found = view.transforms.find(target, head.frame, head.stamp_ns)
        if not isinstance(found, Missing):
            return Finding(
                name, Level.OK, f"TF transforms clouds from {shown(head.frame)} to {shown(target)} at their stamps"
            )
        missing = found
    assert missing is not None
    frame, frames = heads[-1].frame, view.transforms.frames
    text = f"no transform from {shown(frame)} to {shown(target)}: {missing.reason}"
    if not frames:
        cures = (_static(target, frame),)
        text = f"no transform from {shown(frame)} to {shown(target)}: nothing is published on /tf or /tf_static"
    elif target not in frames:
        text += f"; TF knows {list_names(frames)}"
        best = get_close_matches(target, [one for one in frames if one != frame] or frames, n=1, cutoff=0.0)[0]
        cures = (f"target_frame:={best}   # pointpillars_ov doctor --topic {view.topic} --target-frame {best}",
                 _static(target, frame))  # fmt: skip
    elif frame not in frames:
        text += f"; TF knows {list_names(frames)}"
        cures = (_static(target, frame),)
    else:
        cures = (_CLOCKS, f"ros2 run tf2_ros tf2_echo {target} {frame}")
    return Finding(name, Level.FAULT, text, cures)


def _static(target: str, frame: str) -> str:
    child = frame or "lidar"
    return (
        f"ros2 run tf2_ros static_transform_publisher --z 1.73 --frame-id {target} --child-frame-id {child}"
        "   # with your sensor's position"
    )


def _profile_cure(where: str = "   # in the driver's shell, too") -> tuple[str, ...]:
    """Return the command that selects the shipped profile for a process, whatever this process uses."""
    return (f"export {dds.profile_line({'ROS_DISTRO': os.environ.get('ROS_DISTRO', '')})}{where}",)


def _unset(environment: Mapping[str, str]) -> str:
    named = next((name for name in dds.PROFILE_VARIABLES if environment.get(name)), dds.PROFILE_VARIABLES[0])
    return f"unset {named}"


def _profile_buffer(environment: Mapping[str, str]) -> int | None:
    """Return the receive buffer (bytes) of a profile without shared memory; None if it does not matter."""
    profile = next((environment[name] for name in dds.PROFILE_VARIABLES if environment.get(name)), None)
    if profile is None:
        return None
    try:
        return None if _has_shared_memory(Path(profile)) else dds.socket_buffer_size(Path(profile))
    # `transport_warning` reports what is wrong with it.
    except Exception:
        return None


def _has_shared_memory(profile: Path) -> bool:
    """Whether processes of one machine exchange clouds through shared memory, by the profile or by default."""
    root = ElementTree.parse(profile).getroot()
    texts = {(element.tag.rpartition("}")[2], (element.text or "").strip()) for element in root.iter()}
    return ("useBuiltinTransports", "false") not in texts or ("type", "SHM") in texts


def _reliability(profile: QoSProfile) -> str:
    return "best effort" if is_best_effort(profile) else "reliable"


def _names(endpoints: Sequence[Endpoint]) -> str:
    return list_names(sorted({one.node for one in endpoints}))


def _domain(environment: Mapping[str, str] = os.environ) -> str:
    return f"domain {environment.get('ROS_DOMAIN_ID') or 0}"


def _duration(seconds: float) -> str:
    size = abs(seconds)
    for unit, length in (("days", 86400.0), ("hours", 3600.0), ("s", 1.0)):
        if size >= 2 * length or unit == "s":
            break
    return f"{size / length:,.2f} {unit} in the {'past' if seconds > 0 else 'future'}"


def _round_up(size: int) -> int:
    """Return the next power of two."""
    return 1 << (size - 1).bit_length()


def _read_int(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
