# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Text files of others: whatever is in them, it takes neither long nor much memory, and is refused in one sentence."""

from __future__ import annotations

import errno
import json
import tracemalloc
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from pointpillars_ov_ros.config.documents import MOST_YAML_BYTES, one_line, parse_json, parse_yaml, read_text
from pointpillars_ov_ros.config.errors import ConfigError, plain, shown

LAUGHS = "a: &a [x, x]\n" + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in pairwise("abcdefghijkl"))
HOSTILE = {
    "aliases that multiply": (LAUGHS, r"its aliases make it too large"),
    "an alias of itself": ("a: &a [*a]\n", r":1: .*an alias contains itself"),
    "a merge of itself": ("a: &a\n  <<: *a\n", r":1: .*an alias contains itself"),
    "brackets": ("[" * 2000, r":1: .*nested too deeply"),
    "braces": ("{a: " * 2000, r":1: .*nested too deeply"),
    "dashes": ("- " * 2000 + "x", r":1: .*nested too deeply"),
    "a key twice": ("a: 1\nb: 2\na: 3\n", r":3: .*the key 'a' appears twice"),
    "digits": ("a: " + "9" * 5000, r"invalid YAML"),
    "no date": ("a: 2001-99-99", r"invalid YAML \(month must be in 1\.\.12\)"),
    "no float": ("a: !!float x", r"invalid YAML \(could not convert"),
    "no truth": ("a: !!bool perhaps", r"invalid YAML \('perhaps'\)"),
    "no time": ("a: !!timestamp x", r"invalid YAML"),
    "an empty number": ("a: !!int ''", r"invalid YAML"),
    "an object": ("!!python/object/apply:os.system [true]", r":1: .*could not determine a constructor"),
    "two documents": ("a\n---\nb\n", r"invalid YAML"),
    "a control character": ("a: \x07", r"special characters are not allowed"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_yaml_is_one_sentence(name: str) -> None:
    text, expected = HOSTILE[name]
    with pytest.raises(ConfigError, match=expected) as raised:
        parse_yaml(text.replace("\\x07", "\x07"), "here.yaml")
    assert str(raised.value).startswith("here.yaml")
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 700


def test_laughs_take_no_memory() -> None:
    tracemalloc.start()
    with pytest.raises(ConfigError):
        parse_yaml(LAUGHS, "here.yaml")
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


HARMLESS = ("", "a: 1", "a: &a [1]\nb: *a\nc: {<<: {d: 1}}", "a: 2001-09-11\nb: 0x1f\nc: [.nan, ~]", "<<: {a: 1}\nb: 2")


@pytest.mark.parametrize("text", HARMLESS)
def test_harmless_yaml_is_what_it_always_was(text: str) -> None:
    assert repr(parse_yaml(text, "here.yaml")) == repr(yaml.safe_load(text))


def test_files_are_read_up_to_a_size(tmp_path: Path) -> None:
    path = tmp_path / "text"
    path.write_text("ä" * 50)
    assert read_text(path, 100) == "ä" * 50
    with pytest.raises(OSError, match="more than 99 bytes") as raised:
        read_text(path, 99)
    assert raised.value.errno == errno.EFBIG
    with pytest.raises(OSError, match="not a regular file"):
        read_text(Path("/dev/zero"), MOST_YAML_BYTES)
    with pytest.raises(UnicodeDecodeError):
        read_text(path, 100, "ascii")


@pytest.mark.parametrize("text", ["[" * 100_000, "9" * 5000, "{", ""], ids=["deep", "digits", "open", "empty"])
def test_json_is_refused_by_one_exception(text: str) -> None:
    with pytest.raises(json.JSONDecodeError) as raised:
        parse_json(text)
    assert len(raised.value.msg) < 600


def test_json_is_read() -> None:
    assert parse_json('{"a": [1, 2.5, null]}') == {"a": [1, 2.5, None]}


def test_what_is_short_is_shown_whole() -> None:
    for value in (1, -2.5, "a'b", [1, [2, "x"]], {"b": None, "a": (1,)}, None, True, 10**20):
        assert eval(shown(value)) == value


def test_what_is_long_or_deep_is_cut() -> None:
    ring: list[object] = []
    ring.append(ring)
    deep: list[object] = []
    for _ in range(5000):
        deep = [deep]
    values = (
        10**5000,
        -(10**5000),
        "x" * 10**6,
        [0] * 10**6,
        ring,
        deep,
        {i: "y" * 999 for i in range(99)},
        b"z" * 10**6,
    )
    for value in values:
        assert 0 < len(shown(value)) <= 501
        assert "\n" not in shown(value)
    assert shown(10**5000) == "a number of 5000 digits"


@pytest.mark.parametrize(("value", "text"), [("a key", "a key"), ("a\nb", r"'a\nb'"), (7, "7"), ("x" * 999, None)])
def test_names_are_plain_where_they_are_a_line(value: object, text: str | None) -> None:
    assert plain(value) == (shown(value) if text is None else text)
    assert one_line("a\n  b") == "a b"
