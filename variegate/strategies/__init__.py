"""Strategies: STRATEGIES is the table, :func:`select` joins it with a corpus."""

from __future__ import annotations

from variegate.strategies.limits import tokens_by_side
from variegate.strategies.select import refuse_parameters, select
from variegate.strategies.spec import Selection, StrategySpec
from variegate.strategies.table import STRATEGIES

__all__ = ["STRATEGIES", "Selection", "StrategySpec", "refuse_parameters", "select", "tokens_by_side"]
