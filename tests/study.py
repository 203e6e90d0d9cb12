"""A study so small that it is done in seconds: its file, and how it is run."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml

from tests.conftest import SAMPLE
from variegate.cli import main

SMALL: dict[str, Any] = {
    "name": "Small",
    "pool": {"data": str(SAMPLE), "half": "design"},
    "subsets": [
        {"strategy": "random", "size": 12, "seed": [0, 1, 2]},
        {"strategy": "k_center", "size": 12, "seed": [0, 1], "pool_sample": 100},
        {"strategy": "random", "size": 12, "copies": 4, "label": "four copies"},
    ],
    "measures": {
        "metrics": ["novelsum", "token_entropy", "self_bleu"], "sides": ["response"],
        "variants": [{"name": "novelsum alone", "metric": "novelsum", "reference": False}],
    },
    "train": {
        "model": "base", "budget": {"epochs": 1}, "learning_rate": 1e-2, "batch_size": 2, "max_length": 256, "device": "cpu",
    },
    "evaluate": [
        {"name": "heldout", "kind": "loss", "data": str(SAMPLE), "half": "test", "by": "domain", "most": 1, "max_length": 256,
         "device": "cpu"},
    ],
    "analysis": {"resamples": 100, "permutations": 100},
}  # fmt: skip
LOSS = SMALL["evaluate"][0]
RANDOM = {"strategy": "random", "size": 12}


def base(folder: Path) -> Path:
    """Train a language model of one layer on some of the sample's texts."""
    from tests.tiny import need_training

    need_training()
    from variegate.study.models.base import BaseModel, train_base

    texts = [json.loads(line)["messages"][-1]["content"] for line in SAMPLE.read_text(encoding="utf-8").splitlines()[:100]]
    settings = BaseModel(
        vocabulary=600, width=32, layers=1, heads=2, context=256, tokens=4096, batch_size=4, device="cpu", precision="float32"
    )  # fmt: skip
    train_base(texts, folder, settings)
    return folder


def small(**changes: Any) -> dict[str, Any]:
    """Return the small study with some of its sections changed; None takes a key out, a mapping is merged in."""
    found = copy.deepcopy(SMALL)
    for name, value in changes.items():
        _put(found, name, value)
    return found


def _put(into: dict[str, Any], name: str, value: Any) -> None:
    if value is None:
        into.pop(name, None)
    elif isinstance(value, dict) and isinstance(into.get(name), dict):
        for key, one in value.items():
            _put(into[name], key, one)
    else:
        into[name] = value


def write(path: Path, study: dict[str, Any] | str) -> Path:
    """Write a study's file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(study if isinstance(study, str) else yaml.safe_dump(study, sort_keys=False), encoding="utf-8")
    return path


def rows(path: Path, found: list[dict[str, Any]]) -> Path:
    """Write rows as JSON Lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in found), encoding="utf-8")
    return path


def sample() -> list[dict[str, Any]]:
    """Return the rows of the bundled sample."""
    return [json.loads(line) for line in SAMPLE.read_text(encoding="utf-8").splitlines()]


def run(*arguments: Any) -> int:
    """Run `variegate study`."""
    return main(["study", *map(str, arguments)])


def ids(folder: Path) -> dict[str, Any]:
    """Return what the plan of a study is called."""
    found: dict[str, Any] = json.loads((folder / "study.json").read_text(encoding="utf-8"))
    return found


def contents(folder: Path) -> dict[str, bytes]:
    """Return by name the tables of a study, and its runs: what must be the same whatever came between."""
    files = [folder / "runs.parquet", *sorted((folder / "tables").rglob("*"))]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files if path.is_file()}


def stamps(folder: Path) -> dict[str, int]:
    """Return by name when each record of a study was written."""
    records = [path for path in folder.rglob("*.json") if path.name not in ("study.json", "findings.json")]
    kept = [path for path in records if "model" not in path.parent.name and not path.name.startswith(".")]
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in kept}


def begin(folder: Path, **changes: Any) -> Path:
    """Write the small study, beside a model that is none."""
    (folder / "base").mkdir(exist_ok=True)
    (folder / "base" / "config.json").write_text("{}", encoding="utf-8")
    return write(folder / "study.yaml", small(**changes))


def table(folder: Path) -> list[dict[str, Any]]:
    """Return the runs of a study."""
    found: list[dict[str, Any]] = pq.read_table(folder / "runs.parquet").to_pylist()
    return found
