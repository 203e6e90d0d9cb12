"""What a metric is: a row of the table, and the result that it gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Measurement", "MetricSpec", "View"]

View = Literal["vectors", "tokens", "topics"]


@dataclass(frozen=True)
class MetricSpec:
    """One metric.

    Attributes:
        name: what `--metrics` takes.
        function: from one view to a float; a parameter `reference` gets the same view of the reference data.
        view: what the function needs.
        measures: one line for people.
        range: the values that it can take.
        unit: of the value.
        cost: in n samples of d dimensions (or t tokens).
        source: where it is defined.
        higher_is_more_diverse: which way it points.
    """

    name: str
    function: Callable[..., float]
    view: View
    measures: str
    range: str
    unit: str
    cost: str
    source: str
    higher_is_more_diverse: bool = True


@dataclass(frozen=True)
class Measurement:
    """One value with all that is needed to read it.

    Attributes:
        dataset: the data set's name.
        metric: the metric's name.
        side: instruction, response or both.
        value: the metric, or its mean over seeds.
        n: number of samples that it was computed on.
        params: the metric's parameters, the view's settings, the reference.
        version: of variegate.
        interval: 95 % interval of the mean over seeds (Student t); None without seeds.
        seeds: number of seeds; None without.
        higher_is_more_diverse: which way the metric points.
    """

    dataset: str
    metric: str
    side: str
    value: float
    n: int
    params: dict[str, Any]
    version: str
    interval: tuple[float, float] | None = None
    seeds: int | None = None
    higher_is_more_diverse: bool = field(default=True, compare=False)

    def as_dict(self) -> dict[str, Any]:
        """Return the object that `measure --json` writes."""
        plain: dict[str, Any] = {
            "dataset": self.dataset,
            "metric": self.metric,
            "side": self.side,
            "value": self.value,
            "n": self.n,
            "params": self.params,
            "version": self.version,
        }
        if self.interval is not None:
            plain["interval"] = list(self.interval)
            plain["seeds"] = self.seeds
        return plain
