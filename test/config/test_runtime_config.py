# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Settings of the detector: defaults, bounds, and their making from plain values."""

from __future__ import annotations

import dataclasses
import math
from enum import Enum
from typing import Any

import pytest

from pointpillars_ov_ros.config.errors import ConfigError
from pointpillars_ov_ros.config.runtime_config import (
    BottomChoice,
    DropPolicy,
    EncoderChoice,
    LevelChoice,
    Mode,
    OnMismatch,
    PerformanceHint,
    PfeShape,
    Precision,
    RuntimeConfig,
    SensorKind,
    from_plain,
)

FIELDS = {field.name: field for field in dataclasses.fields(RuntimeConfig)}
ENUMS = {name: type(field.default) for name, field in FIELDS.items() if isinstance(field.default, Enum)}
MEMBERS = [(name, member) for name, kind in ENUMS.items() for member in kind]
BOUNDED = [
    (name, bound, field.metadata[bound])
    for name, field in FIELDS.items()
    for bound in ("low", "high")
    if field.metadata[bound] is not None
]


def plain_defaults() -> dict[str, Any]:
    config = RuntimeConfig()
    values = {name: getattr(config, name) for name in FIELDS}
    return {name: value.value if isinstance(value, Enum) else value for name, value in values.items()}


def test_the_defaults_are_within_their_own_bounds() -> None:
    RuntimeConfig()


def test_the_settings_that_are_choices_are_found() -> None:
    choices = {
        Mode,
        DropPolicy,
        Precision,
        PerformanceHint,
        EncoderChoice,
        PfeShape,
        OnMismatch,
        SensorKind,
        LevelChoice,
        BottomChoice,
    }
    assert set(ENUMS.values()) == choices


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        RuntimeConfig().pfe_block = 1  # type: ignore[misc]


@pytest.mark.parametrize("name", FIELDS)
def test_every_setting_says_what_it_means(name: str) -> None:
    assert len(FIELDS[name].metadata["description"]) > 10


@pytest.mark.parametrize("name", FIELDS)
def test_every_default_has_the_declared_type(name: str) -> None:
    default = FIELDS[name].default
    assert type(default).__name__ == FIELDS[name].type


@pytest.mark.parametrize(("name", "bound", "limit"), BOUNDED)
def test_a_bound_itself_is_allowed_and_what_is_beyond_raises(name: str, bound: str, limit: float) -> None:
    kind: Any = type(FIELDS[name].default)
    step = -1 if bound == "low" else 1
    from_plain(RuntimeConfig, {name: kind(limit)})
    beyond = kind(limit + step * max(1, abs(limit)))
    with pytest.raises(ConfigError, match=rf"^{name}: {beyond} is (below|above) "):
        from_plain(RuntimeConfig, {name: beyond})


@pytest.mark.parametrize("name", ["score_threshold", "nms_threshold", "intensity_scale"])
def test_nan_is_out_of_bounds(name: str) -> None:
    with pytest.raises(ConfigError, match=f"^{name}: nan is below"):
        from_plain(RuntimeConfig, {name: math.nan})


def test_plain_values_of_all_settings_give_the_same_settings() -> None:
    assert from_plain(RuntimeConfig, plain_defaults()) == RuntimeConfig()


def test_settings_left_out_keep_their_defaults() -> None:
    assert from_plain(RuntimeConfig, {"pfe_block": 7}) == RuntimeConfig(pfe_block=7)


@pytest.mark.parametrize(("name", "member"), [(name, member) for name, kind in ENUMS.items() for member in kind])
def test_choices_come_as_their_strings(name: str, member: Enum) -> None:
    assert getattr(from_plain(RuntimeConfig, {name: member.value}), name) is member


@pytest.mark.parametrize("name", ENUMS)
def test_an_unknown_choice_raises_naming_field_value_and_choices(name: str) -> None:
    choices = ", ".join(member.value for member in ENUMS[name])
    with pytest.raises(ConfigError, match=f"^{name}: 'nonsense' is not one of {choices}$"):
        from_plain(RuntimeConfig, {name: "nonsense"})


@pytest.mark.parametrize(("name", "value"), [("pfe_block", "many"), ("score_threshold", "high")])
def test_a_number_given_as_text_raises_naming_field_and_value(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"^{name}: .*{value}"):
        from_plain(RuntimeConfig, {name: value})


@pytest.mark.parametrize("hint", PerformanceHint)
@pytest.mark.parametrize("mode", Mode)
def test_the_hint_follows_the_mode_unless_it_is_set(mode: Mode, hint: PerformanceHint) -> None:
    by_mode = PerformanceHint.THROUGHPUT if mode is Mode.THROUGHPUT else PerformanceHint.LATENCY
    expected = by_mode if hint is PerformanceHint.AUTO else hint
    assert RuntimeConfig(mode=mode, performance_hint=hint).effective_hint is expected
