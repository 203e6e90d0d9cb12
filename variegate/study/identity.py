"""Names of what a study makes: a hash of all that it depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

__all__ = ["identity"]

DIGITS = 16


def identity(settings: Mapping[str, Any]) -> str:
    """Return 16 hex digits that stand for settings, whatever the order of their keys.

    >>> identity({"a": 1, "b": 2.0}) == identity({"b": 2.0, "a": 1})
    True
    """
    return hashlib.sha256(json.dumps(settings, sort_keys=True, allow_nan=False).encode()).hexdigest()[:DIGITS]
