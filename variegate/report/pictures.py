"""What all pictures share: the kinds of files, and a figure without global state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from variegate.errors import DataError, missing_extra

__all__ = ["new_figure", "picture_kind", "save_figure"]

KINDS = (".svg", ".png", ".pdf")


def picture_kind(named: Path) -> str:
    """Return the kind of picture that a name asks for.

    Raises:
        DataError: the ending is of no known kind.
    """
    kind = named.suffix.lower()
    if kind not in KINDS:
        raise DataError(f"{named}: the ending '{kind}' is no picture that can be drawn. Known: {', '.join(KINDS)}.")
    return kind


def new_figure(width: float, height: float) -> Any:
    """Return a figure, in inches, that lays itself out.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        # An object of its own, without the global state that pyplot keeps.
        from matplotlib.figure import Figure
    except ImportError:
        raise missing_extra("matplotlib", "plot", "--plot") from None
    return Figure(figsize=(width, height), layout="constrained")


def save_figure(figure: Any, path: Path, kind: str) -> None:
    """Write a figure, without a date in the file."""
    dated = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
    figure.savefig(path, format=kind[1:], dpi=150, metadata=dated.get(kind))
