# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Somebody joins who must not: without a certificate, with one of another authority, with too few permissions."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from test.inference.toy_bundle import save_toy_bundle, toy_cloud
from test.torture.account import Account
from test.torture.arena import DETECTOR, DIAGNOSTICS, ROOT, Arena
from test.torture.intruder import FORGED, TOPICS
from test.torture.journal import read_journal
from test.torture.scenario import NotHereError, Scenario, scenario

SCENARIOS: list[Scenario] = []
POLICY = ROOT / "config" / "security" / "policy.xml"
INSECURE = {"ROS_SECURITY_ENABLE": "false"}
_RATE_HZ, _SECONDS = 10, 20.0
_UNBUILT = "doesn't have the security libraries"
"""Error message of Fast DDS, for one, when a node is created."""
_LOOK = "import rclpy; rclpy.init(); rclpy.create_node('look')"
_PLAYER = "/kitti_player"
_PERMITTED = {("publish", "points"), ("subscribe", "timing")}
"""Permissions of the player, among TOPICS."""


class Intrusion(NamedTuple):
    """Records of an intruder, and what the others did at the same time."""

    refused: set[tuple[str, str]]
    """(publish or subscribe, topic) that ROS did not let it do."""
    heard: dict[str, int]
    """Number of messages of others, by topic."""
    account: Account

    @property
    def strange(self) -> set[tuple[int, int]]:
        """Stamps of foreign clouds that the detector accepted."""
        return {(line["stamp"][0], line["stamp"][1]) for line in self.account.timings} - set(self.account.sent)

    @property
    def forged(self) -> int:
        """Number of its detections that the checker accepted."""
        return sum(line["frame_id"] == FORGED for line in self.account.detections)

    @property
    def answered(self) -> int:
        """Number of answered clouds of the permitted sender; on a busy machine, not all need to be."""
        return len(self.account.sent) - len(self.account.missing())

    @property
    def age_ms(self) -> float:
        """Median time from sending a permitted cloud to receiving its detections (ms)."""
        seconds, nanoseconds = self.account.sent[0]
        return float(np.median(self.account.ages_ms(from_ns=seconds * 1_000_000_000 + nanoseconds)))

    def assert_kept_out(self) -> str:
        """Check that it neither got in nor received anything and that the others were served; describe it."""
        assert not self.strange, f"{len(self.strange)} of its clouds were taken"
        assert not self.forged, f"{self.forged} of its detections were heard"
        assert not any(self.heard.values()), f"it heard {self.heard}"
        return (
            f"none of its clouds and detections taken, no message heard; {self.answered} of {len(self.account.sent)} "
            f"clouds of the permitted sender answered, {self.age_ms:.0f} ms after sending in the median"
        )


@scenario(SCENARIOS, "security is off; a stranger in the same ROS domain", "it can send clouds and hear detections")
def open_to_all(folder: Path, seconds: float = _SECONDS) -> str:
    with Arena(folder, INSECURE) as arena:
        # The intruder is one of those that listen to clouds.
        intrude(arena, {}, seconds, listeners=2)
        arena.wait_until(lambda: all(look(arena).heard.values()), "messages of each kind to be heard")
        arena.wait_until(lambda: bool(look(arena).strange and look(arena).forged), "its messages to be taken")
        seen = look(arena)
        assert not seen.refused, f"it was refused {sorted(seen.refused)}"
        return (
            f"{len(seen.strange)} of its clouds and {seen.forged} of its detections taken, {seen.heard['detections']} "
            f"detections heard; clouds of 2 MB answered {seen.age_ms:.0f} ms after sending in the median"
        )


@scenario(SCENARIOS, "security on; a stranger without a certificate", "neither sends nor hears anything")
def without_certificate(folder: Path, seconds: float = _SECONDS) -> str:
    with secured(folder) as arena:
        intrude(arena, INSECURE, seconds)
        return look(arena).assert_kept_out()


@scenario(SCENARIOS, "security on; a stranger with an authority of its own", "neither sends nor hears anything")
def of_another_authority(folder: Path, seconds: float = _SECONDS) -> str:
    with secured(folder) as arena:
        own = make_keystore(arena, folder / "other_keystore")
        intrude(arena, {"ROS_SECURITY_KEYSTORE": str(own), **enclave(_PLAYER)}, seconds)
        return look(arena).assert_kept_out()


