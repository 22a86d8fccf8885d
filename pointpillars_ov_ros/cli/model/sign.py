# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""`pointpillars_ov sign`: sign a bundle, so that detectors can verify its origin."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    parser.epilog = (
        "Create a key pair outside any repository with `openssl genpkey -algorithm ed25519 -out ~/private.pem` and "
        "`openssl pkey -in ~/private.pem -pubout -out ~/public.pem`. A detector with the parameter "
        "model_public_key:=~/public.pem accepts only bundles signed with ~/private.pem."
    )
    parser.add_argument("bundle", type=Path, help="model bundle; the signature is written beside its bundle.yaml")
    parser.add_argument("--key", type=Path, required=True, metavar="FILE", help="private Ed25519 key in PEM")


def run(options: argparse.Namespace) -> int:
    """Check the bundle, sign it, and print the path of the signature."""
    from pointpillars_ov_ros.model.bundle import CONFIG_NAME, load_bundle
    from pointpillars_ov_ros.model.signature import write_signature

    bundle = load_bundle(options.bundle)
    print(f"signature  {write_signature(bundle.path(CONFIG_NAME), options.key)}")
    return 0
