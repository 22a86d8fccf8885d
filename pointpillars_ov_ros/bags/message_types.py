# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Message definitions: those of this ROS, and those contained in a bag."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from rosbags.interfaces import Connection, MessageDefinition, MessageDefinitionFormat
from rosbags.typesys import Stores, get_types_from_idl, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

IDL_SEPARATOR = "=" * 80 + "\n"
"""Separator between the IDL definition of a type in a bag and those of the types it contains."""


def to_cdr(message: Any, message_type: str) -> bytes:
    """Serialize a message of rclpy reproducibly: rclpy leaves uninitialized memory between fields."""
    from rclpy.serialization import serialize_message

    store = typestore()
    return bytes(store.serialize_cdr(store.deserialize_cdr(serialize_message(message), message_type), message_type))


@cache
def typestore() -> Typestore:
    """Return the shared store of our types, which must not be modified; see `make_typestore`."""
    return make_typestore()


def make_typestore() -> Typestore:
    """Return the definitions of Jazzy's messages and, if ROS is installed, of vision_msgs from its .msg files."""
    store = get_typestore(Stores.ROS2_JAZZY)
    try:
        from ament_index_python.packages import get_package_share_directory
    except ModuleNotFoundError:
        # Without ROS, bags are read but not written; those of newer recorders define their types themselves.
        return store
    folder = Path(get_package_share_directory("vision_msgs")) / "msg"
    for path in sorted(folder.glob("*.msg")):
        store.register(get_types_from_msg(path.read_text(encoding="utf-8"), f"vision_msgs/msg/{path.stem}"))
    return store


def collect_types(connections: Iterable[Connection], is_ros2: bool) -> Typestore:
    """Return the types that a bag defines, plus those of this ROS that a ROS 2 bag uses without defining them.

    A definition that cannot be parsed is skipped: only messages of that type cannot be read then.
    """
    connections = list(connections)
    definitions = {c.msgtype: c.msgdef for c in connections if c.msgdef.format is not MessageDefinitionFormat.NONE}
    found: dict[str, Any] = {}
    for kind, definition in definitions.items():
        # Odd definitions make rosbags raise any kind of exception.
        try:
            found.update(_parse(kind, definition))
        except Exception:
            continue
    if is_ros2 and any(connection.msgtype not in found for connection in connections):
        found = {**typestore().fielddefs, **found}
    store = get_typestore(Stores.EMPTY)
    store.register(found)
    return store


def _parse(kind: str, definition: MessageDefinition) -> dict[str, Any]:
    if definition.format is MessageDefinitionFormat.MSG:
        return dict(get_types_from_msg(definition.data, kind))
    if not definition.data.startswith(f"{IDL_SEPARATOR}IDL: "):
        return dict(get_types_from_idl(definition.data))
    found: dict[str, Any] = {}
    for part in definition.data.split(IDL_SEPARATOR)[1:]:
        found.update(get_types_from_idl(part.partition("\n")[2]))
    return found
