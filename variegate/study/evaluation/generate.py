"""Answers of a trained model to prompts, from its folder or from a server, each kept at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from variegate.errors import bad_parameter
from variegate.study.evaluation.asked import Inquiry, put
from variegate.study.evaluation.prompts import Prompt
from variegate.study.evaluation.replies import Replies
from variegate.study.models.local_model import FAILED, LocalModel, in_one
from variegate.views.asking.answers import open_answers
from variegate.views.asking.chat import Message, Task
from variegate.views.client import Service

__all__ = ["Generation", "generate"]

LLM = "llm:"
# An answer of a thousand tokens takes a server longer than a tag.
SECONDS = 600.0


@dataclass(frozen=True)
class Generation:
    """How a model answers.

    Attributes:
        max_new_tokens: where an answer is cut.
        temperature: 0 for the likeliest token each time, else how evenly tokens are drawn.
        top_p: draw among the likeliest tokens that have this probability together.
        seed: of the draws.
        batch_size: answers made together by a model in a folder. With floating point they may
            depend on it, so it is part of what answers are kept under.
        device: for a model in a folder: "cpu", "cuda", "cuda:N"; the GPU where there is one if
            None.
        chat_template: for a model in a folder: Jinja, in place of the tokenizer's own.

    Raises:
        ParameterError: a value is not possible.
    """

    max_new_tokens: int = 1024
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    batch_size: int = 16
    device: str | None = None
    chat_template: str | None = None

    def __post_init__(self) -> None:
        for name, least in (("max_new_tokens", 1), ("batch_size", 1), ("seed", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise _refused(name, f"a whole number of at least {least}", value)
        if not _is_number(self.temperature) or not 0 <= self.temperature < float("inf"):
            raise _refused("temperature", "a number of at least 0", self.temperature)
        if not _is_number(self.top_p) or not 0 < self.top_p <= 1:
            raise _refused("top_p", "a number above 0 and at most 1", self.top_p)
        for name in ("device", "chat_template"):
            if not isinstance(getattr(self, name), str | None):
                raise _refused(name, "a text, or left out", getattr(self, name))

    @property
    def sampling(self) -> dict[str, float]:
        """What tokens are drawn by; empty where they are not drawn."""
        return {"temperature": float(self.temperature), "top_p": float(self.top_p)} if self.temperature else {}


def _refused(name: str, allowed: str, got: object) -> Exception:
    return bad_parameter(f"generate.{name}", "the study", allowed, got)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def generate(
    prompts: Iterable[Prompt],
    model: str | Path,
    settings: Generation,
    *,
    identity: str,
    name: str | None = None,
    folder: Path | None = None,
) -> Replies:
    """Return a model's answers to prompts, turn by turn.

    Each answer is on disk before the next is asked for (by batches, for a model in a folder), so
    that a killed call goes on where it was and gives what it would have given.

    Args:
        prompts: what is asked.
        model: a folder as `save_pretrained` writes it, or `llm:NAME[@URL]` for a server that has
            the model (vLLM and others with OpenAI's interface).
        settings: how it answers.
        identity: what tells this model from all others, such as the id of its run: one server, or
            one folder, may have another model tomorrow. Part of what answers are kept under.
        name: of the model, for people; its identity if None.
        folder: where answers are kept; the cache if None.

    Raises:
        DataError: the model cannot be loaded.
        ParameterError: its tokenizer has no chat template, and none is given.
        VariegateError: the server refuses, fails, or answers nothing any more. What was answered is
            kept.
    """
    prompts = list(prompts)
    answers: dict[str, list[str]] = {prompt.id: [] for prompt in prompts}
    failures: dict[str, str] = {}
    cut: set[str] = set()
    answer = (_by_server if str(model).startswith(LLM) else _by_folder)(str(model), settings, identity, folder)
    for turn in range(max((len(prompt.turns) for prompt in prompts), default=0)):
        asked = [prompt for prompt in prompts if turn < len(prompt.turns) and prompt.id not in failures]
        for prompt, reply in zip(asked, answer([_talk(prompt, answers[prompt.id]) for prompt in asked]), strict=True):
            if FAILED in reply:
                failures[prompt.id] = f"turn {turn + 1}: {reply[FAILED]}"
                continue
            answers[prompt.id].append(reply["text"])
            if reply["cut"]:
                cut.add(prompt.id)
    whole = {prompt.id: tuple(answers[prompt.id]) for prompt in prompts if prompt.id not in failures}
    return Replies(name or identity, whole, failures, frozenset(cut - set(failures)))


Talk = list[Message]
Answering = Callable[[list[Talk]], Sequence[Mapping[str, Any]]]


def _talk(prompt: Prompt, answers: list[str]) -> Talk:
    """Return a conversation up to the turn that has no answer yet."""
    talk = list(prompt.before)
    for turn, answer in zip(prompt.turns, answers, strict=False):
        talk += [{"role": "user", "content": turn}, {"role": "assistant", "content": answer}]
    return [*talk, {"role": "user", "content": prompt.turns[len(answers)]}]


def _by_folder(model: str, settings: Generation, identity: str, folder: Path | None) -> Answering:
    local = LocalModel(model, device=settings.device, chat_template=settings.chat_template)
    # Where it is computed is no setting, though a GPU rounds otherwise and may answer otherwise.
    key = {"identity": identity, **{name: value for name, value in asdict(settings).items() if name != "device"}}

    def answer(talks: list[Talk]) -> list[dict[str, Any]]:
        with open_answers("replies", {"model": identity, "url": None}, folder) as kept:
            return local.replies(
                talks,
                kept,
                key,
                batch_size=settings.batch_size,
                max_new_tokens=settings.max_new_tokens,
                sampling=settings.sampling,
                seed=settings.seed,
            )

    return answer


def _by_server(model: str, settings: Generation, identity: str, folder: Path | None) -> Answering:
    for name in ("device", "chat_template"):
        if getattr(settings, name) is not None:
            raise _refused(name, "left out where a server has the model, which decides that itself", getattr(settings, name))
    sampling = settings.sampling or {"temperature": 0}
    inquiry = Inquiry(
        Service.parse("model", "llm", model.removeprefix(LLM)),
        Task(
            read=lambda content, cut: {"text": content, "cut": cut},
            room=settings.max_new_tokens,
            # A seed changes nothing where nothing is drawn, and not every server takes one.
            sampling={**sampling, "seed": settings.seed} if settings.sampling else sampling,
            free=True,
            seconds=SECONDS,
        ),
        {"identity": identity, "max_new_tokens": settings.max_new_tokens, "seed": settings.seed, **sampling},
        kind="replies",
        root=folder,
        doing="answering",
        nouns=("answers", "different conversations"),
    )

    def answer(talks: list[Talk]) -> list[dict[str, Any]]:
        found = put(inquiry, list(map(in_one, talks)), talks.__getitem__)
        return [found.answers[at] if at in found.answers else {FAILED: found.failures[at]} for at in range(len(talks))]

    return answer
