# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""YAML files: read with errors in a sentence, and values of foreign ones by their dotted path, checked as taken."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pointpillars_ov_ros.config import documents
from pointpillars_ov_ros.config.documents import MOST_YAML_BYTES, read_text
from pointpillars_ov_ros.config.errors import BundleError, ConfigError, shown

Tree = Mapping[str, Any]


def read_yaml(path: Path) -> Any:
    """Read a YAML file; BundleError names file, line and problem."""
    return parse_yaml(read_yaml_text(path), str(path))


def read_yaml_text(path: Path) -> str:
    """Read the text of a YAML file; BundleError where it is none, or too long to be one."""
    try:
        return read_text(path, MOST_YAML_BYTES)
    except (OSError, UnicodeDecodeError) as error:
        raise BundleError(f"{path}: cannot be read ({error})") from None


def parse_yaml(text: str, where: str) -> Any:
    """Parse the text found at `where`; BundleError names line and problem."""
    try:
        return documents.parse_yaml(text, where)
    except ConfigError as error:
        raise BundleError(str(error)) from None


def read_tree(path: Path) -> Tree:
    """Read a YAML mapping; BundleError names file, line and problem."""
    document = read_yaml(path)
    if not isinstance(document, dict):
        raise BundleError(f"{path}: {type(document).__name__} is no mapping of settings")
    return document


def merge(base: Tree, over: Tree) -> dict[str, Any]:
    """Give `base` with the values of `over`; mappings are merged, lists replaced."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = merge(merged[key], value) if both else value
    return merged


class Settings:
    """A part of a document, and where it is."""

    def __init__(self, path: Path, tree: Tree, where: str = "") -> None:
        """Take the mapping `tree`, found at `where` in the file `path`."""
        self.path = path
        self.tree = tree
        self._where = where

    def refuse(self, name: str, reason: str) -> BundleError:
        """Make the error for the value `name`."""
        return BundleError(f"{self.path}: {self._where}{name}: {reason}")

    def has(self, name: str) -> bool:
        """Tell whether `name` is there."""
        return name in self.tree

    def get(self, name: str) -> Any:
        """Give the value `name`; BundleError where it is missing."""
        if name not in self.tree:
            raise self.refuse(name, "missing")
        return self.tree[name]

    def section(self, name: str) -> Settings:
        """Give the mapping `name`."""
        value = self.get(name)
        if not isinstance(value, Mapping):
            raise self.refuse(name, f"{shown(value)} is no mapping")
        return Settings(self.path, value, f"{self._where}{name}.")

    def sections(self, name: str) -> list[Settings]:
        """Give the mappings of the list `name`."""
        values = self.get(name)
        if not isinstance(values, list) or not all(isinstance(value, Mapping) for value in values):
            raise self.refuse(name, f"{shown(values)} is no list of mappings")
        return [Settings(self.path, value, f"{self._where}{name}[{i}].") for i, value in enumerate(values)]

    def number(self, name: str) -> float:
        """Give a number."""
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
        """Give a whole number."""
        value = self.get(name)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.refuse(name, f"{shown(value)} is no whole number")
        return value

    def numbers(self, name: str, count: int = 0) -> tuple[float, ...]:
        """Give a list of numbers, `count` of them where that is not 0."""
        values = self.get(name)
        plain = isinstance(values, list) and all(type(value) in (int, float) for value in values)
        if not plain or (count and len(values) != count):
            raise self.refuse(name, f"{shown(values)} is no list of {count or 'some'} numbers")
        return tuple(self._to_float(name, value) for value in values)

    def integers(self, name: str) -> tuple[int, ...]:
        """Give a list of whole numbers."""
        values = self.get(name)
        if not isinstance(values, list) or not all(type(value) is int for value in values):
            raise self.refuse(name, f"{shown(values)} is no list of whole numbers")
        return tuple(values)

    def strings(self, name: str) -> tuple[str, ...]:
        """Give a list of strings."""
        values = self.get(name)
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise self.refuse(name, f"{shown(values)} is no list of names")
        return tuple(values)

    def expect(self, name: str, wanted: object, default: object = None) -> None:
        """Raise BundleError unless `name` is `wanted`; where it is missing, it counts as `default`."""
        value = self.tree.get(name, default) if default is not None else self.get(name)
        if value != wanted:
            raise self.refuse(name, f"{shown(value)} is not {wanted!r}, the only value that is converted")
