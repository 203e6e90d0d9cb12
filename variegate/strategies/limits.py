"""What limits a selection besides its size: tokens, lengths, and what is owned already."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from variegate.corpus import Corpus
from variegate.data.record import SIDES, Side
from variegate.errors import DataError, ParameterError, bad_parameter
from variegate.strategies.lengths import largest_gap, matched_lengths, range_of
from variegate.strategies.room import Room

__all__ = ["Limits", "tokens_by_side"]

Ints = NDArray[np.int64]

# What `match_length` takes in place of a data set.
POOL = "pool"
# A strategy's own limit leaves at least so many times what is to be chosen: without a choice there is no diversity.
CHOICE = 2


@dataclass(frozen=True)
class Limits:
    """What limits a selection.

    Attributes:
        size: rows to choose; None where tokens are counted instead.
        budget_tokens: tokens to spend; None where rows are counted.
        budget_side: of which texts the tokens count.
        length_range: "LOW:HIGH" in tokens of the response, both included; rows outside are left out of the pool.
        response_share: least share of a row's tokens that the response has, in [0, 1]; other rows are left out of the pool.
        match_length: the data set whose response lengths the subset is to follow, or the pool itself.
        extend: rows that are owned already; rows of the pool with the same text are left out.
        tokenizer: that counts.
    """

    size: int | None
    budget_tokens: int | None
    budget_side: Side
    length_range: str | None
    response_share: float | None
    match_length: Corpus | None
    extend: Corpus | None
    tokenizer: str

    @property
    def plain(self) -> bool:
        """Whether there is nothing but a number of rows."""
        return self.budget_tokens is None and self.match_length is None and self.extend is None

    def check(self, corpus: Corpus) -> None:
        """Refuse what cannot be, before any work is done.

        Raises:
            ParameterError: neither a size nor a budget, both, or values that are not possible.
        """
        if (self.size is None) == (self.budget_tokens is None):
            raise ParameterError("A selection takes either a size (rows) or a budget of tokens. Pass --size or --budget-tokens.")
        rows, budget = self.size, self.budget_tokens
        if rows is not None and not (_is_count(rows) and rows <= len(corpus)):
            raise bad_parameter("size", "select", f"an int in [1, {len(corpus)}], the rows of {corpus.name}", rows)
        if budget is not None and not _is_count(budget):
            raise bad_parameter("budget_tokens", "select", "an int of at least 1", budget)
        if self.budget_side not in SIDES:
            raise bad_parameter("budget_side", "select", f"one of {', '.join(SIDES)}", self.budget_side)
        if budget is not None and self.match_length is not None:
            raise ParameterError(
                "Lengths that are matched fix the tokens of a row, so a number of rows says how many there are. Pass --size with "
                "--match-length, not --budget-tokens."
            )
        if self.length_range is not None:
            range_of(self.length_range)
        share = self.response_share
        if share is not None and not (_is_number(share) and 0 <= share <= 1):
            raise bad_parameter("response_share", "select", "a number in [0, 1]", share)
        if share is not None and "response" not in corpus.sides:
            raise DataError(
                f"{corpus.name}: has no responses, so none has a share of its row's tokens. Leave out --response-share."
            )

    def kept(self, corpus: Corpus) -> Ints:
        """Return the rows of the pool that may be chosen at all.

        Raises:
            DataError: fewer are left than asked for.
        """
        rows = np.arange(len(corpus))
        if self.length_range is not None:
            low, high = range_of(self.length_range)
            lengths = corpus.tokens("response", self.tokenizer).lengths
            rows = rows[(lengths >= low) & (lengths <= (lengths.max(initial=0) if high is None else high))]
            if len(rows) < (self.size or 1):
                raise DataError(
                    f"{corpus.name}: {len(rows)} of {len(corpus)} rows have responses of {self.length_range} tokens, fewer than "
                    f"the {self.size or 1} asked for."
                )
        if self.response_share is not None:
            share = _response_share(corpus, self.tokenizer)[rows]
            if (enough := int((share >= self.response_share).sum())) < (self.size or 1):
                raise DataError(
                    f"{corpus.name}: {enough} of {len(rows)} rows have a response of at least {self.response_share:g} of their "
                    f"tokens, fewer than the {self.size or 1} asked for. Pass a smaller --response-share."
                )
            rows = rows[share >= self.response_share]
        if self.extend is not None:
            owned = set(_contents(self.extend))
            kept = np.array([content not in owned for content in _contents(corpus)], bool)
            if kept[rows].sum() < (self.size or 1):
                raise DataError(
                    f"{corpus.name}: {kept[rows].sum()} rows are not in {self.extend.name} already, fewer than the "
                    f"{self.size or 1} asked for."
                )
            rows = rows[kept[rows]]
        return rows

    def with_share(self, corpus: Corpus, share: float) -> tuple[Limits, list[str]]:
        """Return these limits with a strategy's own `response_share`, and what a user should be told of it.

        It gives way where it would leave less than twice the rows or tokens that are to be chosen: to the largest share that
        leaves that much. It is no limit where rows have no responses, or where lengths are matched, which settle the share.
        """
        if "response" not in corpus.sides or self.match_length is not None:
            return self, []
        rows = self.kept(corpus)
        shares = _response_share(corpus, self.tokenizer)[rows]
        costs = np.ones(len(rows), np.int64)
        wanted = CHOICE * int(self.size or 0)
        if self.budget_tokens is not None:
            costs, wanted = corpus.tokens(self.budget_side, self.tokenizer).lengths[rows], CHOICE * int(self.budget_tokens)
        order = np.argsort(-shares, kind="stable")
        at = int(np.searchsorted(np.cumsum(costs[order]), wanted))
        found = min(share, float(shares[order[at]])) if at < len(order) else 0.0
        few = f"too few rows have a response of {share:.0%} of their tokens to choose from, so"
        if not found:
            return replace(self, response_share=0.0), [f"{few} the choice was among all {len(rows):,}"]
        left = f"{int((shares >= found).sum()):,} of {len(rows):,} rows, whose response has at least {found:.0%} of their tokens"
        begun = f"{few} the choice was among" if found < share else "the choice was among"
        return replace(self, response_share=found), [f"{begun} {left}. --response-share 0 chooses among all rows."]

    def room(self, corpus: Corpus) -> tuple[Room, dict[str, Any]]:
        """Return what may be picked of a pool, and what to record of it.

        Args:
            corpus: the rows that are kept; those that are owned follow after them.

        Raises:
            DataError: the budget or the lengths cannot be had; the message says what can.
        """
        about: dict[str, Any] = {}
        if self.length_range is not None:
            about |= {"length_range": self.length_range, "rows_in_range": len(corpus)}
        if self.response_share is not None:
            about |= {"response_share": float(self.response_share), "rows_with_share": len(corpus)}
        if self.extend is not None:
            about |= {"extend": self.extend.name, "extended_rows": len(self.extend)}
        n, owned = len(corpus), 0 if self.extend is None else len(self.extend)
        owned_rows = np.arange(n, n + owned)
        size = None if self.size is None else int(self.size)
        if self.budget_tokens is not None:
            costs = corpus.tokens(self.budget_side, self.tokenizer).lengths
            total, least = int(costs.sum()), int(costs.min())
            if not least <= self.budget_tokens <= total:
                raise DataError(
                    f"{corpus.name}: a budget of {self.budget_tokens:,} tokens cannot be spent: its rows have {least:,} tokens "
                    f"at least and {total:,} in all ({self.budget_side} side, tokenizer {self.tokenizer})."
                )
            padded = np.concatenate([costs, np.zeros(owned, np.int64)])
            room = Room(n + owned, size, costs=padded, budget=int(self.budget_tokens), owned=owned_rows)
            counted = {"budget_tokens": int(self.budget_tokens), "budget_side": self.budget_side}
            return room, {**about, **counted, "tokenizer": self.tokenizer}
        if self.match_length is not None and size is not None:
            target = self.match_length.tokens("response", self.tokenizer).lengths
            matched = matched_lengths(corpus.tokens("response", self.tokenizer).lengths, target, size, corpus.name)
            kinds = np.concatenate([matched.kinds, np.zeros(owned, np.int64)])
            room = Room(n + owned, size, kinds=kinds, quotas=matched.quotas, owned=owned_rows)
            return room, {**about, "match_length": self.match_length.name, "tokenizer": self.tokenizer}
        return Room(n + owned, size, owned=owned_rows), about

    def outcome(self, part: Corpus) -> dict[str, Any]:
        """Return how far what was chosen keeps to the limits, for the record."""
        found: dict[str, Any] = {}
        if self.budget_tokens is not None:
            found["tokens_spent"] = int(part.tokens(self.budget_side, self.tokenizer).lengths.sum())
        if self.match_length is not None:
            lengths = [one.tokens("response", self.tokenizer).lengths for one in (part, self.match_length)]
            found["length_gap"] = largest_gap(*lengths)
        return found


def _is_count(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and bool(value >= 1)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def _response_share(corpus: Corpus, tokenizer: str) -> NDArray[np.float64]:
    """Return what share of each row's tokens its response has; 0 for a row without tokens."""
    response, both = (corpus.tokens(side, tokenizer).lengths for side in ("response", "both"))
    return response / np.maximum(both, 1)


def tokens_by_side(corpus: Corpus, tokenizer: str) -> dict[str, int]:
    """Return how many tokens each side of a corpus has; nothing for vectors."""
    return {side: len(corpus.tokens(side, tokenizer).ids) for side in corpus.sides}


def _contents(corpus: Corpus) -> Iterator[bytes]:
    """Yield a hash of what makes two rows the same: all their turns, or their vector."""
    if corpus.given_vectors is not None:
        for row in corpus.given_vectors:
            yield hashlib.blake2b(np.asarray(row, np.float64).tobytes(), digest_size=16).digest()
        return
    for chunk in corpus.texts("both").chunks:
        for text in chunk.to_pylist():
            yield hashlib.blake2b(text.encode(), digest_size=16).digest()
