# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Configurations requested by the flags."""

from __future__ import annotations

import argparse

import pytest

from pointpillars_ov_ros.cli.benchmark import command as benchmark
from pointpillars_ov_ros.cli.benchmark.matrix import describe, expand
from pointpillars_ov_ros.config.errors import ConfigError
from pointpillars_ov_ros.config.runtime_config import (
    DropPolicy,
    EncoderChoice,
    Mode,
    PfeShape,
    Precision,
    RuntimeConfig,
)


def asked(*flags: str) -> list[RuntimeConfig]:
    parser = argparse.ArgumentParser()
    benchmark.add_arguments(parser)
    return expand(parser.parse_args(flags))


def test_without_flags_it_is_the_detector_as_it_comes_but_no_cloud_is_dropped() -> None:
    assert asked() == [RuntimeConfig(drop_policy=DropPolicy.REPLAY)]


def test_every_value_of_the_settings_can_be_asked_for() -> None:
    for name, kind in (("mode", Mode), ("pfe_shape", PfeShape), ("precision", Precision)):
        assert benchmark.MATRIX[name] == tuple(value.value for value in kind)
    assert {*benchmark.MATRIX["encoder"], EncoderChoice.AUTO.value} == {value.value for value in EncoderChoice}


def test_several_values_are_combined() -> None:
    configurations = asked("--mode", "balanced", "latency", "--precision", "f32", "bf16", "--encoder", "openvino")
    assert [(c.mode, c.precision) for c in configurations] == [
        (Mode.BALANCED, Precision.F32),
        (Mode.BALANCED, Precision.BF16),
        (Mode.LATENCY, Precision.F32),
        (Mode.LATENCY, Precision.BF16),
    ]


def test_the_host_encoder_has_no_shape_and_is_measured_once() -> None:
    configurations = asked("--encoder", "all", "--pfe-shape", "all")
    assert [(c.encoder, c.pfe_shape) for c in configurations] == [
        (EncoderChoice.OPENVINO, PfeShape.STATIC),
        (EncoderChoice.OPENVINO, PfeShape.DYNAMIC),
        (EncoderChoice.HOST, PfeShape.STATIC),
    ]


def test_all_of_everything_has_no_two_alike() -> None:
    flags = [word for name in benchmark.MATRIX for word in ("--" + name.replace("_", "-"), "all")]
    configurations = asked(*flags)
    assert len(set(configurations)) == len(configurations) == len(Mode) * 3 * len(Precision)
    assert len({describe(configuration) for configuration in configurations}) == len(configurations)


def test_what_is_named_twice_is_measured_once() -> None:
    assert len(asked("--mode", "latency", "all", "latency")) == len(Mode)


def test_devices_and_blocks_go_to_every_configuration() -> None:
    for configuration in asked("--mode", "all", "--device", "GPU", "--pfe-block", "0"):
        assert (configuration.pfe_device, configuration.rpn_device, configuration.pfe_block) == ("GPU", "GPU", 0)
        assert configuration.drop_policy is DropPolicy.REPLAY


def test_properties_go_to_every_configuration() -> None:
    for configuration in asked("--mode", "all", "--set", "NUM_STREAMS=2", "ENABLE_CPU_PINNING=false"):
        assert configuration.device_properties == "NUM_STREAMS=2 ENABLE_CPU_PINNING=false"


def test_a_value_out_of_bounds_is_named() -> None:
    with pytest.raises(ConfigError, match=r"pfe_block.*-3"):
        asked("--pfe-block", "-3")
