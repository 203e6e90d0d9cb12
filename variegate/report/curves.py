"""Rarefaction curves as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from variegate.report.pictures import new_figure, picture_kind, save_figure

if TYPE_CHECKING:
    from variegate.metrics.spec import Measurement

__all__ = ["plot_curves"]

PANELS_A_ROW = 3


def plot_curves(results: Sequence[Measurement], path: Path, named: Path) -> None:
    """Draw one panel per metric and side: value against sample size, one line per data set, with the range of its draws.

    Args:
        results: as :func:`rarefaction` gives them.
        path: file to write.
        named: what the user calls it; its ending decides the kind.

    Raises:
        DataError: the ending is of no known kind of picture.
        MissingExtraError: matplotlib is not installed.
    """
    kind = picture_kind(named)
    panels = list(dict.fromkeys((result.metric, result.side) for result in results))
    names = list(dict.fromkeys(result.dataset for result in results))
    across = min(PANELS_A_ROW, len(panels))
    down = -(-len(panels) // across)
    figure = new_figure(4.2 * across, 3.2 * down + 0.4)
    axes = figure.subplots(down, across, squeeze=False).ravel()
    for axis, (metric, side) in zip(axes, panels, strict=False):
        for name in names:
            own = [one for one in results if (one.metric, one.side, one.dataset) == (metric, side, name)]
            own.sort(key=lambda one: one.params["size_matched"])
            sizes = [one.params["size_matched"] for one in own]
            # A dollar sign in a name would start mathematics.
            (line,) = axis.plot(sizes, [one.value for one in own], marker="o", markersize=3, label=name.replace("$", r"\$"))
            low, high = [min(one.draws) for one in own], [max(one.draws) for one in own]
            axis.fill_between(sizes, low, high, alpha=0.2, color=line.get_color(), linewidth=0)
        axis.set_xscale("log")
        axis.set_title(f"{metric}, {side}", fontsize=10)
        axis.set_xlabel("samples")
        axis.grid(alpha=0.3)
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", fontsize=8)
    save_figure(figure, path, kind)
