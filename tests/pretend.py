"""Training and evaluation that only pretend: what a study does around them is the same, in milliseconds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from variegate.storage import whole_folder
from variegate.study import stages
from variegate.study.evaluation.settings import HeldOutLoss
from variegate.study.training import settings as training_settings

WEIGHTS = "weights.json"


def number(*parts: Any) -> float:
    """Return a number in [0, 1) that depends on everything given."""
    return int(hashlib.sha256(repr(parts).encode()).hexdigest()[:8], 16) / 2**32


def fine_tune(rows: Path, folder: Path, settings: Any, *, seed: int) -> dict[str, Any]:
    """Make a model that is a hash of what it is made of."""
    import pyarrow.parquet as pq

    about = [hashlib.sha256(json.dumps(pq.read_table(rows).to_pylist()).encode()).hexdigest(), repr(settings.budget), seed]
    with whole_folder(folder / "model") as target:
        (target / WEIGHTS).write_text(json.dumps(about), encoding="utf-8")
        (target / "config.json").write_text("{}", encoding="utf-8")
    tokens = pq.read_metadata(rows).num_rows * 100
    return {
        "tokens_seen": tokens, "response_tokens_seen": tokens // 2, "steps": 2, "epochs": 1.0, "seconds": 2.0,
        "seconds_in_all": 3.0, "loss": [2.0, 1.0], "device": "cpu", "dtype": "float32",
    }  # fmt: skip


def loss(self: HeldOutLoss, model: Path, run: str, folder: Path) -> dict[str, Any]:
    """Evaluate such a model."""
    about = json.loads((model / WEIGHTS).read_text(encoding="utf-8"))
    values = {self.name: number(self.id, about), f"{self.name}/macro": number(about, self.id)}
    return {"values": values, "higher_is_better": dict.fromkeys(values, False)}


def only_pretend(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have studies train and evaluate nothing."""
    monkeypatch.setattr(training_settings, "need_trl", lambda: None)
    monkeypatch.setattr(stages, "fine_tune", fine_tune)
    monkeypatch.setattr(HeldOutLoss, "run", loss)


def failing(
    monkeypatch: pytest.MonkeyPatch, error: Exception, when: Callable[[int, Path], object] = lambda seed, folder: True
) -> list[str]:
    """Have some trainings fail, and return a list of those that were tried."""
    tried: list[str] = []

    def tried_first(rows: Path, folder: Path, settings: Any, *, seed: int) -> dict[str, Any]:
        tried.append(folder.name)
        if when(seed, folder):
            raise error
        return fine_tune(rows, folder, settings, seed=seed)

    monkeypatch.setattr(stages, "fine_tune", tried_first)
    return tried
