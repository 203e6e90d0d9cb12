"""What every test shares: the folders of outside data, and a cache of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from variegate.views import cache

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
SAMPLE = ROOT / "examples" / "sample.jsonl"


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test an empty cache and no setting left over from another."""
    monkeypatch.setenv(cache.CACHE_VARIABLE, str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setattr(cache, "_chosen", None)


@pytest.fixture(scope="session")
def oracle() -> dict[str, Any]:
    """Values for the vectors of the oracle folder, computed elsewhere."""
    folder = SHARED / "oracles" / "vectors"
    if not folder.is_dir():
        pytest.skip("the oracles are not beside this checkout")
    expected = json.loads((folder / "expected.json").read_text())
    return {"subset": np.load(folder / "subset.npy"), "reference": np.load(folder / "reference.npy"), **expected}
