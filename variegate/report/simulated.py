"""Simulated sets and how metrics order them, as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.report.pictures import new_figure, picture_kind, save_figure

__all__ = ["plot_simulation"]

# One panel: the set's name, the points of the pool, those of the set.
Panel = tuple[str, NDArray[np.float64], NDArray[np.float64]]


def plot_simulation(
    drawings: Mapping[str, Sequence[Panel]],
    metrics: Sequence[str],
    columns: Sequence[str],
    agreements: Sequence[Sequence[float | None]],
    path: Path,
    named: Path,
) -> None:
    """Draw the sets of each scenario, and a heat map of Spearman by metric and scenario.

    Args:
        drawings: the panels of each scenario, from the least to the most diverse.
        metrics: names, the rows of the map.
        columns: names of scenarios and of their mean.
        agreements: Spearman by metric and column; None where there is none.
        path: file to write.
        named: what the user calls it; its ending decides the kind.

    Raises:
        DataError: the ending is of no known kind of picture.
        MissingExtraError: matplotlib is not installed.
    """
    kind = picture_kind(named)
    across = max(map(len, drawings.values()))
    figure = new_figure(1.5 * across + 0.75 * len(columns) + 2.2, max(1.55 * len(drawings), 3.5) + 0.3)
    left, right = figure.subfigures(1, 2, width_ratios=(1.5 * across, 0.75 * len(columns) + 2.2))
    _draw_sets(left, drawings, across)
    _draw_map(right, metrics, columns, agreements)
    save_figure(figure, path, kind)


def _draw_sets(figure: Any, drawings: Mapping[str, Sequence[Panel]], across: int) -> None:
    axes = figure.subplots(len(drawings), across, squeeze=False)
    for row, (name, panels) in zip(axes, drawings.items(), strict=True):
        for axis in row:
            axis.set_axis_off()
        for axis, (label, pool, points) in zip(row, panels, strict=False):
            axis.set_axis_on()
            axis.scatter(*pool.T, s=0.4, color="0.8", linewidths=0, rasterized=True)
            # Copies lie on each other: what is drawn over is darker.
            axis.scatter(*points.T, s=7, color="C0", alpha=0.6, linewidths=0)
            axis.set(xlim=(-1.08, 1.08), ylim=(-1.08, 1.08), aspect="equal", xticks=[], yticks=[])
            axis.set_title(label, fontsize=7, pad=2)
        row[0].set_ylabel(name, fontsize=8)
    figure.suptitle("sets, from the least to the most diverse", fontsize=9)


def _draw_map(figure: Any, metrics: Sequence[str], columns: Sequence[str], agreements: Sequence[Sequence[float | None]]) -> None:
    axis = figure.subplots()
    values = np.array([[np.nan if one is None else one for one in row] for row in agreements], dtype=np.float64)
    image = axis.imshow(values, vmin=-1, vmax=1, cmap="RdBu", aspect="auto")
    axis.set_xticks(range(len(columns)), columns, rotation=40, ha="right", fontsize=8)
    axis.set_yticks(range(len(metrics)), metrics, fontsize=8)
    for row, some in enumerate(agreements):
        for column, value in enumerate(some):
            text = "-" if value is None else f"{value:.2f}"
            ink = "white" if abs(value or 0) > 0.6 else "black"
            axis.text(column, row, text, ha="center", va="center", fontsize=7, color=ink)
    figure.colorbar(image, ax=axis, shrink=0.6, label="Spearman with the known order")
