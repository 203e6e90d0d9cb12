"""What a strategy is: a row of the table, what its function returns, and the selection that users get."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Picks", "Selection", "StrategySpec"]


@dataclass(frozen=True)
class Picks:
    """What a strategy's function returns.

    Attributes:
        rows: (size,) distinct rows, in picking order.
        gains: the gain of each pick; None for picks that have none, such as the first.
        params: what the function chose or found by itself, for the record.
        notes: what a user should be told.
    """

    rows: NDArray[np.int64]
    gains: list[float | None]
    params: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class StrategySpec:
    """One strategy.

    Attributes:
        name: what `--strategy` takes.
        function: from (view, size, seed, options) to picks. A parameter `reference` gets the same view of the reference,
            `quality` a column of numbers in [0, 1], `room` what may be picked where that is more than a number of rows.
        view: what the function takes, a kind of `variegate.viewing.KINDS`; None where only the number of rows matters.
        does: one line for people.
        cost: for k picks among n rows of d dimensions.
        when: when to use it.
        source: where it is defined.
        extends: whether it can add to rows that are owned already.
        response_share: least share of a row's tokens that its response has, where the user names none; None for all rows.
    """

    name: str
    function: Callable[..., Picks]
    view: str | None
    does: str
    cost: str
    when: str
    source: str
    extends: bool = False
    response_share: float | None = None

    @property
    def levelled(self) -> bool:
        """Whether the strategy has a dial from 0 to 100 %."""
        return "level" in inspect.signature(self.function).parameters


@dataclass(frozen=True)
class Selection:
    """The rows that a strategy chose, with all that is needed to do it again.

    Attributes:
        indices: (size,) rows of the corpus, in picking order.
        gains: the gain of each pick; None for picks that have none.
        strategy: its name.
        params: the strategy's parameters, the view's settings, and what the strategy found.
        seed: of everything drawn at random.
        n: number of rows chosen.
        pool: files, number of rows and sha256 of what was chosen from.
        version: of variegate.
        notes: what a user should know about this selection.
    """

    indices: NDArray[np.int64]
    gains: list[float | None]
    strategy: str
    params: dict[str, Any]
    seed: int
    n: int
    pool: dict[str, Any]
    version: str
    notes: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values, rows numbered as in the corpus; what is written beside a subset is `export.record`'s."""
        return {
            "indices": self.indices.tolist(),
            "gains": self.gains,
            "strategy": self.strategy,
            "params": self.params,
            "seed": self.seed,
            "n": self.n,
            "pool": self.pool,
            "version": self.version,
            "notes": self.notes,
        }
