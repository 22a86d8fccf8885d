# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Key pairs, made with the package `cryptography`, which is imported only where needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple


class Keys(NamedTuple):
    """Files of the two."""

    private: Path
    public: Path


def make_keys(folder: Path, key: Any = None, passphrase: bytes = b"") -> Keys:
    """Write a pair in PEM to `folder`: Ed25519, unless a private key of another kind is given."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ed25519

    folder.mkdir()
    private = key or ed25519.Ed25519PrivateKey.generate()
    hidden = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    keys = Keys(folder / "private.pem", folder / "public.pem")
    keys.private.write_bytes(private.private_bytes(pem, pkcs8, hidden))
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    keys.public.write_bytes(private.public_key().public_bytes(pem, spki))
    return keys
