# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Contents of the launch files, tested with stand-ins for `launch`; test_real_launch.py has the rest."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from pointpillars_ov_ros.config.errors import BundleError, ConfigError
from pointpillars_ov_ros.config.runtime_config import from_plain
from pointpillars_ov_ros.model.bundle import CONFIG_NAME
from pointpillars_ov_ros.model.shipped import shipped_model
from pointpillars_ov_ros.ros import launching
from test.inference.toy_bundle import save_toy_bundle
from test.launch.stand_ins import DETECTOR, LAUNCH_FILES, REPOSITORY, LaunchFile
from test.ros.test_config_files import SETTINGS, fields_of
from test.shared_data import KITTI_CAR

# What has to be given, or differs from the default, so that as much as possible is started.
GIVEN = {
    "data": "/kitti",
    "bag": "/bag",
    "model": str(shipped_model()),
    "device": "AUTO",
    "autostart": "false",
    "rviz": "true",
}
every_file = pytest.mark.parametrize("path", LAUNCH_FILES, ids=lambda path: path.name)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have every package that may be missing, with the parameter files of a Velodyne's driver."""
    for node, parameters in (
        ("velodyne_driver_node", {"model": "VLP16", "device_ip": "192.168.1.201", "rpm": 600.0}),
        ("velodyne_transform_node", {"model": "VLP16", "calibration": "VLP16db.yaml"}),
    ):
        path = tmp_path / "config" / f"VLP16-{node}-params.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(yaml.safe_dump({node: {"ros__parameters": parameters}}))
    monkeypatch.setattr(launching, "package_share", lambda package, reason: tmp_path)
    return tmp_path


def test_there_is_a_file_for_each_way_to_begin() -> None:
    names = [path.name.removesuffix(".launch.py") for path in LAUNCH_FILES]
    assert names == ["bag_replay", "detector", "kitti_demo", "velodyne"]


