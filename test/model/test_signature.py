# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Signed bundles: taken from the owner of the key alone, and refused in a sentence otherwise."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from pointpillars_ov_ros.cli import main as cli
from pointpillars_ov_ros.config.errors import BundleError
from pointpillars_ov_ros.model.bundle import CONFIG_NAME, load_bundle
from pointpillars_ov_ros.model.signature import SUFFIX, write_signature
from test.model.test_bundle import make_bundle
from test.signing import Keys, make_keys

pytest.importorskip("cryptography", reason="signatures need it: make env EXTRAS=sign")

from cryptography.hazmat.primitives.asymmetric import ec


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return make_keys(tmp_path / "keys")


@pytest.fixture
def signed(tmp_path: Path, keys: Keys) -> Path:
    folder = make_bundle(tmp_path / "bundle").folder
    write_signature(folder / CONFIG_NAME, keys.private)
    return folder


def refusal(folder: Path, key: Path) -> str:
    with pytest.raises(BundleError) as raised:
        load_bundle(folder, key)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_a_signed_bundle_is_taken(signed: Path, keys: Keys) -> None:
    assert load_bundle(signed, keys.public) == load_bundle(signed)


def test_the_command_signs_what_the_detector_takes(
    tmp_path: Path, keys: Keys, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_bundle(tmp_path / "bundle").folder
    assert cli.main(["sign", str(folder), "--key", str(keys.private)]) == 0
    assert capsys.readouterr().out == f"signature  {folder / CONFIG_NAME}{SUFFIX}\n"
    load_bundle(folder, keys.public)


def test_an_altered_bundle_is_not_signed(tmp_path: Path, keys: Keys, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_bundle(tmp_path / "bundle").folder
    (folder / "rpn.bin").write_text("altered")
    assert cli.main(["sign", str(folder), "--key", str(keys.private)]) == 1
    assert "is not the file" in capsys.readouterr().err
    assert not (folder / f"{CONFIG_NAME}{SUFFIX}").exists()


def test_what_openssl_signs_is_taken(tmp_path: Path, keys: Keys) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    path = make_bundle(tmp_path / "bundle").folder / CONFIG_NAME
    command = ["openssl", "pkeyutl", "-sign", "-rawin", "-inkey", keys.private, "-in", path, "-out", f"{path}{SUFFIX}"]
    subprocess.run(command, check=True, capture_output=True)
    load_bundle(path.parent, keys.public)


def test_without_a_signature_it_is_refused(tmp_path: Path, keys: Keys) -> None:
    folder = make_bundle(tmp_path / "bundle").folder
    expected = f"{folder} is not signed, as the key {keys.public} requires: bundle.yaml.sig is missing"
    assert refusal(folder, keys.public) == expected


def test_the_signature_of_another_is_refused(tmp_path: Path, signed: Path) -> None:
    other = make_keys(tmp_path / "other")
    expected = f"{signed / CONFIG_NAME}{SUFFIX} is not the signature of bundle.yaml by the owner of {other.public}"
    assert refusal(signed, other.public) == expected


@pytest.mark.parametrize("content", [b"", b"x", bytes(64), bytes(65)], ids=["empty", "short", "zeros", "long"])
def test_what_is_no_signature_is_refused(signed: Path, keys: Keys, content: bytes) -> None:
    (signed / f"{CONFIG_NAME}{SUFFIX}").write_bytes(content)
    assert "is not the signature" in refusal(signed, keys.public)


def test_one_byte_of_the_description_changes_it_all(signed: Path, keys: Keys) -> None:
    path = signed / CONFIG_NAME
    path.write_text(path.read_text() + " ")
    load_bundle(signed)
    assert "is not the signature" in refusal(signed, keys.public)


def test_what_the_hashes_hold_is_signed_with_them(signed: Path, keys: Keys) -> None:
    (signed / "pfe.xml").write_text("altered")
    assert "is not the file" in refusal(signed, keys.public)


@pytest.mark.parametrize("content", [b"", b"no key", b"\0" * 100])
def test_a_file_that_is_no_key_is_refused(signed: Path, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key.pem").write_bytes(content)
    assert "is not an Ed25519 public key" in refusal(signed, tmp_path / "key.pem")


def test_keys_of_other_kinds_are_refused(signed: Path, keys: Keys, tmp_path: Path) -> None:
    elliptic = make_keys(tmp_path / "elliptic", ec.generate_private_key(ec.SECP256R1()))
    assert "is not an Ed25519 public key" in refusal(signed, elliptic.public)
    assert "is not an Ed25519 public key" in refusal(signed, keys.private)
    assert "cannot be read" in refusal(signed, tmp_path / "absent.pem")


def test_a_key_with_a_passphrase_is_named(signed: Path, tmp_path: Path) -> None:
    locked = make_keys(tmp_path / "locked", passphrase=b"secret")
    with pytest.raises(BundleError, match="without a passphrase"):
        write_signature(signed / CONFIG_NAME, locked.private)


def test_writing_a_bundle_again_takes_its_signature_away(signed: Path, keys: Keys) -> None:
    make_bundle(signed, provenance="another")
    assert "is not signed" in refusal(signed, keys.public)
