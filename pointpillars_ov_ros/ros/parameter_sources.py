# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Detection of parameters that no node uses: misspelt names, or the section of another node in a file.

ROS drops them silently. Here the arguments of the process and the files that they name are read once more.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from rclpy.node import Node

from pointpillars_ov_ros.config.errors import list_names, shown
from pointpillars_ov_ros.config.runtime_config import RuntimeConfig
from pointpillars_ov_ros.ros.settings import DetectorNodeConfig, DiagnosticsConfig, PlayerConfig

OUR_NODES: dict[str, tuple[type[Any], ...]] = {
    "pointpillars_detector": (RuntimeConfig, DetectorNodeConfig),
    "pointpillars_diagnostics": (DiagnosticsConfig,),
    "kitti_player": (PlayerConfig,),
}
_ROS_OWN = re.compile(r"qos_overrides\..*|use_sim_time|start_type_description_service")
_CLOSE = 0.6
_MOST_SAID = 20


class Section(NamedTuple):
    """Parameters for the nodes with a certain name."""

    source: str
    """File or argument."""
    node: str
    """Name as written there, with wildcards; empty: every node of the process."""
    names: tuple[str, ...]


def unused_parameters(node: Node, arguments: Sequence[str]) -> list[str]:
    """Return a sentence for each parameter in the arguments of a process that its node does not have."""
    own = node.get_fully_qualified_name()
    sections = list(read_sections(arguments))
    sentences = []
    for section in sections:
        if not section.node or matches(section.node, own):
            unknown = [name for name in section.names if not node.has_parameter(name)]
            unknown = [name for name in unknown if not _is_for_others(name, section, node)]
            sentences += [_describe_name(name, node, section) for name in unknown]
        elif not any(matches(other.node, own) for other in sections if other.source == section.source):
            sentences += _describe_section(section, own, node)
    return list(dict.fromkeys(sentences))[:_MOST_SAID]


def read_sections(arguments: Sequence[str]) -> Iterator[Section]:
    """Yield the parameters from `-p` and `--params-file` in the arguments; ROS itself refuses unreadable files."""
    is_ros = False
    for argument, value in pairwise([*arguments, ""]):
        if argument in ("--ros-args", "--"):
            is_ros = argument == "--ros-args"
        elif is_ros and argument in ("-p", "--param"):
            node, _, name = value.split(":=")[0].rpartition(":")
            yield Section(f"-p {value}", node, (name,))
        elif is_ros and argument == "--params-file":
            yield from _read_file(Path(value))


def matches(pattern: str, node: str) -> bool:
    """Whether a section's name matches a node with the full name `node`: * is one part, ** any number of parts."""
    parts = [
        "(/[^/]+)*" if part == "**" else "/" + re.escape(part).replace(r"\*", "[^/]*")
        for part in pattern.split("/")
        if part
    ]
    return re.fullmatch("".join(parts), node) is not None


def _read_file(path: Path) -> Iterator[Section]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return
    yield from _walk(document, "", str(path))


def _walk(value: object, node: str, source: str) -> Iterator[Section]:
    """Yield the sections below a namespace or a node."""
    if not isinstance(value, Mapping):
        return
    for key, below in value.items():
        if key == "ros__parameters":
            yield Section(source, node, tuple(_flatten(below, "")))
        else:
            yield from _walk(below, f"{node}/{str(key).strip('/')}", source)


def _flatten(value: object, name: str) -> Iterator[str]:
    """Yield the names of parameters; those of nested mappings are joined by dots."""
    if isinstance(value, Mapping):
        for key, below in value.items():
            yield from _flatten(below, f"{name}.{key}" if name else str(key))
    elif name:
        yield name


def _is_for_others(name: str, section: Section, node: Node) -> bool:
    """Whether a parameter that `node` does not have is meant for others, even if misspelt, as in a section /**."""
    if _ROS_OWN.fullmatch(name):
        return True
    known = [known for other in OUR_NODES for known in parameter_names(other)]
    near = get_close_matches(name, known, n=1, cutoff=_CLOSE)
    return "*" in section.node and not (near and node.has_parameter(near[0]))


def parameter_names(node: str) -> list[str]:
    """Return the names of the parameters of a node of this package."""
    return [field.name for settings in OUR_NODES[node] for field in dataclasses.fields(settings)]


def _describe_name(name: str, node: Node, section: Section) -> str:
    known = sorted(node.get_parameters_by_prefix(""))
    near = get_close_matches(name, known, n=1, cutoff=_CLOSE)
    hint = f"the closest is {near[0]}" if near else f"`ros2 param list {node.get_fully_qualified_name()}` lists them"
    return f"{section.source}: there is no parameter {shown(name)}, so it is ignored; {hint}"


def _describe_section(section: Section, own: str, node: Node) -> list[str]:
    """Explain that a section applies to none of our nodes although it seems to be meant for this one."""
    base, own_base = section.node.rpartition("/")[2], own.rpartition("/")[2]
    if base in OUR_NODES and base != own_base:
        return []
    is_near = bool(get_close_matches(base, [own_base], cutoff=_CLOSE))
    if not is_near and not (section.names and all(node.has_parameter(name) for name in section.names)):
        return []
    return [
        f"{section.source}: the section {section.node or '/'} is not for this node, {own}, so its parameters are "
        f"ignored ({list_names(section.names)}); write {own}, or /**/{own_base}"
    ]
