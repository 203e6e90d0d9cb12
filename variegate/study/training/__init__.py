"""Fine-tuning a model on a file of rows: by TRL, or by a command of another package."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from variegate.loading import load
from variegate.storage import whole_folder
from variegate.study.training.settings import Budget, Command, Lora, Training, read_training

__all__ = ["Budget", "Command", "Lora", "Training", "fine_tune", "read_training"]

MODEL = "model"


def fine_tune(rows: str | Path, folder: str | Path, settings: Training | Command, *, seed: int) -> dict[str, Any]:
    """Fine-tune a model on the rows of a file; the model comes to lie in `folder/model`, whole or not at all.

    A run that is killed is done again from its beginning, which ends with the same numbers. A model that lies there already was
    left by a run whose record was never written, and gives way.

    Args:
        rows: samples with responses, in any schema that is read; the same as `messages` for a command.
        folder: of the run; it exists.
        settings: how.
        seed: of everything drawn at random.

    Returns:
        What was done, for `training.json`: `method`, `tokens_seen` (all, prompts included), `response_tokens_seen` (those that
        carried loss), `steps`, `epochs`, `seconds`, `loss` (nats a token that carries loss, of each step), `device`, `dtype`,
        `versions` and more. What a command does not tell is None.

    Raises:
        DataError: the model or the rows cannot be used, or the command failed.
        ParameterError: a setting is not possible with this model or on this machine.
        MissingExtraError: a package that it takes is not installed.
    """
    place = Path(folder)
    for left in (place / MODEL, *place.glob(f".*.{MODEL}")):
        shutil.rmtree(left, ignore_errors=True)
    with whole_folder(place / MODEL) as target:
        if isinstance(settings, Command):
            from variegate.study.training.external import train_by_command

            return train_by_command(Path(rows), place, target, settings, seed)
        from variegate.study.training.launch import processes_of, train_by_launch

        processes = processes_of(settings)
        if processes is not None:
            return train_by_launch(Path(rows), place, target, settings, seed, processes)
        from variegate.study.training.sft import train_here

        done = train_here(load(rows), target, settings, seed)
        assert done is not None, "the only process is the first"
        return done
