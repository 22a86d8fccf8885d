# Copyright 2026 The pointpillars_ov_ros authors
# SPDX-License-Identifier: Apache-2.0
"""Self-contained HTML pages, rendered from the templates beside this file."""

from __future__ import annotations

from typing import Any


def render(template: str, **values: Any) -> str:
    """Render the template `templates/<template>.html`; all text is escaped unless it is Markup."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("pointpillars_ov_ros.cli", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(f"{template}.html").render(values) + "\n"
