# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Text files of others, read so that nothing in them takes long, or more memory than they deserve."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from pointpillars_ov_ros.config.errors import ConfigError, plain, shown
from pointpillars_ov_ros.config.regular_file import read_regular

MOST_YAML_BYTES = 100_000
"""Of a description, which has a few thousand; PyYAML takes a second for so many."""
_MOST_LEVELS = 50
_MOST_NODES = 100_000
"""Of a document whose aliases are written out, as messages and loops over it do."""


def read_text(path: Path, most_bytes: int, encoding: str = "utf-8") -> str:
    """Read a text file; OSError where it is larger than `most_bytes`, UnicodeDecodeError where it is no text."""
    data = read_regular(path, most_bytes + 1)
    if len(data) > most_bytes:
        raise OSError(errno.EFBIG, f"it has more than {most_bytes} bytes, as no such file does")
    return data.decode(encoding)


def parse_yaml(text: str, where: str) -> Any:
    """Parse the text found at `where`; ConfigError, in one sentence, names line and problem.

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
        raise ConfigError(f"{where}{line}: no valid YAML ({one_line(problem)})") from None


def parse_json(text: str) -> Any:
    """Parse JSON; JSONDecodeError also where it is nested too deeply, or a number has too many digits for Python."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise
    except (RecursionError, ValueError) as error:
        raise json.JSONDecodeError(one_line(error), text, 0) from None


def one_line(problem: object) -> str:
    """Give what an exception says on one line, its beginning where it is long."""
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
