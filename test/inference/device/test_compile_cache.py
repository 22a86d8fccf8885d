# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""The folder of compiled networks: damaged, not writable, not there."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from pointpillars_ov_ros.config.errors import ConfigError
from pointpillars_ov_ros.config.runtime_config import EncoderChoice, RuntimeConfig
from pointpillars_ov_ros.inference.device.compile_cache import CompileCache, check_private
from pointpillars_ov_ros.inference.engine import Engine
from pointpillars_ov_ros.model.bundle import ModelBundle
from test.inference.toy_bundle import save_toy_bundle, toy_cloud


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> ModelBundle:
    return save_toy_bundle(tmp_path_factory.mktemp("toy"))


def make_engine(bundle: ModelBundle, cache_dir: object) -> Engine:
    return Engine(bundle, RuntimeConfig(encoder=EncoderChoice.OPENVINO, cache_dir=str(cache_dir)))


def scores(engine: Engine) -> np.ndarray:
    return engine.slots[0].examine(toy_cloud(0)).scores


def blobs(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.blob")}


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 0x40
    path.chmod(0o644)
    path.write_bytes(content)


def test_a_cache_that_is_whole_is_used_without_a_word(
    bundle: ModelBundle, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cold = make_engine(bundle, tmp_path / "deep" / "cache")
    warm = make_engine(bundle, tmp_path / "deep" / "cache")
    assert not cold.rpn.was_cached and warm.rpn.was_cached
    assert "cache_dir" not in caplog.text


def test_one_flipped_bit_in_any_file_is_noticed_and_the_answer_is_the_same(
    bundle: ModelBundle, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wanted = scores(make_engine(bundle, tmp_path))
    whole = blobs(tmp_path)
    for number, name in enumerate(whole):
        flip(tmp_path / name, len(whole[name]) * 3 // 4)
        np.testing.assert_array_equal(scores(make_engine(bundle, tmp_path)), wanted)
        assert f"{name} is damaged, so that network is compiled again" in caplog.text
        assert caplog.text.count("is damaged") == number + 1, "and not another time"
    caplog.clear()
    assert make_engine(bundle, tmp_path).rpn.was_cached and "damaged" not in caplog.text


@pytest.mark.parametrize("left", [0.0, 0.5, 0.99])
def test_a_file_that_was_cut_off_before_it_was_signed_is_made_anew(
    bundle: ModelBundle, tmp_path: Path, left: float
) -> None:
    """As after kill -9 while it is written."""
    wanted = scores(make_engine(bundle, tmp_path))
    for name, content in blobs(tmp_path).items():
        (tmp_path / f"{name}.sha256").unlink()
        (tmp_path / name).chmod(0o644)
        (tmp_path / name).write_bytes(content[: int(left * len(content))])
    np.testing.assert_array_equal(scores(make_engine(bundle, tmp_path)), wanted)


def test_a_file_of_another_program_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "1.blob").write_bytes(b"of another program")
    CompileCache(str(tmp_path)).sign()
    assert [path.name for path in tmp_path.iterdir()] == ["1.blob"]


def test_a_folder_that_cannot_be_is_a_warning_and_the_networks_are_compiled(
    bundle: ModelBundle, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    engine = make_engine(bundle, tmp_path / "file" / "cache")
    assert dataclasses.replace(engine.runtime, cache_dir="") == engine.runtime, "nobody else tries it again"
    assert len(engine.slots[0].detect(toy_cloud(0), engine.settings))
    assert caplog.text.count("cannot be used, so the networks are compiled at every start") == 1


def test_a_folder_that_takes_nothing_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Read-only, or on a disk that is full: OpenVINO says nothing of either."""
    cache = CompileCache(str(tmp_path))
    cache.sign()
    assert not caplog.text
    cache.sign("RPN")
    assert "does not store the RPN, which is therefore compiled at every start" in caplog.text


def test_a_cache_that_others_can_write_is_refused_where_bundles_are_signed(tmp_path: Path) -> None:
    """Whoever may replace a compiled network, or its folder, needs no key."""
    own = tmp_path / "a" / "b"
    check_private(RuntimeConfig(cache_dir=str(own)))
    own.mkdir(parents=True)
    check_private(RuntimeConfig(cache_dir=str(own)))
    check_private(RuntimeConfig())
    (tmp_path / "link").symlink_to("a")
    for place in (own, own.parent):
        before = place.stat().st_mode
        place.chmod(0o777)
        for folder in (own, tmp_path / "link" / "b"):
            with pytest.raises(ConfigError, match="is writable by other users"):
                check_private(RuntimeConfig(cache_dir=str(folder)))
        place.chmod(before)
    with pytest.raises(ConfigError, match="set the cache by cache_dir instead"):
        check_private(RuntimeConfig(device_properties=f"cache_dir={own}"))
