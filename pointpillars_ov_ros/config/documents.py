# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Reading of foreign text files with limits on time and memory.

PyYAML, which rclpy imports anyway, with limits on top. ruamel.yaml 0.19 refuses duplicate keys itself, but it adds 20
ms to a node's imports, reads a bundle.yaml in 6 ms (round trip: 8 ms) instead of 3.7 ms, takes 7 s to fail on 2 kB of
brackets, and accepts an alias that contains itself: the limits would still be needed. (Python 3.11, two EPYC cores.)
"""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from pointpillars_ov_ros.config.errors import BundleError, ConfigError, PointPillarsError, plain, shown
from pointpillars_ov_ros.config.regular_file import read_regular

MOST_YAML_BYTES = 100_000
"""Maximum size of a description, which normally has a few kB; PyYAML takes a second for this much."""
_MOST_LEVELS = 50
_MOST_NODES = 100_000
"""Maximum number of nodes of a document with its aliases expanded, as messages and loops over it do."""
Tree = Mapping[str, Any]
_GIT_LFS = b"version https://git-lfs"
"""Start of the pointer file that a clone without Git LFS has in place of a large file."""


def read_text(path: Path, most_bytes: int, encoding: str = "utf-8") -> str:
    """Read a text file; UnicodeDecodeError if it is not text.

    Raises OSError if it is larger than `most_bytes`, or a Git LFS pointer in place of the file.
    """
    data = read_regular(path, most_bytes + 1)
    if len(data) > most_bytes:
        raise OSError(errno.EFBIG, f"it has more than {most_bytes} bytes, too many for such a file")
    if data.startswith(_GIT_LFS):
        raise OSError(errno.EINVAL, "a Git LFS pointer, not the file itself: `git lfs pull` fetches it")
    return data.decode(encoding)


def read_yaml_text(path: Path) -> str:
    """Read a YAML file of a bundle or a checkpoint as text; BundleError if it is not text or too long."""
    try:
        return read_text(path, MOST_YAML_BYTES)
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(f"{path}: cannot be read ({error})") from None


def read_tree(path: Path) -> Tree:
    """Read a YAML mapping; BundleError names file, line and problem."""
    document = parse_yaml(read_yaml_text(path), str(path), BundleError)
    if not isinstance(document, dict):
        raise BundleError(f"{path}: {type(document).__name__} is not a mapping of settings")
    return document


def parse_yaml(text: str, where: str, refusal: type[PointPillarsError] = ConfigError) -> Any:
    """Parse the text found at `where`; `refusal` is raised with one sentence that names line and problem.

    Besides invalid YAML, it refuses duplicate keys, of which one would be dropped, aliases that contain themselves, and
    aliases that expand a short text to a huge document.
    """
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _count_nodes(node, {})
        return loader.construct_document(node)
    # Values that look like a number or a date but are not make PyYAML raise whatever Python's own types raise.
    except Exception as error:
        mark = getattr(error, "problem_mark", None)
        line = "" if mark is None else f":{mark.line + 1}"
        problem = getattr(error, "problem", None) or (error if str(error) else type(error).__name__)
        raise refusal(f"{where}{line}: invalid YAML ({one_line(problem)})") from None


def parse_json(text: str) -> Any:
    """Parse JSON; JSONDecodeError also if it is nested too deeply or a number has too many digits for Python."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise
    except (RecursionError, ValueError) as error:
        raise json.JSONDecodeError(one_line(error), text, 0) from None


def one_line(problem: object) -> str:
    """Return the message of an exception on one line, shortened if it is long."""
    return plain(" ".join(str(problem).split()))


class _Loader(yaml.SafeLoader):
    """Loader with a limit on nesting: for every token, PyYAML's scanner visits all open levels."""

    def fetch_flow_collection_start(self, token: Any) -> None:
        """Open a list or mapping in brackets."""
        self._check_depth(self.flow_level)
        super().fetch_flow_collection_start(token)

    def add_indent(self, column: int) -> bool:
        """Open a list or mapping by indentation."""
        self._check_depth(len(self.indents))
        return bool(super().add_indent(column))

    def _check_depth(self, depth: int) -> None:
        if depth >= _MOST_LEVELS:
            raise yaml.MarkedYAMLError(problem="it is nested too deeply", problem_mark=self.get_mark())


