# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The Fast DDS profile: what is shipped, who gets it, and what the start-up check says."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from ament_index_python.packages import get_package_share_directory

from pointpillars_ov_ros.ros.dds import (
    PROFILE_VARIABLES,
    profile_line,
    set_profile,
    shared_memory_size,
    shared_memory_warning,
    shipped_profiles,
    socket_buffer_size,
    transport_warning,
    with_profile,
)
from pointpillars_ov_ros.ros.runner import _HAND_OVER_S

REPOSITORY = Path(__file__).resolve().parents[2]
FIRST, SECOND = PROFILE_VARIABLES
PROFILES = shipped_profiles(REPOSITORY)
SHIPPED = Path(PROFILES[FIRST])
ENOUGH = 4 * 1024 * 1024


@pytest.fixture
def rmem_max(tmp_path: Path) -> Path:
    """Return a stand-in of net.core.rmem_max that is just large enough."""
    path = tmp_path / "rmem_max"
    path.write_text(f"{ENOUGH}\n")
    return path


def elements(name: str) -> list[str]:
    root = ElementTree.parse(SHIPPED).getroot()
    return [(element.text or "").strip() for element in root.iter() if element.tag.rpartition("}")[2] == name]


def test_the_shipped_profile_has_a_segment_of_32_mib() -> None:
    assert elements("segment_size") == [str(32 * 1024 * 1024)]
    assert sorted(elements("type")) == ["SHM", "UDPv4"]


def test_the_shipped_profile_asks_for_4_mib_of_socket_buffer() -> None:
    assert socket_buffer_size(SHIPPED) == ENOUGH


def test_the_shipped_profile_uses_its_own_transports_only() -> None:
    used = {identifier for identifier in elements("transport_id") if elements("transport_id").count(identifier) == 2}
    assert len(used) == 2
    assert elements("useBuiltinTransports") == ["false"]


def test_the_profile_is_installed() -> None:
    installed = shipped_profiles(Path(get_package_share_directory("pointpillars_ov_ros")))
    assert [Path(path).read_bytes() for path in installed.values()] == [
        Path(path).read_bytes() for path in PROFILES.values()
    ]


def test_the_profiles_of_both_versions_differ_in_names_alone() -> None:
    old, new = (Path(PROFILES[name]).read_text().split("<profiles")[1] for name in PROFILE_VARIABLES)
    old = re.sub(r"\n *<!--.*?-->", "", old, flags=re.DOTALL)
    assert old.replace("heartbeatPeriod", "heartbeat_period") == new


@pytest.mark.parametrize("name", PROFILE_VARIABLES)
def test_listeners_are_asked_for_acknowledgements_well_within_the_time_that_a_node_ends_in(name: str) -> None:
    root = ElementTree.parse(PROFILES[name]).getroot()
    (period,) = [each for each in root.iter() if each.tag.rpartition("}")[2].lower().startswith("heartbeat")]
    ((unit, text),) = [(each.tag.rpartition("}")[2], each.text) for each in period]
    assert unit == "nanosec" and 0 < int(text or "") <= 0.5e9 * _HAND_OVER_S


@pytest.mark.parametrize("name", PROFILE_VARIABLES)
def test_a_node_that_is_started_again_after_kill_9_is_found_at_once(name: str) -> None:
    """Fast DDS's defaults are 1000 ms, and 5 announcements within 0.5 s, then one every 3 s."""
    root = ElementTree.parse(PROFILES[name]).getroot()
    values = {each.tag.rpartition("}")[2]: each.text or "" for each in root.iter()}
    assert 100 <= int(values["healthy_check_timeout_ms"]) <= 500
    (found,) = [each for each in root.iter() if each.tag.rpartition("}")[2] == "initialAnnouncements"]
    count, period = found
    ((unit, text),) = [(each.tag.rpartition("}")[2], each.text) for each in period]
    assert unit == "nanosec" and int(text or "") <= 0.2e9, "a node that is found late is heard late"
    assert int(count.text or "") * int(text or "") >= 3e9


@pytest.mark.parametrize(
    ("distro", "name"), [("jazzy", SECOND), ("humble", SECOND), ("kilted", FIRST), ("lyrical", FIRST)]
)
def test_a_profile_of_the_other_version_is_said_with_the_right_one(distro: str, name: str, rmem_max: Path) -> None:
    environment = {**dict.fromkeys(PROFILE_VARIABLES, PROFILES[name]), "ROS_DISTRO": distro}
    warning = transport_warning(environment, rmem_max)
    right = PROFILES[FIRST if name == SECOND else SECOND]
    assert warning is not None and f"use config/{Path(right).name}" in warning and "\n" not in warning
    assert transport_warning({**dict.fromkeys(PROFILE_VARIABLES, right), "ROS_DISTRO": distro}, rmem_max) is None


@pytest.mark.parametrize(
    "environment", [{}, {FIRST: ""}, {SECOND: ""}, {FIRST: "", SECOND: ""}], ids=["unset", "first", "second", "both"]
)
def test_both_variables_are_set_where_the_distribution_is_unknown(environment: dict[str, str]) -> None:
    result = with_profile({"HOME": "/root", **environment}, REPOSITORY)
    assert result == {"HOME": "/root", **PROFILES}