@every_file
def test_every_argument_is_described_and_its_default_is_a_choice(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    declared = LaunchFile(path, monkeypatch).of("DeclareLaunchArgument")
    assert len(declared) >= 5
    for argument in declared:
        default, choices = argument.named["default_value"], argument.named["choices"]
        assert len(argument.named["description"]) > 8
        assert default is None or isinstance(default, str)
        assert choices is None or default in choices


@every_file
@pytest.mark.parametrize(
    ("distro", "read"),
    [("jazzy", "FASTRTPS_DEFAULT_PROFILES_FILE"), ("kilted", "FASTDDS_DEFAULT_PROFILES_FILE")],
)
def test_the_profile_is_set_for_the_distribution(
    path: Path, monkeypatch: pytest.MonkeyPatch, distro: str, read: str
) -> None:
    monkeypatch.setenv("ROS_DISTRO", distro)
    for name in ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE"):
        monkeypatch.delenv(name, raising=False)
    file = LaunchFile(path, monkeypatch)
    variables = [said.positional for each in (file, *file.included) for said in each.of("SetEnvironmentVariable")]
    assert [name for name, _ in variables] == [read]
    assert all(Path(value).is_file() for _, value in variables)


@every_file
def test_whatever_starts_nodes_of_its_own_does_so_after_the_profile_is_set(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = [type(action).__name__ for action in LaunchFile(path, monkeypatch).actions]
    setter = "SetEnvironmentVariable" if path == DETECTOR else "IncludeLaunchDescription"
    assert kinds.index(setter) < len(kinds) - 1
    assert kinds[-1] == "OpaqueFunction"


@pytest.mark.parametrize("path", [path for path in LAUNCH_FILES if path != DETECTOR], ids=lambda path: path.name)
def test_what_may_fail_is_rehearsed_before_anything_is_started(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    actions = LaunchFile(path, monkeypatch).actions
    kinds = [type(action).__name__ for action in actions]
    rehearsal, *_, work = (action.named["function"] for action in actions if type(action).__name__ == "OpaqueFunction")
    assert kinds.index("OpaqueFunction") < kinds.index("IncludeLaunchDescription")
    assert rehearsal.__closure__[0].cell_contents is work
    assert launching.rehearsal(lambda context: ["a node"])(None) == []


@every_file
def test_nodes_get_parameters_that_they_have(path: Path, monkeypatch: pytest.MonkeyPatch, installed: Path) -> None:
    nodes = LaunchFile(path, monkeypatch).started(**GIVEN)
    assert {"pointpillars_detector", "pointpillars_diagnostics", "rviz2"} <= set(nodes)
    for executable in set(nodes) & set(SETTINGS):
        assert nodes[executable].named["package"] == "pointpillars_ov_ros"
        for group in nodes[executable].named["parameters"]:
            if isinstance(group, dict):
                own = {name: value for name, value in group.items() if name != "use_sim_time"}
                assert set(own) <= set(fields_of(executable))
                for settings in SETTINGS[executable]:
                    from_plain(settings, own)
            else:
                assert (REPOSITORY / "config" / Path(group).name).is_file()


@every_file
def test_the_manifest_names_what_is_started_on_every_robot(
    path: Path, monkeypatch: pytest.MonkeyPatch, installed: Path
) -> None:
    root = ElementTree.parse(REPOSITORY / "package.xml").getroot()
    named = {"pointpillars_ov_ros"} | {element.text for element in root.iter("exec_depend")}
    # A robot without a screen has no RViz; where one is asked for and missing, a sentence says so.
    optional = {"rviz2", "velodyne_driver", "velodyne_pointcloud"}
    started = LaunchFile(path, monkeypatch).started(**GIVEN)
    assert {node.named["package"] for node in started.values()} - optional <= named


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, {"use_sim_time": False}),
        ({"model": "/bundle"}, {"use_sim_time": False, "model_dir": "/bundle"}),
        ({"device": "GPU"}, {"use_sim_time": False, "pfe_device": "GPU", "rpn_device": "GPU"}),
        ({"input_reliability": "auto"}, {"use_sim_time": False, "input_reliability": "auto"}),
        ({"autostart": "false", "mode": "balanced"}, {"use_sim_time": False, "autostart": False, "mode": "balanced"}),
        ({"use_sim_time": "true"}, {"use_sim_time": True}),
    ],
)
def test_an_argument_that_is_not_given_leaves_the_parameter_files_alone(
    monkeypatch: pytest.MonkeyPatch, arguments: dict[str, str], expected: dict[str, object]
) -> None:
    (*files, own) = LaunchFile(DETECTOR, monkeypatch).started(**arguments)["pointpillars_detector"].named["parameters"]
    assert [Path(file).name for file in files] == ["cpu.yaml"]
    assert own == expected


def test_a_parameter_file_comes_after_that_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "own.yaml").write_text("/**: {ros__parameters: {sweeps: 2}}")
    nodes = LaunchFile(DETECTOR, monkeypatch).started(machine="igpu", params_file="~/own.yaml")
    for node in nodes.values():
        assert [Path(file).name for file in node.named["parameters"][:2]] == ["igpu.yaml", "own.yaml"]


def test_topics_are_mapped_for_the_detector_and_for_rviz(monkeypatch: pytest.MonkeyPatch, installed: Path) -> None:
    topics = {"points": "/a", "detections": "/b", "markers": "/c"}
    nodes = LaunchFile(DETECTOR, monkeypatch).started(rviz="true", namespace="front", **topics)
    assert dict(nodes["pointpillars_detector"].named["remappings"]) == topics
    assert dict(nodes["rviz2"].named["remappings"]) == {f"/{name}": topic for name, topic in topics.items()}
    assert {node.named["namespace"] for node in nodes.values()} == {"front"}


