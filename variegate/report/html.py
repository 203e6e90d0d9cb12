"""Pages: templates that escape what they are given."""

from __future__ import annotations

from typing import Any

__all__ = ["markup", "render"]


def render(template: str, **values: Any) -> str:
    """Fill in a template of the package; every text is escaped, unless :func:`markup` made it."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("variegate.report"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    return environment.get_template(template).render(**values)


def markup(text: str) -> Any:
    """Return HTML of our own making, which a template takes as it is."""
    from markupsafe import Markup

    return Markup(text)
