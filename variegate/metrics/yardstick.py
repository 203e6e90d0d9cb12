"""What the values of one set mean: what random rows of a reference have, as many as the set has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from variegate.corpus import Corpus
from variegate.errors import DataError, bad_parameter
from variegate.loading import load_each
from variegate.metrics.measure import measure
from variegate.metrics.spec import Measurement

__all__ = ["DRAWS", "Yardstick", "yardstick"]

# Enough to see one value in twenty fall outside.
DRAWS = 20
FEWEST = 3


@dataclass(frozen=True)
class Yardstick:
    """One value of a data set beside those of random rows, as many, of a reference.

    Attributes:
        dataset: the data set's name.
        metric: the metric's name.
        side: instruction, response or both.
        value: of the data set, in the metric's unit.
        mean: of the random draws, in the same unit.
        interval: where one more random draw would fall 19 times of 20 (Student t).
        below: share of the draws with a smaller value, in [0, 1].
        rows: rows of a draw.
        draws: how many were drawn.
        of: name of the reference.
        higher_is_more_diverse: which way the metric points.
    """

    dataset: str
    metric: str
    side: str
    value: float
    mean: float
    interval: tuple[float, float]
    below: float
    rows: int
    draws: int
    of: str
    higher_is_more_diverse: bool = True

    @property
    def verdict(self) -> str:
        """`more` diverse than random rows, `less`, or `usual` where the value is inside the interval."""
        low, high = self.interval
        if low <= self.value <= high:
            return "usual"
        return "more" if (self.value > high) == self.higher_is_more_diverse else "less"

    def as_dict(self) -> dict[str, Any]:
        """Return what `measure --json` writes beside the value."""
        return {
            "of": self.of, "rows": self.rows, "draws": self.draws, "mean": self.mean, "interval": list(self.interval),
            "below": self.below, "verdict": self.verdict,
        }  # fmt: skip


def yardstick(results: Sequence[Measurement], reference: Any, *, rows: int, draws: int = DRAWS, **views: Any) -> list[Yardstick]:
    """Set each value of one data set beside those of random rows of its reference.

    Args:
        results: measurements of one data set, made with this reference.
        reference: the data set that is drawn from.
        rows: how many rows the data set has; so many are drawn.
        draws: how many times.
        views: side, embedder, params and the like, as they were given to :func:`measure`.

    Returns:
        One for each measurement whose metric the reference allows, in their order.

    Raises:
        ParameterError: fewer than three draws, which have no interval.
        DataError: the reference has no more rows than the data set.
    """
    if draws < FEWEST:
        raise bad_parameter("draws", "yardstick", f"an int of at least {FEWEST}", draws)
    against: Corpus
    (against,) = load_each(reference)
    if rows >= len(against):
        raise DataError(
            f"{against.name}: has {len(against):,} rows. A yardstick takes random draws of {rows:,} rows from it, which "
            "differ only where it has more. Give a larger --reference, or leave out --yardstick."
        )
    asked = list(dict.fromkeys(result.metric for result in results))
    drawn = measure(
        against, asked, reference=against, size_matched=rows, seeds=draws, on_failure=lambda what, error: None, **views
    )  # fmt: skip
    found = {(one.metric, one.side): one for one in drawn}
    return [_beside(one, found[one.metric, one.side]) for one in results if (one.metric, one.side) in found]


def _beside(result: Measurement, drawn: Measurement) -> Yardstick:
    from scipy.stats import t

    values = np.array(drawn.draws, np.float64)
    mean, count = float(values.mean()), len(values)
    # Of one more draw, not of the mean: a value inside it is what random rows have.
    half = float(t.ppf(0.975, count - 1) * values.std(ddof=1) * np.sqrt(1 + 1 / count))
    return Yardstick(
        result.dataset, result.metric, result.side, result.value, mean, (mean - half, mean + half),
        float((values < result.value).mean()), int(drawn.params["size_matched"]), count, drawn.dataset,
        higher_is_more_diverse=result.higher_is_more_diverse,
    )  # fmt: skip
