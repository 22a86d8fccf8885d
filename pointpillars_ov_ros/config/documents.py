# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Text files of others, read so that nothing in them takes long, or more memory than they deserve.

PyYAML, which rclpy imports anyway, with limits on top. ruamel.yaml 0.19 refuses doubled keys itself, but it adds 20 ms
to a node's imports, reads a bundle.yaml in 6 ms (round trip: 8 ms) instead of 3.7 ms, takes 7 s to fail on 2 kB of
brackets, and accepts an alias that contains itself: the limits would have to stay. (Python 3.11, two EPYC cores.)
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
"""Of a description, which has a few thousand; PyYAML takes a second for so many."""
_MOST_LEVELS = 50
_MOST_NODES = 100_000
"""Of a document whose aliases are written out, as messages and loops over it do."""
Tree = Mapping[str, Any]
_GIT_LFS = b"version https://git-lfs"
"""Begins what a clone without Git LFS has in the place of a large file."""


def read_text(path: Path, most_bytes: int, encoding: str = "utf-8") -> str:
    """Read a text file; UnicodeDecodeError where it is no text.

    OSError where it is larger than `most_bytes`, or a pointer of Git LFS in the place of the file.
    """
    data = read_regular(path, most_bytes + 1)
    if len(data) > most_bytes:
        raise OSError(errno.EFBIG, f"it has more than {most_bytes} bytes, as no such file does")
    if data.startswith(_GIT_LFS):
        raise OSError(errno.EINVAL, "a pointer of Git LFS, not the file itself: `git lfs pull` fetches that")
    return data.decode(encoding)


def read_yaml_text(path: Path) -> str:
    """Read the text of a YAML file of a bundle or a checkpoint; BundleError where it is none, or too long to be one."""
    try:
        return read_text(path, MOST_YAML_BYTES)
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(f"{path}: cannot be read ({error})") from None


def read_tree(path: Path) -> Tree:
    """Read a YAML mapping; BundleError names file, line and problem."""
    document = parse_yaml(read_yaml_text(path), str(path), BundleError)
    if not isinstance(document, dict):
        raise BundleError(f"{path}: {type(document).__name__} is no mapping of settings")
    return document


def parse_yaml(text: str, where: str, refusal: type[PointPillarsError] = ConfigError) -> Any:
    """Parse the text found at `where`; `refusal`, in one sentence, names line and problem.

    Refused beyond what is no YAML: keys that are there twice, of which one would be dropped, aliases that contain
    themselves, and those that make a short text a huge document.
    """
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _count_nodes(node, {})
        return loader.construct_document(node)
    # Values that look like a number or a date and are none make PyYAML raise whatever Python's own types do.
    except Exception as error:
        mark = getattr(error, "problem_mark", None)
        line = "" if mark is None else f":{mark.line + 1}"
        problem = getattr(error, "problem", None) or (error if str(error) else type(error).__name__)
        raise refusal(f"{where}{line}: no valid YAML ({one_line(problem)})") from None


def parse_json(text: str) -> Any:
    """Parse JSON; JSONDecodeError also where it is nested too deeply, or a number has too many digits for Python."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise
    except (RecursionError, ValueError) as error:
        raise json.JSONDecodeError(one_line(error), text, 0) from None


def one_line(problem: object) -> str:
    """Return what an exception says on one line, its beginning where it is long."""
    return plain(" ".join(str(problem).split()))


class _Loader(yaml.SafeLoader):
    """A loader that does not go deep: for every token, PyYAML's scanner looks at all levels that are open."""

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
    """Count the nodes below `node` and itself, each as often as it is named; YAMLError where that is no document."""
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
                        problem=f"the key {shown(key.value)} is there twice", problem_mark=key.start_mark
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
    """A part of a document, and where it is."""

    def __init__(self, path: Path, tree: Tree, where: str = "") -> None:
        """Keep the mapping `tree`, found at `where` in the file `path`."""
        self.path = path
        self.tree = tree
        self._where = where

    def refuse(self, name: str, reason: str) -> BundleError:
        """Return the error for the value `name`."""
        return BundleError(f"{self.path}: {self._where}{name}: {reason}")

    def has(self, name: str) -> bool:
        """Whether `name` is there."""
        return name in self.tree

    def get(self, name: str) -> Any:
        """Return the value `name`; BundleError where it is missing."""
        if name not in self.tree:
            raise self.refuse(name, "missing")
        return self.tree[name]

    def section(self, name: str) -> Settings:
        """Return the mapping `name`."""
        value = self.get(name)
        if not isinstance(value, Mapping):
            raise self.refuse(name, f"{shown(value)} is no mapping")
        return Settings(self.path, value, f"{self._where}{name}.")

    def sections(self, name: str) -> list[Settings]:
        """Return the mappings of the list `name`."""
        values = self.get(name)
        if not isinstance(values, list) or not all(isinstance(value, Mapping) for value in values):
            raise self.refuse(name, f"{shown(values)} is no list of mappings")
        return [Settings(self.path, value, f"{self._where}{name}[{i}].") for i, value in enumerate(values)]

    def number(self, name: str) -> float:
        """Return a number."""
        value = self.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.refuse(name, f"{shown(value)} is no number")
        return self._to_float(name, value)

    def _to_float(self, name: str, value: float) -> float:
        try:
            return float(value)
        except OverflowError:
            raise self.refuse(name, f"{shown(value)} is too large") from None

    def integer(self, name: str) -> int:
        """Return a whole number."""
        value = self.get(name)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.refuse(name, f"{shown(value)} is no whole number")
        return value

    def numbers(self, name: str, count: int = 0) -> tuple[float, ...]:
        """Return a list of numbers, `count` of them where that is not 0."""
        values = self.get(name)
        plain = isinstance(values, list) and all(type(value) in (int, float) for value in values)
        if not plain or (count and len(values) != count):
            raise self.refuse(name, f"{shown(values)} is no list of {count or 'some'} numbers")
        return tuple(self._to_float(name, value) for value in values)

    def integers(self, name: str) -> tuple[int, ...]:
        """Return a list of whole numbers."""
        values = self.get(name)
        if not isinstance(values, list) or not all(type(value) is int for value in values):
            raise self.refuse(name, f"{shown(values)} is no list of whole numbers")
        return tuple(values)

    def strings(self, name: str) -> tuple[str, ...]:
        """Return a list of strings."""
        values = self.get(name)
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise self.refuse(name, f"{shown(values)} is no list of names")
        return tuple(values)

    def expect(self, name: str, wanted: object, default: object = None) -> None:
        """Raise BundleError unless `name` is `wanted`; where it is missing, it counts as `default`."""
        value = self.tree.get(name, default) if default is not None else self.get(name)
        if value != wanted:
            raise self.refuse(name, f"{shown(value)} is not {wanted!r}, the only value that is converted")
