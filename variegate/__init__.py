"""variegate measures, controls and maximises the diversity of instruction-tuning data.

>>> import variegate as vg
>>> import numpy as np
>>> pool = np.random.default_rng(0).normal(size=(200, 8))
>>> subset = vg.select(pool, 20, strategy="k_center", seed=1)
>>> [result.metric for result in vg.measure(pool[subset.indices], ["novelsum", "vendi_score"], reference=pool)]
['novelsum', 'vendi_score']
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from variegate._version import __version__

if TYPE_CHECKING:
    from variegate.corpus import Corpus
    from variegate.diagnosing import diagnose
    from variegate.errors import DataError, MissingExtraError, ParameterError, VariegateError
    from variegate.loading import load
    from variegate.metrics import METRICS, Measurement, MetricSpec, compare, measure, novelty, rarefaction
    from variegate.strategies import STRATEGIES, Selection, StrategySpec, select
    from variegate.using import use
    from variegate.views.cache import use_cache

_HOMES = {
    "METRICS": "metrics",
    "STRATEGIES": "strategies",
    "Corpus": "corpus",
    "DataError": "errors",
    "Measurement": "metrics",
    "MetricSpec": "metrics",
    "MissingExtraError": "errors",
    "ParameterError": "errors",
    "Selection": "strategies",
    "StrategySpec": "strategies",
    "VariegateError": "errors",
    "compare": "metrics",
    "diagnose": "diagnosing",
    "load": "loading",
    "measure": "metrics",
    "novelty": "metrics",
    "rarefaction": "metrics",
    "select": "strategies",
    "use": "using",
    "use_cache": "views.cache",
}

__all__ = [
    "METRICS",
    "STRATEGIES",
    "Corpus",
    "DataError",
    "Measurement",
    "MetricSpec",
    "MissingExtraError",
    "ParameterError",
    "Selection",
    "StrategySpec",
    "VariegateError",
    "__version__",
    "compare",
    "diagnose",
    "load",
    "measure",
    "novelty",
    "rarefaction",
    "select",
    "use",
    "use_cache",
]


def __getattr__(name: str) -> Any:
    # Names are looked up on first use, so that importing the package stays fast.
    if name not in _HOMES:
        raise AttributeError(f"module 'variegate' has no attribute {name!r}")
    value = getattr(import_module(f"variegate.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
