# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Faults of the device: it throws, hangs, returns NaN, or is gone for good."""

from __future__ import annotations

from pathlib import Path

from pointpillars_ov_ros.model.bundle import CONFIG_NAME
from test.inference.toy_bundle import Trouble, Weakness, save_toy_bundle
from test.torture.arena import DETECTOR, Arena
from test.torture.scenario import Scenario, scenario
from test.torture.stage import TOY, play_out, save_clouds, toy_detector, wait_for_level

SCENARIOS: list[Scenario] = []
_OK, _ERROR = 0, 2
_BRIGHT_EVERY = 5


def play_trouble(folder: Path, weakness: Weakness, rate_hz: float, seconds: float, **parameters: object) -> str:
    """Send clouds of which every fifth is too bright; those fail with a sentence, the others are detected."""
    with toy_detector(folder, weakness, drop_policy="replay", **parameters) as arena:
        clouds = [*save_clouds(folder, _BRIGHT_EVERY - 1), *save_clouds(folder, 1, bright=True)]
        account = play_out(arena, clouds, f"{rate_hz:g}:{seconds:g}", "--reliable", "--depth", "1000")
        bad = set(account.sent[_BRIGHT_EVERY - 1 :: _BRIGHT_EVERY])
        assert not account.disorder(), account.disorder()[0]
        assert account.missing() == bad, f"{len(account.missing() ^ bad)} clouds came to another end than expected"
        assert all(line["is_finite"] for line in account.detections), "detections that are NaN or infinite"
        errors = sorted({line["error"] for line in account.timings if line["error"]})
        assert len([line for line in account.timings if line["error"]]) == len(bad), "a failed frame is not reported"
        log = arena.log_of()
        assert "Traceback" not in log, "a traceback in the log"
        return f"{len(account.detections)} of {len(account.sent)} detected, {len(bad)} failed: “{errors[0]}”"


@scenario(SCENARIOS, "an inference throws in every 5th frame, PFE", "those frames fail with the reason, no others")
def pfe_throws(folder: Path, seconds: float = 10.0) -> str:
    return play_trouble(folder, Weakness("pfe", Trouble.FAILS), 20.0, seconds)


@scenario(SCENARIOS, "an inference throws in every 5th frame, RPN", "those frames fail with the reason, no others")
def rpn_throws(folder: Path, seconds: float = 10.0) -> str:
    return play_trouble(folder, Weakness("rpn", Trouble.FAILS), 20.0, seconds)


@scenario(SCENARIOS, "the PFE gives NaN in every 5th frame", "they count as failed, not as empty; no NaN is published")
def pfe_gives_nan(folder: Path, seconds: float = 10.0) -> str:
    return play_trouble(folder, Weakness("pfe", Trouble.GIVES_NAN), 20.0, seconds)


@scenario(SCENARIOS, "the RPN gives NaN in every 5th frame", "they count as failed, not as empty; no NaN is published")
def rpn_gives_nan(folder: Path, seconds: float = 10.0) -> str:
    return play_trouble(folder, Weakness("rpn", Trouble.GIVES_NAN), 20.0, seconds)


def play_hang(folder: Path, network: str, clouds: int) -> str:
    """Send one cloud that takes the device for seconds, and others after it, one after the other."""
    weakness = Weakness(network, Trouble.HANGS)
    with toy_detector(folder, weakness, drop_policy="replay", inference_timeout=0.5, num_streams=2) as arena:
        files = [*save_clouds(folder, 4), *save_clouds(folder, 1, bright=True), *save_clouds(folder, clouds - 5)]
        account = play_out(arena, files, f"5:{clouds / 5:g}", "--reliable", "--depth", "1000")
        errors = [(line["stamp"], line["error"]) for line in account.timings if line["error"]]
        said = f"{network.upper()} did not end within 0.5 s"
        assert not account.disorder(), account.disorder()[0]
        assert (list(account.sent[4]), said) in errors, "the cloud that hangs is not reported"
        # While no slot is left nobody waits, also in replay: what comes then is dropped, and counted.
        missing, counted = len(account.missing()), account.counted()
        assert missing == counted, f"{missing} clouds without detections, {counted} counted"
        assert account.sent[-1] in account.answered, "the last cloud has no detections"
        assert f": {said}; its slot is set aside" in arena.log_of(), "the log does not say which stage"
        heard_error = any(level == _ERROR and "hang" in text for _, level, text in account.levels("device"))
        assert heard_error, "no ERROR in diagnostics while it hung"
        wait_for_level(arena, "device", _OK, "PFE on CPU")
        return f"“{said}”, {len(account.detections)} of the {clouds - 1} others detected; ERROR while it hung, then OK"


