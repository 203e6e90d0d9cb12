"""Pictures of a study: strategies against the baseline, metrics against performance, curves of levels."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.report.pictures import new_figure

__all__ = ["Curve", "Interval", "Scatter", "curves_svg", "intervals_svg", "scatters_svg"]

Floats = NDArray[np.float64]
ACROSS = 4
# Text in a picture that is narrower than the page is read at this size.
SMALL = 7


@dataclass(frozen=True)
class Interval:
    """One arm against the baseline.

    Attributes:
        name: of the arm.
        value: difference in performance.
        low: of the interval; None where there is none.
        high: likewise.
    """

    name: str
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Scatter:
    """A metric against performance.

    Attributes:
        title: the metric's name.
        note: its correlation, in words.
        x: (n,) values of the metric.
        y: (n,) performance.
        links: (n,) where a point leads, such as a run's folder.
        turned: whether the axis runs from large to small, for a metric of which less is more diverse.
    """

    title: str
    note: str
    x: Floats
    y: Floats
    links: Sequence[str]
    turned: bool = False


@dataclass(frozen=True)
class Curve:
    """Performance along a ladder of levels.

    Attributes:
        title: the strategy and side.
        levels: (n,) in percent.
        values: (n,) performance.
        links: (n,) where a point leads.
        at: (m,) levels of the band.
        band: (m, 3): one standard deviation below, the line, one above.
    """

    title: str
    levels: Floats
    values: Floats
    links: Sequence[str]
    at: Floats
    band: Floats


def intervals_svg(arms: Sequence[Interval], title: str) -> str:
    """Draw each arm's difference from the baseline, with its interval, the best on top."""
    figure = new_figure(8, 0.22 * len(arms) + 0.9)
    axis = figure.subplots()
    places = np.arange(len(arms))[::-1]
    axis.axvline(0, color="0.6", linewidth=0.8)
    for place, arm in zip(places, arms, strict=True):
        if arm.low is not None and arm.high is not None:
            axis.plot([arm.low, arm.high], [place, place], color="C0", linewidth=1.2)
    axis.scatter([arm.value for arm in arms], places, s=14, color="C0", zorder=3)
    axis.set_yticks(places, [arm.name for arm in arms], fontsize=SMALL)
    axis.set_ylim(-0.8, len(arms) - 0.2)
    axis.set_xlabel(title, fontsize=SMALL + 1)
    axis.tick_params(axis="x", labelsize=SMALL)
    return _svg(figure, title)


def scatters_svg(panels: Sequence[Scatter], label: str) -> str:
    """Draw metrics against performance, each with the least-squares line and its 95 % band; every point is a link."""
    figure, axes = _grid(len(panels))
    for axis, panel in zip(axes, panels, strict=True):
        _points(axis, panel.x, panel.y, panel.links)
        _fit(axis, panel.x, panel.y)
        if panel.turned:
            axis.invert_xaxis()
        axis.set_title(f"{panel.title}\n{panel.note}", fontsize=SMALL)
    figure.supylabel("performance", fontsize=SMALL + 1)
    return _svg(figure, label)


def curves_svg(panels: Sequence[Curve], label: str) -> str:
    """Draw performance along each ladder, with the line and its one-sigma band."""
    figure, axes = _grid(len(panels), shared=True)
    for axis, panel in zip(axes, panels, strict=True):
        axis.fill_between(panel.at, panel.band[:, 0], panel.band[:, 2], color="C0", alpha=0.2, linewidth=0)
        axis.plot(panel.at, panel.band[:, 1], color="C0", linewidth=1)
        _points(axis, panel.levels, panel.values, panel.links)
        axis.set_title(panel.title, fontsize=SMALL)
    figure.supylabel("performance", fontsize=SMALL + 1)
    figure.supxlabel("diversity, %", fontsize=SMALL + 1)
    return _svg(figure, label)


def _grid(count: int, shared: bool = False) -> tuple[Any, list[Any]]:
    down = -(-count // ACROSS)
    figure = new_figure(10, 2.1 * down + 0.3)
    axes = figure.subplots(down, ACROSS, squeeze=False, sharey=True, sharex=shared).ravel().tolist()
    for axis in axes[count:]:
        axis.set_axis_off()
    for axis in axes[:count]:
        axis.tick_params(labelsize=SMALL - 1)
    return figure, axes[:count]


def _points(axis: Any, x: Floats, y: Floats, links: Sequence[str]) -> None:
    axis.scatter(x, y, s=9, color="C1", alpha=0.8, linewidths=0).set_urls(list(links))


def _fit(axis: Any, x: Floats, y: Floats) -> None:
    """Draw the line of least squares and the 95 % band of its height; none where the metric is the same for all."""
    n, spread = len(x), float(((x - x.mean()) ** 2).sum())
    if n < 3 or spread == 0:
        return
    from scipy.stats import t

    slope = float(((x - x.mean()) * (y - y.mean())).sum()) / spread
    left = y - y.mean() - slope * (x - x.mean())
    at = np.linspace(x.min(), x.max(), 40)
    middle = y.mean() + slope * (at - x.mean())
    sd = np.sqrt((left @ left) / (n - 2) * (1 / n + (at - x.mean()) ** 2 / spread))
    half = float(t.ppf(0.975, n - 2)) * sd
    axis.fill_between(at, middle - half, middle + half, color="C0", alpha=0.2, linewidth=0)
    axis.plot(at, middle, color="C0", linewidth=1)


def _svg(figure: Any, label: str) -> str:
    """Return a figure as an SVG element that a page can hold: with text as text, and the same each time."""
    from html import escape

    import matplotlib
    from matplotlib.text import Text

    for one in figure.findobj(Text):
        # A name with dollars in it is no formula.
        one.set_parse_math(False)
    stream = io.StringIO()
    settings = {"svg.fonttype": "none", "svg.hashsalt": label, "font.family": "sans-serif", "text.parse_math": False}
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        # The reader's fonts draw the text, so what ours lack is of no matter.
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = re.sub(r"\s*<metadata>.*?</metadata>", "", stream.getvalue(), flags=re.DOTALL)
    return text[text.index("<svg ") :].replace("<svg ", f'<svg role="img" aria-label="{escape(label)}" ', 1)
