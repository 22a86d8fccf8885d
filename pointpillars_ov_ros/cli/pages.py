# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""HTML pages that need nothing else, no server and no network, made of the templates beside this file."""

from __future__ import annotations

from typing import Any


def render(template: str, **values: Any) -> str:
    """Fill the template `templates/<template>.html`; every text is escaped unless it is Markup."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("pointpillars_ov_ros.cli", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(f"{template}.html").render(values) + "\n"
