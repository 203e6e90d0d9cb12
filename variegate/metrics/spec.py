"""What a metric is: a row of the table, and the result that it gives."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Level", "Measurement", "MetricSpec"]

Level = Literal["macro", "meso", "micro"]
Change = Literal["same", "lower", "higher", "either"]


@dataclass(frozen=True)
class MetricSpec:
    """One metric.

    Attributes:
        name: what `--metrics` takes.
        function: from one view to a float; a parameter `reference` gets the same view of the reference data.
        view: what the function needs, a kind of `variegate.viewing.KINDS`.
        measures: one line for people.
        range: the values that it can take.
        unit: of the value.
        cost: in n samples of d dimensions, m of the reference, t tokens.
        source: where it is defined.
        higher_is_more_diverse: which way it points.
        level: whole texts (macro), tags (meso) or tokens (micro).
        main: the option that `NAME@VALUE` sets.
        over_pairs: builds, from the function's arguments, the statistic that a pass over pairs shared with other metrics
            gathers; for metrics that look at every pair of samples.
        own_reference: whether the data set stands in for a reference that is not given.
        preset: options that come with the name, as in `knn_distance@10`.
        doubled: what becomes of the value when every sample stands in the set twice.
        scaled: whether it stays when all vectors are multiplied by a number; None for metrics that look at no vectors.
        turned: whether it stays when all vectors are turned (rotated); None likewise.
        size: what becomes of the value as more samples of one source are added.
        ordered: whether the order of the samples matters.
    """

    name: str
    function: Callable[..., float]
    view: str
    measures: str
    range: str
    unit: str
    cost: str
    source: str
    higher_is_more_diverse: bool = True
    level: Level = "macro"
    main: str | None = None
    over_pairs: Callable[..., Any] | None = None
    own_reference: bool = False
    preset: Mapping[str, Any] = field(default_factory=dict)
    doubled: Change = "either"
    scaled: bool | None = None
    turned: bool | None = None
    size: Change = "either"
    ordered: bool = False

    @property
    def defaults(self) -> dict[str, Any]:
        """The function's options with their defaults."""
        parameters = inspect.signature(self.function).parameters.values()
        return {one.name: one.default for one in parameters if one.kind == one.KEYWORD_ONLY and one.name != "reference"}

    @property
    def takes_reference(self) -> bool:
        """Whether the function can use a reference."""
        return "reference" in inspect.signature(self.function).parameters


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
        draws: the value of each draw, in the order of seeds; one value without.
        warnings: why the value should be doubted, in sentences; mostly empty.
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
    draws: tuple[float, ...] = field(default=(), compare=False, repr=False)
    warnings: tuple[str, ...] = field(default=(), compare=False)

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
        if self.warnings:
            plain["warnings"] = list(self.warnings)
        return plain
