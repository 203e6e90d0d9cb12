"""Whether approximate neighbours are asked for, and what is said of searches for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from variegate.choices import Choice
from variegate.errors import ParameterError
from variegate.geometry.neighbours.graph import faiss_module
from variegate.progress import announce

__all__ = ["Asked", "Search", "asked_for", "collect", "collecting", "pays", "recorded", "tell", "use_neighbours"]

# Fewer queries, or points, than this are searched exactly, which is as quick.
FEWEST = 65_536
# A smaller share of the neighbours found is worth a warning.
ENOUGH = 0.9


@dataclass(frozen=True)
class Asked:
    """That approximate neighbours are asked for; `effort` is how many candidates a search keeps, None for the usual number."""

    effort: int | None = None

    def __str__(self) -> str:
        """Spell it as the option."""
        return "approximate" if self.effort is None else f"approximate:{self.effort}"


@dataclass(frozen=True)
class Search:
    """One search for neighbours.

    Attributes:
        purpose: what for.
        index: what was searched; None for an exact search, where an approximate one would not have paid.
        recall: share of the nearest neighbours that were found; None for an exact search.
        k: neighbours that the share is of.
        sampled: rows that it is measured on.
        misplaced: of these, rows that an exact search of the same representatives puts into another group; None but for groups.
    """

    purpose: str
    index: str | None = None
    recall: float | None = None
    k: int = 0
    sampled: int = 0
    misplaced: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return what records say of it."""
        if self.index is None:
            return {"for": self.purpose, "index": "exact"}
        found = {"for": self.purpose, "index": self.index, "recall": self.recall, "k": self.k, "sampled": self.sampled}
        return found if self.misplaced is None else {**found, "misplaced": self.misplaced}


_asked: Choice[Asked | None] = Choice(None)
# Searches that a person knows of.
_told: Choice[frozenset[Search]] = Choice(frozenset())
_collected: ContextVar[tuple[list[Search], ...]] = ContextVar("variegate_searches", default=())


def use_neighbours(how: str) -> None:
    """Choose how neighbours are found for densities and near-duplicates.

    Args:
        how: "exact", "approximate", or "approximate:EFFORT", where EFFORT is the number of candidates that a search keeps:
            with more it finds more of the neighbours, and takes longer. By default 32, above 100,000 rows growing as the square
            root of their number.

    Raises:
        ParameterError: it is none of these.
        MissingExtraError: faiss is not installed.
    """
    kind, colon, effort = how.partition(":")
    if how != "exact" and (kind != "approximate" or (colon and not (effort.isdecimal() and 0 < int(effort) < 1 << 20))):
        raise ParameterError(
            "The neighbours must be exact, approximate, or approximate:EFFORT with a whole number of candidates, such as "
            f"approximate:128. Got {how!r} instead."
        )
    if kind == "approximate":
        faiss_module()
    _asked.value = None if how == "exact" else Asked(int(effort) if colon else None)
    _told.value = frozenset()


def asked_for() -> Asked | None:
    """Return which approximate neighbours were asked for; None for exact ones."""
    return _asked.value


def pays(queries: int, points: int) -> bool:
    """Whether an approximate search is quicker than an exact one."""
    return min(queries, points) >= FEWEST


@contextmanager
def collecting() -> Iterator[list[Search]]:
    """Collect the searches of the block."""
    found: list[Search] = []
    token = _collected.set((*_collected.get(), found))
    try:
        yield found
    finally:
        _collected.reset(token)


def collect(search: Search) -> None:
    """Hand a search to those who collect."""
    for found in _collected.get():
        found.append(search)


def tell(search: Search) -> None:
    """Tell a person how a search went, once where several went the same way."""
    if search in _told.value:
        return
    _told.value |= {search}
    if search.index is None or search.recall is None:
        announce(f"note: {search.purpose}: exact neighbours, as quick as approximate ones below {FEWEST:,} rows")
        return
    misplaced = "" if search.misplaced is None else f"; {search.misplaced} of these rows would be in another group"
    announce(
        f"note: {search.purpose}: approximate neighbours ({search.index}), {search.recall:.1%} of the {search.k} nearest found, "
        f"by an exact search for {search.sampled} rows{misplaced}"
    )
    if search.recall < ENOUGH:
        announce(
            f"warning: {search.purpose}: only {search.recall:.1%} of the nearest neighbours were found. Find more with "
            f"--neighbours approximate:EFFORT (EFFORT is efSearch above; try four times as much), or all with --neighbours exact."
        )


def recorded(searches: Iterable[Search]) -> dict[str, Any]:
    """Return what a record says of searches: nothing where no approximate neighbours were asked for.

    Returns:
        `neighbours`, "approximate" or (none of the searches would have paid) "exact", `neighbour_searches`, each different one
        once, and `neighbour_recall`, the least of them.
    """
    different = list(dict.fromkeys(searches))
    if not different:
        return {}
    recalls = [search.recall for search in different if search.recall is not None]
    return {
        "neighbours": "approximate" if recalls else "exact",
        **({"neighbour_recall": min(recalls)} if recalls else {}),
        "neighbour_searches": [search.as_dict() for search in different],
    }
