"""What is kept of a data set: each view is built once, and a part of the data set takes its share of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

__all__ = ["Kept"]

T = TypeVar("T")
Ints = NDArray[np.int64]
Take = Callable[[Any, Ints], Any]


@dataclass(frozen=True)
class _One:
    value: Any
    take: Take | None
    # Kept along, so that its id is not given to another.
    fitted_on: object


@dataclass(frozen=True)
class Kept:
    """Views of one data set, by keys that say how each was made."""

    _all: dict[tuple[Any, ...], _One] = field(default_factory=dict)

    def once(self, key: tuple[Any, ...], build: Callable[[], T], take: Take | None = None, fitted_on: object = None) -> T:
        """Return what is kept under a key, built when it is first asked for.

        Args:
            key: what tells it from everything else that is kept.
            build: makes it.
            take: from it and (k,) rows, to the share of a part of the data set; None where a part builds its own.
            fitted_on: the data set that it is fitted on; fitted on another, it is kept by itself.
        """
        # By identity, since names repeat.
        full = key if fitted_on is None else (*key, id(fitted_on))
        if full not in self._all:
            self._all[full] = _One(build(), take, fitted_on)
        return cast(T, self._all[full].value)

    def share(self, rows: Ints) -> Kept:
        """Return what a part of the data set has of it: what was fitted on some data set stays fitted on that one."""
        taken = {key: (one, one.take) for key, one in self._all.items()}
        return Kept({key: replace(one, value=take(one.value, rows)) for key, (one, take) in taken.items() if take is not None})

    def copy(self) -> Kept:
        """Return the same for the same rows in another form."""
        return Kept(dict(self._all))