@scenario(SCENARIOS, "security on; the player's enclave taken over", "sends clouds, hears timing; no more")
def beyond_its_permissions(folder: Path, seconds: float = _SECONDS) -> str:
    with secured(folder) as arena:
        intrude(arena, enclave(_PLAYER), seconds)
        arena.wait_until(lambda: bool(look(arena).strange and look(arena).heard["timing"]), "what the player may do")
        seen = look(arena)
        wanted = {(what, topic) for what in ("publish", "subscribe") for topic in TOPICS}
        assert seen.refused == wanted - _PERMITTED, f"it was refused {sorted(seen.refused)}"
        assert not seen.forged, f"{seen.forged} of its detections were heard"
        heard = {topic for topic, count in seen.heard.items() if count}
        assert heard == {"timing"}, f"it heard {sorted(heard)}"
        return (
            f"{len(seen.strange)} of its clouds taken, {seen.heard['timing']} timings heard; refused to publish "
            f"{', '.join(sorted(topic for what, topic in seen.refused if what == 'publish'))}, and to hear "
            f"{', '.join(sorted(topic for what, topic in seen.refused if what == 'subscribe'))}"
        )


@contextmanager
def secured(folder: Path) -> Iterator[Arena]:
    """Yield an arena in which security is enforced; NotHereError if that is not possible."""
    keystore = folder / "keystore"
    security = {
        "ROS_SECURITY_ENABLE": "true",
        "ROS_SECURITY_STRATEGY": "Enforce",
        "ROS_SECURITY_KEYSTORE": str(keystore),
    }
    with Arena(folder, security) as arena:
        (keystore / "enclaves").mkdir(parents=True)
        made = subprocess.run([sys.executable, "-c", _LOOK], env=arena.environment, capture_output=True, text=True)
        if _UNBUILT in made.stderr:
            raise NotHereError("the DDS of this ROS is built without security")
        make_keystore(arena, keystore)
        yield arena


def make_keystore(arena: Arena, keystore: Path) -> Path:
    """Make one from the package's policy; NotHereError without sros2."""
    command = [sys.executable, "-m", "test.torture.keystore", str(keystore), str(POLICY), "/sender", "/checker"]
    made = subprocess.run(command, env=arena.environment, cwd=ROOT, capture_output=True, text=True)
    if "No module named 'sros2'" in made.stderr:
        raise NotHereError("sros2 is not installed, which makes keystores")
    assert made.returncode == 0, made.stderr
    return keystore


def enclave(path: str) -> dict[str, str]:
    """Return the environment of a process in an enclave."""
    return {"ROS_SECURITY_ENCLAVE_OVERRIDE": path}


def intrude(arena: Arena, intruder: Mapping[str, str], seconds: float, listeners: int = 1) -> None:
    """Run an intruder with this environment while clouds of a permitted sender arrive for `seconds`.

    The sender starts when it has `listeners` subscribers.
    """
    model = save_toy_bundle(arena.folder / "toy").folder
    cloud, big_cloud = arena.folder / "cloud.bin", arena.folder / "big_cloud.bin"
    toy_cloud(0).tofile(cloud)
    # Nearly all of it out of the toy network's range, so that sending it is most of the work.
    np.concatenate([toy_cloud(0), np.full((120_000, 4), 500, np.float32)]).tofile(big_cloud)
    parameters = {"model_dir": str(model), "encoder": "openvino", "lean_rpn": False, "parity_check": False}
    arena.start_checker(environment=enclave("/checker"))
    arena.nodes.start(DETECTOR, {**parameters, "drop_policy": "replay"}, ["--enclave", f"/{DETECTOR}"])
    arena.nodes.start(DIAGNOSTICS, {}, ["--enclave", f"/{DIAGNOSTICS}"])
    arena.run("intruder", "intruder", str(cloud), environment=intruder)
    arena.wait_until(lambda: bool(told(arena, "ready")), "the intruder")
    options = ("--reliable", "--depth", "50", "--listeners", str(listeners))
    arena.start_sender([big_cloud], f"{_RATE_HZ}:{seconds}", *options, environment=enclave("/sender"))
    arena.wait_until(lambda: arena.has_ended("sender"), "the end of the sender", patience_s=seconds + 60.0)
    arena.wait_until(lambda: look(arena).answered > 0, "answers to the permitted sender")
    arena.wait_until(lambda: bool(arena.account().diagnostics), "diagnostics")
    before = len(told(arena, "now"))
    # What was written when all of that had been published, and delivered to those who may hear it.
    arena.wait_until(lambda: len(told(arena, "now")) > before + 1, "the intruder's last word")
    arena.nodes.check()


def told(arena: Arena, kind: str) -> list[dict[str, Any]]:
    """Return the intruder's lines of a kind."""
    return [line for line in read_journal(arena.journal("intruder")) if line["kind"] == kind]


def look(arena: Arena) -> Intrusion:
    """Return how far the intruder has got."""
    refused = {(line["what"], line["topic"]) for line in told(arena, "refused")}
    return Intrusion(refused, told(arena, "now")[-1]["heard"], arena.account())