@every_file
@pytest.mark.parametrize(("namespace", "path_before"), [("", "/"), ("front", "/front/"), ("/a/b/", "/a/b/")])
def test_each_node_has_the_enclave_of_its_full_name(
    path: Path, monkeypatch: pytest.MonkeyPatch, installed: Path, namespace: str, path_before: str
) -> None:
    nodes = LaunchFile(path, monkeypatch).started(**GIVEN, namespace=namespace)
    for executable in set(nodes) & set(SETTINGS):
        *_, option, enclave = nodes[executable].named["ros_arguments"]
        expected = path_before if nodes[executable].named.get("namespace") else "/"
        assert (option, enclave) == ("--enclave", f"{expected}{executable}")


def test_a_velodyne_is_started_from_its_own_parameters_and_the_arguments(
    monkeypatch: pytest.MonkeyPatch, installed: Path
) -> None:
    file = LaunchFile(REPOSITORY / "launch" / "velodyne.launch.py", monkeypatch)
    nodes = file.started(lidar_ip="10.0.0.7", lidar_port="2369", frame_id="top")
    (packets,) = nodes["velodyne_driver_node"].named["parameters"]
    assert packets == {"model": "VLP16", "device_ip": "10.0.0.7", "rpm": 600.0, "port": 2369, "frame_id": "top"}
    (clouds,) = nodes["velodyne_transform_node"].named["parameters"]
    assert clouds["calibration"] == str(installed / "params" / "VLP16db.yaml")
    ((topic, argument),) = nodes["velodyne_transform_node"].named["remappings"]
    assert (topic, argument.positional) == ("velodyne_points", ("points",))
    assert nodes["velodyne_driver_node"].named["namespace"].positional == ("namespace",)
    assert "velodyne.yaml" in str(nodes["pointpillars_detector"].named["parameters"])


def test_without_the_driver_only_the_detector_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    file = LaunchFile(REPOSITORY / "launch" / "velodyne.launch.py", monkeypatch)
    assert set(file.started(driver="false")) == {"pointpillars_detector", "pointpillars_diagnostics"}


def test_a_bag_is_played_with_its_clock_once_the_detector_is_active(
    monkeypatch: pytest.MonkeyPatch, installed: Path
) -> None:
    file = LaunchFile(REPOSITORY / "launch" / "bag_replay.launch.py", monkeypatch)
    handlers = [a for a in file.perform({"bag": "/bag", "rate": "0.5"}) if type(a).__name__ == "RegisterEventHandler"]
    condition = handlers[0].positional[0].named
    assert condition["goal_state"] == "active" and condition["handle_once"]
    (player,) = condition["entities"]
    assert player.named["cmd"] == ["ros2", "bag", "play", "/bag", "--clock", "100", "--rate", "0.5", "--delay", "2"]
    detector = file.started(bag="/bag")["pointpillars_detector"].named["parameters"][-1]
    assert detector == {"use_sim_time": True, "drop_policy": "replay"}


@every_file
def test_a_parameter_file_that_is_not_there_is_one_sentence(
    path: Path, monkeypatch: pytest.MonkeyPatch, installed: Path
) -> None:
    with pytest.raises(ConfigError, match=r"^params_file: there is no file /nowhere/own\.yaml$"):
        LaunchFile(path, monkeypatch).perform({**GIVEN, "params_file": "/nowhere/own.yaml"})


@pytest.mark.parametrize(
    ("name", "argument", "value"),
    [
        ("kitti_demo", "rate", "fast"),
        ("kitti_demo", "rate", "0"),
        ("bag_replay", "rate", "nan"),
        ("velodyne", "lidar_port", "udp"),
        ("velodyne", "lidar_port", "70000"),
    ],
)
def test_an_argument_that_is_no_number_is_one_sentence(
    name: str, argument: str, value: str, monkeypatch: pytest.MonkeyPatch, installed: Path
) -> None:
    file = LaunchFile(DETECTOR.with_name(f"{name}.launch.py"), monkeypatch)
    with pytest.raises(ConfigError, match=f"^{argument}: '{value}' is not a number above 0"):
        file.perform({**GIVEN, argument: value})