@scenario(SCENARIOS, "a PFE inference hangs for seconds", "given up after inference_timeout; the log names the PFE")
def pfe_hangs(folder: Path, clouds: int = 50) -> str:
    return play_hang(folder, "pfe", clouds)


@scenario(SCENARIOS, "an RPN inference hangs for seconds", "given up after inference_timeout; the log names the RPN")
def rpn_hangs(folder: Path, clouds: int = 50) -> str:
    return play_hang(folder, "rpn", clouds)


@scenario(
    SCENARIOS,
    "the device hangs for good, in every slot",
    "ERROR in diagnostics; ~/reload builds the networks anew and clouds are detected; SIGTERM still ends it, code 0",
)
def device_is_gone(folder: Path, seconds: float = 5.0) -> str:
    with toy_detector(folder, Weakness("rpn", Trouble.NEVER_ENDS), inference_timeout=0.5) as arena:
        good, bad = save_clouds(folder), save_clouds(folder, bright=True)
        arena.start_sender(bad, f"10:{seconds:g}", name="bad")
        arena.wait_until(lambda: arena.has_ended("bad"), "the end of the bad clouds")
        error = wait_for_level(arena, "device", _ERROR, "inferences that hang")
        answer = arena.trigger("/pointpillars_detector/reload")
        assert not answer.startswith("refused"), answer
        arena.start_sender(good, f"10:{seconds:g}")
        arena.wait_until(lambda: arena.has_ended("sender"), "the end of sending")
        arena.wait_until(lambda: arena.account().sent[-1] in arena.account().answered, "the last cloud's detections")
        account = arena.account()
        took_s, detected = arena.end_node(), f"{len(account.detections)} of {len(account.sent)} clouds"
        return f"“{error}”; after ~/reload {detected} detected; ended in {took_s:.1f} s"


@scenario(
    SCENARIOS,
    "the same in replay mode, where the sender is made to wait",
    "ERROR in diagnostics; nobody waits for good, and SIGTERM ends it, code 0",
)
def device_is_gone_in_replay(folder: Path, seconds: float = 5.0) -> str:
    weakness = Weakness("rpn", Trouble.NEVER_ENDS)
    with toy_detector(folder, weakness, inference_timeout=0.5, drop_policy="replay") as arena:
        bad = save_clouds(folder, bright=True)
        arena.start_sender(bad, f"10:{seconds:g}", "--reliable", "--depth", "1000")
        arena.wait_until(lambda: arena.has_ended("sender"), "the end of sending")
        error = wait_for_level(arena, "device", _ERROR, "inferences that hang")
        return f"“{error}”; ended in {arena.end_node():.1f} s"


@scenario(SCENARIOS, "networks with outputs of another shape than the bundle says", "refused at start, in a sentence")
def outputs_of_another_shape(folder: Path) -> str:
    with Arena(folder) as arena:
        description = save_toy_bundle(folder / "toy").folder / CONFIG_NAME
        changed = description.read_text().replace("stride: 2", "stride: 4", 1)
        description.write_text(changed)
        arena.nodes.start(DETECTOR, {"model_dir": str(description.parent), **TOY})
        code, log = arena.wait_for_code(), arena.log_of()
        last = log.strip().splitlines()[-1]
        assert code == 1 and "Traceback" not in log, f"code {code}: {last}"
        return f"code 1: “…{last.partition('rpn.xml: ')[2]}”"
