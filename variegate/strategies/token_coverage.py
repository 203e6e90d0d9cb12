"""Token coverage: micro diversity as an objective."""

from __future__ import annotations

from variegate.strategies.levels import BAND_HIGH, BAND_LOW
from variegate.strategies.objectives.tokens import Floats, token_cover
from variegate.strategies.objectives.weighted import covered
from variegate.strategies.room import Room
from variegate.strategies.spec import Picks
from variegate.views.tokens import Tokens

__all__ = ["token_coverage"]


def token_coverage(
    tokens: Tokens,
    size: int,
    *,
    seed: int,
    concave: str = "log",
    low: int = BAND_LOW,
    high: int | None = BAND_HIGH,
    quality: Floats | None = None,
    alpha: float = 0.5,
    per_token: bool | None = None,
    room: Room | None = None,
) -> Picks:
    """Choose rows that hold many token types, and each of them often enough: exact greedy, lazily.

    The objective, sum over token types of g(occurrences among the picks), is monotone and submodular, so greedy comes to at least
    63 % of the best possible. Long rows hold more types: see the lengths of what is chosen, or give a budget of tokens. With a
    quality each pick maximises (1 - alpha) * gain / (largest gain of a single row) + alpha * quality.

    Args:
        tokens: token ids of n rows.
        size: how many to choose.
        seed: not used: nothing is drawn.
        concave: g, "log" for log(1 + c) or "sqrt".
        low: fewest occurrences of a type in the pool for it to count.
        high: most occurrences; None for no bound.
        quality: (n,) in [0, 1]; None for coverage alone.
        alpha: weight of the quality, in [0, 1]; of no account without one.
        per_token: under a budget, whether picks go by gain per token; None for the better of both ways.
        room: what may be picked, in place of `size`.

    Returns:
        Picks; a pick's gain is what it adds to the objective.

    Raises:
        DataError: no token type is in the band.

    Reference: Li et al. 2025 for the types; Lin & Bilmes 2011 for concave coverage.
    """
    cover = token_cover(tokens, low, high, concave, "token_coverage")
    return covered([(1.0, cover)], len(tokens), size, quality, alpha, per_token, room, "token_coverage")
