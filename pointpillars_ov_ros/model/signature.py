# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Signed bundles: an Ed25519 signature of the bytes of bundle.yaml, which hold the hash of every other file.

The signature is the 64 bytes that `openssl pkeyutl -sign -rawin` writes, so that keys can be kept elsewhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pointpillars_ov_ros.config.errors import BundleError
from pointpillars_ov_ros.config.regular_file import read_regular

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SUFFIX = ".sig"
_MOST_KEY_BYTES = 10_000


def write_signature(path: Path, private_key: Path) -> Path:
    """Sign the file at `path`; return the path of the signature beside it. BundleError if the key is invalid."""
    key: Ed25519PrivateKey = _read_key(private_key, "private")
    signature = path.with_name(path.name + SUFFIX)
    signature.write_bytes(key.sign(read_regular(path)))
    return signature


def check_signature(path: Path, content: bytes, public_key: Path) -> None:
    """Raise BundleError unless beside `path`, which holds `content`, is a signature of it by the owner of the key."""
    key: Ed25519PublicKey = _read_key(public_key, "public")
    from cryptography.exceptions import InvalidSignature

    signature = path.with_name(path.name + SUFFIX)
    if not signature.is_file():
        raise BundleError(f"{path.parent} is not signed, as the key {public_key} requires: {signature.name} is missing")
    try:
        key.verify(read_regular(signature, _MOST_KEY_BYTES), content)
    except OSError as error:
        raise BundleError(f"{signature}: cannot be read ({error.strerror})") from None
    except InvalidSignature:
        raise BundleError(f"{signature} is not the signature of {path.name} by the owner of {public_key}") from None


def _read_key(path: Path, kind: str) -> Any:  # Any: what the callers say
    """Read an Ed25519 key, 'private' or 'public', in PEM."""
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519
        from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
    except ModuleNotFoundError:
        raise BundleError(
            "signatures need the Python module cryptography: `pip install cryptography` (the extra [sign])"
        ) from None
    try:
        data = read_regular(path, _MOST_KEY_BYTES)
        key = load_pem_private_key(data, None) if kind == "private" else load_pem_public_key(data)
    except OSError as error:
        raise BundleError(f"{path}: the {kind} key cannot be read ({error.strerror})") from None
    # TypeError: the key has a passphrase.
    except (ValueError, TypeError):
        key = None
    wanted = ed25519.Ed25519PrivateKey if kind == "private" else ed25519.Ed25519PublicKey
    if not isinstance(key, wanted):
        raise BundleError(f"{path} is not an Ed25519 {kind} key in PEM without a passphrase")
    return key
