# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Strict conversion between plain mappings and frozen dataclasses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import pytest

from pointpillars_ov_ros.config.errors import ConfigError
from pointpillars_ov_ros.config.mapping import convert, from_mapping, to_mapping
from pointpillars_ov_ros.config.model_config import ModelConfig
from test.builders import tiny_config, tiny_document


class Colour(str, Enum):
    """An enum whose values are strings."""

    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Inner:
    """A nested dataclass."""

    colour: Colour
    ratio: float = 0.5


@dataclass(frozen=True)
class Outer:
    """A field of every kind."""

    count: int
    name: str
    pair: tuple[float, float]
    many: tuple[Inner, ...]
    inner: Inner
    flag: bool = False
    maybe: Inner | None = None
    hashes: Mapping[str, str] = field(default_factory=dict)


def plain(**changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "count": 3,
        "name": "n",
        "pair": [1.0, 2.0],
        "many": [{"colour": "red", "ratio": 0.1}, {"colour": "blue", "ratio": 0.2}],
        "inner": {"colour": "red", "ratio": 0.5},
        "flag": True,
        "maybe": {"colour": "blue", "ratio": 1.0},
        "hashes": {"a": "b"},
    }
    return {**values, **changes}


def test_every_kind_of_field_survives_the_round_trip() -> None:
    assert to_mapping(from_mapping(Outer, plain())) == plain()


def test_a_model_survives_the_round_trip() -> None:
    config = tiny_config()
    assert from_mapping(ModelConfig, to_mapping(config)) == config


def test_values_get_the_types_of_the_annotations() -> None:
    outer = from_mapping(Outer, plain(pair=[1, 2]))
    assert outer.pair == (1.0, 2.0)
    assert all(type(value) is float for value in outer.pair)
    assert outer.many[1].colour is Colour.BLUE
    assert isinstance(outer.inner, Inner)


def test_fields_left_out_get_their_defaults() -> None:
    values = plain()
    for name in ("flag", "maybe", "hashes"):
        del values[name]
    outer = from_mapping(Outer, values)
    assert (outer.flag, outer.maybe, outer.hashes) == (False, None, {})


def test_an_optional_field_may_be_none() -> None:
    assert from_mapping(Outer, plain(maybe=None)).maybe is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"count": 1.0}, "count: expected int, got 1.0"),
        ({"count": True}, "count: expected int, got True"),
        ({"count": "3"}, "count: expected int, got '3'"),
        ({"count": None}, "count: expected int, got None"),
        ({"name": 174}, "name: expected str, got 174"),
        ({"flag": 1}, "flag: expected bool, got 1"),
        ({"pair": [1.0]}, "pair: expected 2 values, got 1 in [1.0]"),
        ({"pair": [1.0, 2.0, 3.0]}, "pair: expected 2 values, got 3"),
        ({"pair": 1.0}, "pair: expected a list, got 1.0"),
        ({"pair": "12"}, "pair: expected a list, got '12'"),
        ({"pair": [1.0, "x"]}, "pair[1]: expected float, got 'x'"),
        ({"pair": [True, 1.0]}, "pair[0]: expected float, got True"),
        ({"inner": 5}, "inner: expected a mapping, got 5"),
        ({"inner": {"colour": "green"}}, "inner.colour: 'green' is not one of red, blue"),
        ({"inner": {"colour": ["red"]}}, "inner.colour: ['red'] is not one of red, blue"),
        ({"inner": {}}, "inner.colour: missing"),
        ({"many": [{"colour": "red"}, {"colour": "x"}]}, "many[1].colour: 'x' is not one of red, blue"),
        ({"many": [{"colour": "red", "hue": 1}]}, "many[0].hue: unknown key; known keys are colour, ratio"),
        ({"maybe": {"colour": "x"}}, "maybe.colour: 'x' is not one of"),
        ({"hashes": ["a"]}, "hashes: expected a mapping, got ['a']"),
        ({"hashes": {"a": 1}}, "hashes.a: expected str, got 1"),
        ({"cuont": 1}, "cuont: unknown key; known keys are count, name"),
    ],
)
def test_what_does_not_fit_raises_naming_field_and_value(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        from_mapping(Outer, plain(**changes))
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize("name", ["count", "name", "pair", "many", "inner"])
def test_a_missing_field_raises_naming_it(name: str) -> None:
    values = plain()
    del values[name]
    with pytest.raises(ConfigError, match=rf"^{name}: missing$"):
        from_mapping(Outer, values)


@pytest.mark.parametrize("document", [None, [], "text", 3])
def test_a_document_that_is_no_mapping_raises(document: object) -> None:
    with pytest.raises(ConfigError, match=r"^Outer: expected a mapping, got"):
        from_mapping(Outer, document)


def test_the_dotted_path_of_the_document_begins_every_message() -> None:
    with pytest.raises(ConfigError, match=r"^models\.first\.count: missing$"):
        from_mapping(Outer, {}, "models.first")


@pytest.mark.parametrize("member", Colour)
def test_an_enum_comes_by_its_value_or_as_itself(member: Colour) -> None:
    assert convert(Colour, member.value, "colour") is member
    assert convert(Colour, member, "colour") is member


def test_errors_are_value_errors_too() -> None:
    with pytest.raises(ValueError):
        from_mapping(ModelConfig, {**tiny_document(), "surplus": 1})
