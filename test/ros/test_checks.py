# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""What is said of a topic, of DDS and of shared memory, by what was seen of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pointpillars_ov_ros.config.findings import Finding, Level
from pointpillars_ov_ros.ros import checks, dds, qos
from pointpillars_ov_ros.ros.cloud_sources import CLOUD_TYPE
from pointpillars_ov_ros.ros.topic_probe import CloudHead, Endpoint, TopicView

SECOND = 1_000_000_000
NOW = 1_700_000_000 * SECOND


def view(*heads: CloudHead, reliable: bool = False, publishers: int = 1) -> TopicView:
    seen = TopicView("/points", 5.0)
    seen.publishers = [
        Endpoint(f"driver{k}", CLOUD_TYPE, qos.keep_last(1, reliable=reliable)) for k in range(publishers)
    ]
    seen.heads = list(heads)
    return seen


def head(number: int, age_s: float = 0.05, size: int = 1_900_000) -> CloudHead:
    stamp = NOW + number * SECOND // 10
    return CloudHead(stamp, stamp + int(age_s * SECOND), "lidar", size, number)


def rmem(folder: Path, size: int) -> Path:
    path = folder / "rmem_max"
    path.write_text(f"{size}\n")
    return path


def test_clouds_that_did_not_come_are_counted_by_their_numbers() -> None:
    (finding,) = checks.check_loss(view(*(head(k) for k in (3, 4, 7, 8, 12))))
    assert finding.level is Level.FAULT
    assert finding.text.startswith("5 of 10 clouds arrived, 5 were lost on the way (1.9 MB each)")
    assert "fastdds_clouds" in finding.cures[0]
    (finding,) = checks.check_loss(view(*(head(k) for k in range(9))))
    assert (finding.level, finding.text) == (Level.OK, "9 of 9 clouds arrived")
    # Of two publishers it cannot be told whose a number is.
    assert checks.check_loss(view(head(1), head(9), publishers=2)) == []


def test_socket_buffers_smaller_than_a_cloud_are_named_with_the_line_to_type(tmp_path: Path) -> None:
    finding = checks.check_transport(
        view(head(0)), {"RMW_IMPLEMENTATION": "rmw_cyclonedds_cpp"}, rmem(tmp_path, 212_992)
    )
    assert finding.level is Level.WARN
    assert finding.text.startswith("net.core.rmem_max is 212,992 bytes, less than a cloud of 1,900,000")
    assert finding.cures == ("sudo sysctl -w net.core.rmem_max=2097152",)


def test_a_profile_that_asks_for_more_than_the_kernel_gives(tmp_path: Path) -> None:
    finding = checks.check_transport(view(head(0)), {"ROS_DISTRO": "jazzy"}, rmem(tmp_path, 212_992))
    assert finding.level is Level.WARN
    assert finding.text.startswith("net.core.rmem_max is 212992, less than the 4194304 bytes")
    assert finding.cures == ("sudo sysctl -w net.core.rmem_max=4194304",)
    assert checks.check_transport(view(head(0)), {}, rmem(tmp_path, 4_194_304)).level is Level.OK


def test_a_profile_that_cannot_be_read_is_taken_away(tmp_path: Path) -> None:
    variable = dds.PROFILE_VARIABLES[0]
    finding = checks.check_transport(view(head(0)), {variable: str(tmp_path / "none.xml")}, rmem(tmp_path, 4_194_304))
    assert finding.level is Level.WARN
    assert finding.cures == (f"unset {variable}",)


def test_shared_memory_that_is_small_or_full_of_what_is_dead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finding = checks.check_shared_memory(tmp_path, min_free=1e18)
    assert finding.level is Level.WARN
    assert "--ipc=host" in finding.cures[0]
    assert checks.check_shared_memory(tmp_path, min_free=0.0).level is Level.OK
    monkeypatch.setattr(dds, "_MIN_AGE_S", -1.0)
    segment = tmp_path / "fastrtps_0123456789abcdef"
    segment.write_bytes(bytes(3_000_000))
    Path(f"{segment}_el").touch()
    finding = checks.check_shared_memory(tmp_path, min_free=1e18)
    assert finding.text.endswith("3 MB are left over from killed processes")
    assert finding.cures == ("pointpillars_ov clean_shm",)
    assert segment.exists()
    assert checks.check_shared_memory(tmp_path / "none").level is Level.WARN


@pytest.mark.parametrize(
    ("age_s", "level", "words"),
    [
        (0.05, Level.OK, "clouds are 50 ms old"),
        (0.8, Level.WARN, "0.80 s old when they arrive"),
        (-0.5, Level.WARN, "0.50 s in the future"),
        (-7 * 3600, Level.WARN, "7.00 hours in the future"),
        (400 * 86400, Level.WARN, "400.00 days in the past"),
    ],
)
def test_the_age_of_clouds_is_looked_at(age_s: float, level: Level, words: str) -> None:
    _, finding = checks.check_heads([head(k, age_s) for k in range(5)], "/points")
    assert (finding.name, finding.level) == ("ros.stamps", level)
    assert words in finding.text
    _, finding = checks.check_heads([head(k, age_s) for k in range(5)], "/points", has_clock=True)
    assert finding.level is Level.OK


def test_a_subscription_of_rviz_that_hears_nothing_is_named() -> None:
    seen = view(head(0))
    seen.subscriptions = [Endpoint("rviz", CLOUD_TYPE, qos.keep_last(5))]
    (finding,) = checks.check_qos(seen, qos.keep_last(1, reliable=False))
    assert finding.level is Level.WARN
    assert finding.text.startswith("rviz cannot receive from driver0 on /points")
    assert "Best Effort" in finding.cures[0]


def test_a_detector_in_a_namespace_is_named_with_it() -> None:
    seen = view(head(0))
    seen.subscriptions = [Endpoint("pointpillars_detector", CLOUD_TYPE, qos.keep_last(1), "/front")]
    (finding,) = checks.check_qos(seen, qos.keep_last(1, reliable=False))
    assert finding.cures[0] == "ros2 param set /front/pointpillars_detector input_reliability auto"


def tf(seen: TopicView, target: str) -> Finding:
    return checks.check_transforms(seen, target)


def test_a_transform_that_is_too_old_is_a_matter_of_clocks() -> None:
    seen = view(head(0))
    seen.transforms.add("base_link", "lidar", NOW - 5 * SECOND, (0, 0, 0), (0, 0, 0, 1), False)
    finding = tf(seen, "base_link")
    assert "the newest is 5.000 s older" in finding.text
    assert "clocks" in finding.cures[0]
    seen.transforms.add("base_link", "lidar", NOW, (0, 0, 0), (0, 0, 0, 1), False)
    assert tf(seen, "/base_link").level is Level.OK
    assert "tf_echo" in tf(view(head(0)), "map").cures[-1] or "static_transform" in tf(view(head(0)), "map").cures[-1]