@pytest.mark.parametrize(("distro", "name"), [("jazzy", FIRST), ("kilted", SECOND)])
def test_only_the_variable_that_the_distribution_reads_is_set(distro: str, name: str) -> None:
    result = with_profile({"ROS_DISTRO": distro}, REPOSITORY)
    assert result == {"ROS_DISTRO": distro, name: PROFILES[name]}
    other = FIRST if name == SECOND else SECOND
    assert with_profile({"ROS_DISTRO": distro, other: "/own.xml"}, REPOSITORY)[name] == "/own.xml"


@pytest.mark.parametrize("name", PROFILE_VARIABLES)
@pytest.mark.parametrize("other", [{}, {FIRST: "", SECOND: ""}], ids=["other unset", "other empty"])
def test_the_users_profile_is_kept_and_serves_every_distribution(name: str, other: dict[str, str]) -> None:
    result = with_profile({**other, name: "/home/me/own.xml"}, REPOSITORY)
    assert [result[variable] for variable in PROFILE_VARIABLES] == ["/home/me/own.xml"] * 2


def test_two_profiles_of_the_users_are_both_kept() -> None:
    own = {FIRST: "/home/me/jazzy.xml", SECOND: "/home/me/kilted.xml"}
    assert with_profile(own, REPOSITORY) == own


def test_the_environment_given_is_not_changed() -> None:
    environment = {"HOME": "/root"}
    with_profile(environment, REPOSITORY)
    assert environment == {"HOME": "/root"}


@pytest.mark.parametrize("name", PROFILE_VARIABLES)
@pytest.mark.parametrize("rmw", [{}, {"RMW_IMPLEMENTATION": ""}, {"RMW_IMPLEMENTATION": "rmw_fastrtps_cpp"}], ids=str)
def test_nothing_is_said_where_all_is_well(rmw: dict[str, str], name: str, rmem_max: Path) -> None:
    assert transport_warning({**rmw, name: str(SHIPPED)}, rmem_max) is None


@pytest.mark.parametrize("environment", [{}, {FIRST: ""}, {"RMW_IMPLEMENTATION": "rmw_fastrtps_dynamic_cpp"}], ids=str)
def test_a_profile_that_is_not_set_is_said(environment: dict[str, str], rmem_max: Path) -> None:
    warning = transport_warning(environment, rmem_max)
    assert warning is not None
    assert FIRST in warning
    assert "\n" not in warning


@pytest.mark.parametrize("allowed", [1, 212992, ENOUGH - 1])
def test_socket_buffers_that_are_too_small_are_said_with_the_sysctl(allowed: int, rmem_max: Path) -> None:
    rmem_max.write_text(f"{allowed}\n")
    warning = transport_warning({FIRST: str(SHIPPED)}, rmem_max)
    assert warning is not None
    assert f"sysctl -w net.core.rmem_max={ENOUGH}" in warning
    assert str(allowed) in warning
    assert "\n" not in warning


@pytest.mark.parametrize("rmw", ["rmw_cyclonedds_cpp", "rmw_zenoh_cpp", "rmw_connextdds"])
def test_other_middleware_is_left_alone(rmw: str, rmem_max: Path) -> None:
    rmem_max.write_text("1\n")
    assert transport_warning({"RMW_IMPLEMENTATION": rmw}, rmem_max) is None


@pytest.mark.parametrize("text", [None, "", "much"])
def test_an_unknown_rmem_max_is_no_reason_to_warn(text: str | None, rmem_max: Path) -> None:
    rmem_max.unlink() if text is None else rmem_max.write_text(text)
    assert transport_warning({FIRST: str(SHIPPED)}, rmem_max) is None


@pytest.mark.parametrize("text", ["<profiles/>", "<profiles><receiveBufferSize>a lot</receiveBufferSize></profiles>"])
def test_a_profile_that_asks_for_no_buffer_needs_no_sysctl(text: str, tmp_path: Path, rmem_max: Path) -> None:
    profile = tmp_path / "own.xml"
    profile.write_text(text)
    rmem_max.write_text("1\n")
    assert transport_warning({FIRST: str(profile)}, rmem_max) is None


@pytest.mark.parametrize("text", [None, "<profiles>", "no XML at all"])
def test_a_profile_that_cannot_be_read_is_said(text: str | None, tmp_path: Path, rmem_max: Path) -> None:
    profile = tmp_path / "own.xml"
    if text is not None:
        profile.write_text(text)
    warning = transport_warning({FIRST: str(profile)}, rmem_max)
    assert warning is not None
    assert str(profile) in warning


@pytest.mark.parametrize("name", ["receiveBufferSize", "listenSocketBufferSize", "receive_buffer_size"])
@pytest.mark.parametrize("namespace", ["", ' xmlns="http://www.eprosima.com"'], ids=["plain", "namespaced"])
def test_the_greatest_receive_buffer_counts_under_each_of_its_names(name: str, namespace: str, tmp_path: Path) -> None:
    profile = tmp_path / "own.xml"
    profile.write_text(
        f"<profiles{namespace}><{name}> 1000 </{name}><a><{name}>3000</{name}></a>"
        f"<{name}>2000</{name}><sendBufferSize>9999</sendBufferSize></profiles>"
    )
    assert socket_buffer_size(profile) == 3000


