# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Device strings: how they are read, and what is left of them here. No machine has a TOASTER, and each a CPU."""

from __future__ import annotations

import openvino as ov
import pytest

from pointpillars_ov_ros.config.errors import ConfigError, InferenceError
from pointpillars_ov_ros.config.runtime_config import RuntimeConfig
from pointpillars_ov_ros.inference.device.devices import (
    DeviceString,
    all_of,
    fit_device,
    fit_to_machine,
    is_cpu_alone,
    is_gpu_alone,
    parse_device,
)

ONLY_CPU = ov.Core().available_devices == ["CPU"]


@pytest.mark.parametrize(
    ("text", "meta", "members"),
    [
        ("CPU", "", ("CPU",)),
        ("GPU.1", "", ("GPU.1",)),
        ("AUTO", "AUTO", ()),
        ("HETERO", "HETERO", ()),
        ("AUTO:GPU,CPU", "AUTO", ("GPU", "CPU")),
        ("AUTO:-GPU", "AUTO", ("-GPU",)),
        ("MULTI:GPU.0(4),CPU(2)", "MULTI", ("GPU.0(4)", "CPU(2)")),
        ("BATCH:GPU", "BATCH", ("GPU",)),
        ("BATCH:GPU(4)", "BATCH", ("GPU(4)",)),
    ],
)
def test_a_device_string_is_read_and_written(text: str, meta: str, members: tuple[str, ...]) -> None:
    device = parse_device(text, "rpn_device")
    assert device == DeviceString(meta, members)
    assert str(device) == text


def test_spaces_in_a_list_are_no_part_of_names() -> None:
    assert str(parse_device("AUTO:GPU, CPU", "rpn_device")) == "AUTO:GPU,CPU"


@pytest.mark.parametrize(
    "text",
    ["", " ", "GPU,CPU", "AUTO:", "AUTO:GPU,", "CPU:GPU", "BATCH", "BATCH:", "BATCH:GPU(4),CPU", "AUTO:BATCH:GPU(4)",
     "BATCH:GPU(four)", "BATCH:GPU(4"],
)  # fmt: skip
def test_what_is_no_device_string_is_named_with_its_field(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^rpn_device: ") as raised:
        parse_device(text, "rpn_device")
    assert repr(text) in str(raised.value)


@pytest.mark.parametrize(
    ("text", "available", "plugins"),
    [
        ("GPU.1", ["CPU"], ("GPU",)),
        ("AUTO:GPU.0,CPU", ["CPU"], ("AUTO", "GPU", "CPU")),
        ("BATCH:GPU(4)", ["CPU"], ("BATCH", "GPU")),
        ("AUTO", ["CPU", "GPU.0", "GPU.1"], ("AUTO", "CPU", "GPU", "GPU")),
        ("AUTO:-GPU", ["CPU", "GPU"], ("AUTO", "CPU")),
    ],
)
def test_the_plugins_behind_a_device_are_named(text: str, available: list[str], plugins: tuple[str, ...]) -> None:
    assert parse_device(text, "rpn_device").plugins(available) == plugins


@pytest.mark.parametrize(
    "text", ["CPU", "TOASTER", "AUTO", "AUTO:CPU", "BATCH:CPU(4)", "MULTI:CPU(2)", "AUTO:-TOASTER"]
)
def test_what_is_all_here_stays_and_a_single_device_is_left_to_openvino(text: str) -> None:
    assert fit_device(text, "rpn_device") == (text, "")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("AUTO:TOASTER,CPU", "AUTO:CPU"),
        ("MULTI:TOASTER.0(4),CPU(2)", "MULTI:CPU(2)"),
        ("HETERO:TOASTER,KETTLE,CPU", "HETERO:CPU"),
    ],
)
def test_a_list_is_reduced_to_what_is_here_and_says_so(text: str, left: str) -> None:
    device, warning = fit_device(text, "rpn_device")
    assert device == left
    assert warning.startswith(f"rpn_device: {text!r} is reduced to {left!r}: TOASTER")
    assert 'not available here (Device with "TOASTER' in warning and "\n" not in warning


@pytest.mark.parametrize("text", ["BATCH:TOASTER(4)", "AUTO:TOASTER", "MULTI:KETTLE,TOASTER"])
def test_where_nothing_is_left_it_is_one_sentence(text: str) -> None:
    with pytest.raises(InferenceError, match=f"^rpn_device: none of the devices in '{text[:4]}") as raised:
        fit_device(text, "rpn_device")
    assert "TOASTER is not available here" in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.parametrize("meta", ["MULTI", "HETERO"])
def test_a_meta_device_alone_means_all_there_are_with_the_cpu_last(meta: str) -> None:
    device, warning = fit_device(meta, "rpn_device")
    assert device.startswith(f"{meta}:") and device.endswith("CPU") and not warning


@pytest.mark.parametrize(
    ("available", "members"),
    [
        (["CPU"], ("CPU",)),
        (["CPU", "GPU"], ("GPU", "CPU")),
        (["CPU", "GPU.0", "GPU.1"], ("GPU.0", "GPU.1", "CPU")),
        (["CPU", "GPU", "NPU"], ("GPU", "CPU")),
    ],
    ids=str,
)
def test_of_all_that_a_machine_has_the_cpu_comes_last_and_what_is_no_device_by_itself_is_left_out(
    available: list[str], members: tuple[str, ...]
) -> None:
    """Test the devices of any machine; this one may only have a CPU."""
    assert all_of(available) == members


def test_a_warning_of_both_networks_is_one() -> None:
    both = RuntimeConfig(pfe_device="AUTO:TOASTER,CPU", rpn_device="AUTO:TOASTER,CPU")
    runtime, (warning,) = fit_to_machine(both)
    assert (runtime.pfe_device, runtime.rpn_device) == ("AUTO:CPU", "AUTO:CPU")
    assert warning.startswith("pfe_device, rpn_device: 'AUTO:TOASTER,CPU'")
    _, warnings = fit_to_machine(RuntimeConfig(pfe_device="MULTI:TOASTER,CPU", rpn_device="AUTO:TOASTER,CPU"))
    assert [warning.split(":")[0] for warning in warnings] == ["pfe_device", "rpn_device"]


@pytest.mark.parametrize(
    ("text", "alone"),
    [
        ("CPU", True), ("AUTO:CPU", True), ("BATCH:CPU(4)", True), ("HETERO:CPU", True), ("MULTI:CPU(2)", True),
        ("GPU", False), ("AUTO:GPU,CPU", False), ("BATCH:GPU(4)", False), ("AUTO", ONLY_CPU), ("AUTO:-GPU", ONLY_CPU),
    ],
)  # fmt: skip
def test_what_runs_on_the_cpu_alone_is_told(text: str, alone: bool) -> None:
    assert is_cpu_alone(text) == alone


@pytest.mark.parametrize(
    ("text", "alone"),
    [
        ("GPU", True), ("GPU.1", True), ("BATCH:GPU(4)", True), ("MULTI:GPU.0,GPU.1", True), ("AUTO:GPU", True),
        ("CPU", False), ("AUTO:GPU,CPU", False), ("HETERO:GPU,CPU", False), ("NPU", False), ("AUTO:NPU,GPU", False),
    ],
)  # fmt: skip
def test_what_runs_on_gpus_alone_is_told(text: str, alone: bool) -> None:
    assert is_gpu_alone(text) == alone


def test_a_text_that_is_far_too_long_for_a_device_is_shown_in_part() -> None:
    with pytest.raises(ConfigError, match="is not an OpenVINO device") as raised:
        parse_device("9" * 20_000, "rpn_device")
    assert len(str(raised.value)) < 600
