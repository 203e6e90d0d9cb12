"""A fine-tune by a command of another package, such as LLaMA-Factory's."""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from variegate.data.trainers import dataset_name, llama_factory_entry, merged_info
from variegate.errors import DataError, ParameterError, missing_extra
from variegate.loading import load
from variegate.storage import whole_file
from variegate.study.training.process import last_lines, run_logged
from variegate.study.training.settings import Command

__all__ = ["fill_in", "train_by_command"]

LOG = "train.log"
CONFIG = "train.yaml"
INFO = "dataset_info.json"
STATE = "trainer_state.json"
# A name in braces; one in double braces is not filled in, and no other brace means anything.
PLACE = re.compile(r"\{(\{\w+\})\}|\{(\w+)\}")


def train_by_command(rows: Path, folder: Path, target: Path, settings: Command, seed: int) -> dict[str, Any]:
    """Have a command fine-tune a model.

    The rows are written as `messages` into the run's folder where they are something else, with a `dataset_info.json` that
    describes them for LLaMA-Factory and the config file. What the command prints goes to `train.log`.

    Args:
        rows: samples with responses.
        folder: of the run.
        target: an empty folder in which the model must come to lie.
        settings: the command.
        seed: for {seed}.

    Returns:
        What was done. Tokens, steps and losses are what `trainer_state.json` says where the command leaves one, else None.

    Raises:
        DataError: the command failed, or left no model.
        ParameterError: it names a place that there is not.
    """
    data = _written(rows, folder)
    places = {
        "config": str(folder / CONFIG), "data": str(data), "dataset": dataset_name(data), "folder": str(folder),
        "output": str(target), "seed": str(seed), "model": settings.model,
    }  # fmt: skip
    words = shlex.split(settings.command) if isinstance(settings.command, str) else list(settings.command)
    words = [fill_in(word, places, "train.command") for word in words]
    _write_config(folder / CONFIG, filled(settings.config, places, "train.config"))
    start = time.perf_counter()
    run_logged(words, folder / LOG)
    seconds = time.perf_counter() - start
    for expected in settings.expects:
        if not any(target.glob(expected)):
            there = ", ".join(sorted(path.name for path in target.iterdir())) or "nothing"
            raise DataError(
                f"{shlex.join(words)}: ended well, but left no {expected} in {{output}}, where there is {there}. Write the model "
                f"to {{output}}, or name in 'train.expects' what the command leaves. The end of {folder / LOG}:\n"
                f"{last_lines(folder / LOG)}"
            )
    return {"method": "command", "command": words, "seconds": seconds, **_told(target)}


def _written(rows: Path, folder: Path) -> Path:
    """Write rows that LLaMA-Factory cannot open, or that are in another schema, and describe them."""
    corpus = load(rows)
    found = corpus.converted("messages")
    data = rows.resolve()
    if found is not corpus or data.suffix not in (".parquet", ".jsonl", ".json") or data.parent != folder.resolve():
        data = folder / "data.parquet"
        found.write(data)
    entry = llama_factory_entry(found.samples(), data.name)
    with whole_file(folder / INFO) as temporary:
        temporary.write_text(merged_info({}, dataset_name(data), entry), encoding="utf-8")
    return data


def fill_in(text: str, places: Mapping[str, str], key: str) -> str:
    """Put a run's places into a text.

    Args:
        text: with names in braces; `{{name}}` stays, as `{name}`.
        places: what stands for each name.
        key: where the text stands, for errors.

    Raises:
        ParameterError: it names a place that there is not.

    >>> fill_in("--seed={seed} {{x}}", {"seed": "3"}, "train.command")
    '--seed=3 {x}'
    """

    def put(found: re.Match[str]) -> str:
        kept, name = found.groups()
        if kept:
            return str(kept)
        if name not in places:
            known = ", ".join(f"{{{one}}}" for one in places)
            raise ParameterError(
                f"'{key}' names {{{name}}}, and there are {known}. Write {{{{{name}}}}} for the braces themselves."
            )
        return places[str(name)]

    return PLACE.sub(put, text)


def filled(value: Any, places: Mapping[str, str], key: str) -> Any:
    """Put a run's places into all texts of a value; one that is nothing but {seed} becomes a number."""
    if isinstance(value, str):
        return int(places["seed"]) if value == "{seed}" else fill_in(value, places, key)
    if isinstance(value, Mapping):
        return {name: filled(one, places, f"{key}.{name}") for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [filled(one, places, key) for one in value]
    return value


def _write_config(path: Path, config: Mapping[str, Any]) -> None:
    try:
        import yaml
    except ImportError:
        raise missing_extra("pyyaml", "study", "The config file of a command") from None
    with whole_file(path) as temporary:
        temporary.write_text(yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True), encoding="utf-8")


def _told(target: Path) -> dict[str, Any]:
    """Return what the command itself says that it did."""
    told: dict[str, Any] = {
        "tokens_seen": None, "response_tokens_seen": None, "steps": None, "epochs": None, "loss": [], "device": None,
        "dtype": None, "versions": {},
    }  # fmt: skip
    states = sorted(target.rglob(STATE), key=lambda path: len(path.parts))
    if not states:
        return told
    try:
        state = json.loads(states[0].read_text(encoding="utf-8"))
        history = state.get("log_history", [])
        losses = [entry["loss"] for entry in history if "loss" in entry]
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise DataError(f"{states[0]}: is not what a trainer writes ({error}).") from None
    # Zero is what it holds when nobody counted.
    told |= {"tokens_seen": state.get("num_input_tokens_seen") or None, "steps": state.get("global_step")}
    return told | {"epochs": state.get("epoch"), "loss": losses}