def _count_nodes(node: yaml.Node, counts: dict[int, int]) -> int:
    """Count the nodes below `node` and itself, once per reference; YAMLError if the document is not acceptable."""
    known = counts.get(id(node))
    if known is not None:
        if not known:
            raise yaml.MarkedYAMLError(problem="an alias contains itself", problem_mark=node.start_mark)
        return known
    counts[id(node)] = 0
    total = 1 + sum(_count_nodes(part, counts) for part in _parts(node))
    if total > _MOST_NODES:
        raise yaml.MarkedYAMLError(problem="its aliases make it too large", problem_mark=node.start_mark)
    counts[id(node)] = total
    return total


def _parts(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.SequenceNode):
        yield from node.value
    elif isinstance(node, yaml.MappingNode):
        keys: set[tuple[str, str]] = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in keys:
                    raise yaml.MarkedYAMLError(
                        problem=f"the key {shown(key.value)} appears twice", problem_mark=key.start_mark
                    )
                keys.add((key.tag, key.value))
            yield from (key, value)


def merge(base: Tree, over: Tree) -> dict[str, Any]:
    """Return `base` with the values of `over`; mappings are merged, lists replaced."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = merge(merged[key], value) if both else value
    return merged


class Settings:
    """A part of a document, and its place in it."""

    def __init__(self, path: Path, tree: Tree, where: str = "") -> None:
        """Wrap the mapping `tree`, found at `where` in the file `path`."""
        self.path = path
        self.tree = tree
        self._where = where

    def refuse(self, name: str, reason: str) -> BundleError:
        """Return the error for the value `name`."""
        return BundleError(f"{self.path}: {self._where}{name}: {reason}")

    def has(self, name: str) -> bool:
        """Whether there is a value `name`."""
        return name in self.tree

    def get(self, name: str) -> Any:
        """Return the value `name`; BundleError if it is missing."""
        if name not in self.tree:
            raise self.refuse(name, "missing")
        return self.tree[name]

    def section(self, name: str) -> Settings:
        """Return the mapping `name`."""
        value = self.get(name)
        if not isinstance(value, Mapping):
            raise self.refuse(name, f"{shown(value)} is not a mapping")
        return Settings(self.path, value, f"{self._where}{name}.")

    def sections(self, name: str) -> list[Settings]:
        """Return the mappings of the list `name`."""
        values = self.get(name)
        if not isinstance(values, list) or not all(isinstance(value, Mapping) for value in values):
            raise self.refuse(name, f"{shown(values)} is not a list of mappings")
        return [Settings(self.path, value, f"{self._where}{name}[{i}].") for i, value in enumerate(values)]

    def number(self, name: str) -> float:
        """Return the number `name`."""
        value = self.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.refuse(name, f"{shown(value)} is not a number")
        return self._to_float(name, value)

    def _to_float(self, name: str, value: float) -> float:
        try:
            return float(value)
        except OverflowError:
            raise self.refuse(name, f"{shown(value)} is too large") from None

    def integer(self, name: str) -> int:
        """Return the whole number `name`."""
        value = self.get(name)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.refuse(name, f"{shown(value)} is not a whole number")
        return value

    def numbers(self, name: str, count: int = 0) -> tuple[float, ...]:
        """Return the list of numbers `name`, with `count` entries unless that is 0."""
        values = self.get(name)
        plain = isinstance(values, list) and all(type(value) in (int, float) for value in values)
        if not plain or (count and len(values) != count):
            raise self.refuse(name, f"{shown(values)} is not a list of {count or 'some'} numbers")
        return tuple(self._to_float(name, value) for value in values)

    def integers(self, name: str) -> tuple[int, ...]:
        """Return the list of whole numbers `name`."""
        values = self.get(name)
        if not isinstance(values, list) or not all(type(value) is int for value in values):
            raise self.refuse(name, f"{shown(values)} is not a list of whole numbers")
        return tuple(values)

    def strings(self, name: str) -> tuple[str, ...]:
        """Return the list of strings `name`."""
        values = self.get(name)
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise self.refuse(name, f"{shown(values)} is not a list of names")
        return tuple(values)

    def expect(self, name: str, wanted: object, default: object = None) -> None:
        """Raise BundleError unless `name` is `wanted`; a missing value counts as `default`."""
        value = self.tree.get(name, default) if default is not None else self.get(name)
        if value != wanted:
            raise self.refuse(name, f"{shown(value)} is not {wanted!r}, the only value supported")