@pytest.mark.parametrize("encoding", ["foo", "utf-7", "utf-32"])
def test_a_profile_that_cannot_be_decoded_is_a_warning(tmp_path: Path, rmem_max: Path, encoding: str) -> None:
    profile = tmp_path / "profile.xml"
    profile.write_text(f'<?xml version="1.0" encoding="{encoding}"?><a/>')
    warning = transport_warning({FIRST: str(profile), "ROS_DISTRO": "jazzy"}, rmem_max)
    assert warning is not None
    assert "cannot be read" in warning


@pytest.mark.parametrize("size", ["²", "9" * 5000, "1.5", "-1", ""], ids=["power", "digits", "part", "below", "none"])
def test_a_size_that_is_none_is_passed_over(tmp_path: Path, size: str) -> None:
    profile = tmp_path / "profile.xml"
    profile.write_text(f"<a><receiveBufferSize>{size}</receiveBufferSize></a>", encoding="utf-8")
    assert socket_buffer_size(profile) is None


def test_a_process_sets_the_shipped_profile_for_itself_where_the_kernel_allows_it(rmem_max: Path) -> None:
    environment: dict[str, str] = {}
    set_profile(environment, rmem_max)
    assert sorted(environment) == sorted(PROFILE_VARIABLES)
    assert all(Path(path).read_bytes() == Path(PROFILES[name]).read_bytes() for name, path in environment.items())
    own = {FIRST: str(SHIPPED)}
    set_profile(own, rmem_max)
    assert own[FIRST] == str(SHIPPED)
    rmem_max.write_text("212992")
    nothing: dict[str, str] = {}
    set_profile(nothing, rmem_max)
    assert nothing == {}
    warning = transport_warning(nothing, rmem_max)
    assert warning is not None
    assert f"export {FIRST}=" in warning and f"sudo sysctl -w net.core.rmem_max={ENOUGH}" in warning


@pytest.mark.parametrize("distro", ["jazzy", "humble"])
def test_the_line_to_export_names_the_variable_and_the_profile_in_use(distro: str) -> None:
    assert profile_line({"ROS_DISTRO": distro, FIRST: "/home/me/own.xml"}) == f"{FIRST}=/home/me/own.xml"
    assert Path(profile_line({"ROS_DISTRO": distro}).removeprefix(f"{FIRST}=")).is_file()


@pytest.fixture
def no_segment(tmp_path: Path) -> Path:
    """Maps of a process that shares memory with nobody: a port's queue alone is no segment of its own."""
    path = tmp_path / "maps"
    path.write_text("7f-8f rw-s 0 0:1 2 /dev/shm/fastrtps_port7411\n9f-af r--p 0 0:1 3 /usr/lib/libfastrtps.so\n")
    return path


@pytest.mark.parametrize("name", PROFILE_VARIABLES)
def test_shared_memory_that_was_not_there_is_said_with_the_cure(no_segment: Path, tmp_path: Path, name: str) -> None:
    warning = shared_memory_warning({name: str(SHIPPED)}, no_segment, tmp_path)
    assert warning is not None and "needs 34 MiB per node" in warning and "\n" not in warning
    assert "`--shm-size=512m`" in warning and "`pointpillars_ov clean_shm`" in warning and str(tmp_path) in warning


@pytest.mark.parametrize("name", ["fastrtps_839889d6dd9d2f73", "fastdds_839889d6dd9d2f73"])
def test_a_process_with_a_segment_has_shared_memory(no_segment: Path, tmp_path: Path, name: str) -> None:
    with no_segment.open("a") as maps:
        maps.write(f"7f04-7f05 rw-s 0 0:1 4 /dev/shm/{name}\n")
    assert shared_memory_warning({FIRST: str(SHIPPED)}, no_segment, tmp_path) is None


@pytest.mark.parametrize("environment", [{}, {FIRST: ""}, {"RMW_IMPLEMENTATION": "rmw_zenoh_cpp", FIRST: str(SHIPPED)}])
def test_shared_memory_that_nobody_asks_for_is_not_missed(
    environment: dict[str, str], no_segment: Path, tmp_path: Path
) -> None:
    assert shared_memory_warning(environment, no_segment, tmp_path) is None


@pytest.mark.parametrize("text", [None, "<profiles>", "<profiles><segment_size>much</segment_size></profiles>"])
def test_a_profile_that_says_nothing_of_shared_memory_is_no_reason_to_warn(
    text: str | None, no_segment: Path, tmp_path: Path
) -> None:
    profile = tmp_path / "own.xml"
    if text is not None:
        profile.write_text(text)
    assert shared_memory_warning({FIRST: str(profile)}, no_segment, tmp_path) is None


def test_the_shipped_profile_asks_for_shared_memory() -> None:
    assert shared_memory_size(SHIPPED) == 32 * 1024 * 1024
