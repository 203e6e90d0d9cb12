"""TRL's SFTTrainer, with the order of a plan and an account of what it really saw."""

from __future__ import annotations

import functools
from typing import Any

from variegate.study.models.loading import answer_losses

__all__ = ["trainer_class"]

# What TRL's class brings is not known before TRL is imported.
Trainer: Any = object


class Account(Trainer):  # type: ignore[misc]
    """What a study's trainer does otherwise than TRL's, which stands behind it among the bases.

    Attributes:
        steps: optimiser steps that are expected.
        advance: is told of each step.
        own_loss: whether :func:`answer_losses` computes the loss, in place of TRL.
    """

    steps: int
    advance: Any
    own_loss: bool

    def open_account(self) -> None:
        """Begin to count."""
        import torch

        device = self.accelerator.device
        self._seen = torch.zeros(3, dtype=torch.int64, device=device)
        self._step_loss = torch.zeros((), device=device)
        self._step_losses: list[Any] = []
        self.steps = 0
        self.own_loss = device.type == "cpu" and not (self.is_fsdp_enabled or self.is_deepspeed_enabled)
        self.advance = lambda done: None

    def _send_telemetry(self) -> None:
        # A study on a machine of its own tells nobody that it runs.
        return None

    def _get_train_sampler(self, *arguments: Any) -> Any:
        import torch

        # The order is the plan's.
        return torch.utils.data.SequentialSampler(self.train_dataset)

    def training_step(self, model: Any, inputs: dict[str, Any], *arguments: Any, **more: Any) -> Any:
        """Count what a batch holds, and train on it."""
        import torch

        tokens = inputs.pop("tokens").to(self._seen.device)
        answers = (inputs["labels"] != -100).sum().to(self._seen.device)
        self._seen += torch.stack([tokens.sum(), answers, torch.tensor(len(tokens), device=self._seen.device)])
        loss = super().training_step(model, inputs, *arguments, **more)
        self._step_loss += loss.to(self._step_loss)
        return loss

    def compute_loss(
        self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Return the mean loss of a batch's tokens that carry one.

        TRL's own way computes every token's, and more to log; on a processor that takes about as long as all the layers.
        """
        if return_outputs or not self.own_loss:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        given = {name: value for name, value in inputs.items() if name != "labels"}
        losses = answer_losses(model, self.accelerator.unwrap_model(model), given, inputs["labels"])
        if num_items_in_batch is None:
            return losses.sum() / max(1, len(losses))
        # The number of tokens is that of all processes, and their gradients are averaged.
        return losses.sum() / num_items_in_batch * self.accelerator.num_processes

    def step_done(self) -> None:
        """Keep the loss of an optimiser step: of its parts, which are each divided by the tokens of all."""
        self._step_losses.append(self._step_loss.clone())
        self._step_loss.zero_()
        self.advance(1)

    def seen_by_all(self) -> list[int]:
        """Return tokens, tokens that carry loss, and sequences, over all processes."""
        return [int(count) for count in self.accelerator.reduce(self._seen, "sum").tolist()]

    def losses_of_all(self) -> list[float]:
        """Return nats a token that carries loss, of each optimiser step, over all processes."""
        import torch

        if not self._step_losses:
            return []
        return [float(loss) for loss in self.accelerator.reduce(torch.stack(self._step_losses), "mean").tolist()]


@functools.cache
def trainer_class() -> Any:
    """Return the class: made on first use, since TRL takes seconds to import."""
    from transformers import PrinterCallback, TrainerCallback
    from trl import SFTTrainer

    class StepCallback(TrainerCallback):  # type: ignore[misc]
        """Tells how far a run is, and nothing else."""

        def __init__(self, trainer: Any) -> None:
            self.trainer = trainer

        def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            self.trainer.step_done()

    class StudyTrainer(Account, SFTTrainer):  # type: ignore[misc]
        """Trains on sequences in the order of the plan."""

        def __init__(self, *arguments: Any, **more: Any) -> None:
            super().__init__(*arguments, **more)
            self.remove_callback(PrinterCallback)
            self.add_callback(StepCallback(self))
            self.open_account()

    return StudyTrainer