class Ended(NamedTuple):
    """The event of a process that ended, and what launch knows of its own end."""

    returncode: int = 0
    is_shutdown: bool = False


@every_file
def test_nothing_outlives_a_detector_that_died(path: Path, monkeypatch: pytest.MonkeyPatch, installed: Path) -> None:
    file = LaunchFile(path, monkeypatch)
    on_exit = file.started(**GIVEN)["pointpillars_detector"].named["on_exit"]
    with pytest.raises(ConfigError, match="pointpillars_detector ended with code 1, so everything ends"):
        on_exit(Ended(1), Ended())
    (end,) = on_exit(Ended(0), Ended())
    assert type(end).__name__ == "EmitEvent" and type(end.named["event"]).__name__ == "Shutdown"
    # Ctrl-C ends all of them, and none of that is a failure.
    assert on_exit(Ended(-2), Ended(is_shutdown=True)) == []
    assert file.started(**GIVEN, respawn="true")["pointpillars_detector"].named["on_exit"] is None


def test_a_demo_whose_player_or_recorder_fails_ends_and_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    done = LaunchFile(REPOSITORY / "launch" / "kitti_demo.launch.py", monkeypatch).perform({"data": "/kitti"})
    player = next(each for each in done if each.named.get("executable") == "kitti_player")
    (recorder,) = {id(each): each for each in done if type(each).__name__ == "ExecuteProcess"}.values()
    for process in (player, recorder):
        with pytest.raises(ConfigError, match="ended with code 1, so everything ends"):
            process.named["on_exit"](Ended(1), Ended())
    assert player.named["on_exit"](Ended(0), Ended()) == [], "the last clouds are still to be detected"
    assert [type(each).__name__ for each in recorder.named["on_exit"](Ended(0), Ended())] == ["EmitEvent"]


def test_a_demo_makes_a_bundle_of_ir_files_for_its_detector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toy = save_toy_bundle(tmp_path / "toy")
    file = LaunchFile(REPOSITORY / "launch" / "kitti_demo.launch.py", monkeypatch)

    def model_of(folder: Path) -> str:
        nodes = file.started(data="/kitti", model=str(folder), out=str(tmp_path / "out"))
        return str(nodes["pointpillars_detector"].named["parameters"][-1]["model_dir"])

    assert model_of(toy.folder) == str(toy.folder)
    with pytest.raises(BundleError, match=CONFIG_NAME):
        model_of(tmp_path)
    if KITTI_CAR.is_dir():
        assert model_of(KITTI_CAR) == str(tmp_path / "out" / "bundle")
        assert (tmp_path / "out" / "bundle" / CONFIG_NAME).is_file()


@pytest.mark.parametrize(
    ("name", "arguments", "package"),
    [
        ("detector", {"rviz": "true"}, "rviz2"),
        ("velodyne", {}, "velodyne_driver"),
        ("bag_replay", {"bag": "/bag", "rviz": "false"}, "ros2bag"),
    ],
)
def test_a_package_that_is_missing_is_one_sentence(
    name: str, arguments: dict[str, str], package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AMENT_PREFIX_PATH", str(REPOSITORY / "nowhere"))
    with pytest.raises(ConfigError, match=f"needs {package}, which is not installed: `sudo apt install ros-.*`"):
        LaunchFile.perform(loaded(name, monkeypatch), arguments)


def loaded(name: str, patch: pytest.MonkeyPatch) -> LaunchFile:
    """Load a file whose own package is found, whatever the environment is."""
    with pytest.MonkeyPatch.context() as inner:
        inner.undo()
        inner.setattr("ament_index_python.packages.get_package_share_directory", lambda package: str(REPOSITORY))
        return LaunchFile(REPOSITORY / "launch" / f"{name}.launch.py", patch)
