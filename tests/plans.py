"""Parts of a study's file, right ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import study
from variegate.study.plan import read_study
from variegate.study.training import settings as training_settings

PROMPTS = [{"id": f"p{at}", "set": "own", "prompt": f"Say {at}.", "references": {"gpt4": f"It is {at}."}} for at in range(4)]
HARNESS = {"name": "tasks", "kind": "harness", "tasks": ["arc_easy"], "headline": ["arc_easy/acc"]}
JUDGE = {
    "name": "alpaca",
    "kind": "judge",
    "prompts": "prompts.jsonl",
    "reference": "gpt4",
    "judge": "llm:judge@http://127.0.0.1:1/v1",
}
MICRO = {"strategy": "micro", "size": 12, "side": "response"}


def lay_around(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have what files name lie beside them, whether or not TRL is installed."""
    monkeypatch.setattr(training_settings, "need_trl", lambda: None)
    study.rows(folder / "prompts.jsonl", PROMPTS)
    (folder / "template.jinja").write_text("{{ messages }}", encoding="utf-8")


def read(folder, wanted):
    return read_study(study.write(folder / "study.yaml", wanted))


def subsets(*entries):
    return study.small(subsets=list(entries))


def evaluate(*entries):
    return study.small(evaluate=list(entries))
