"""Questions of a study to a chat model: what is answered, what failed, what is still to be asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from variegate.errors import VariegateError, bad_parameter
from variegate.progress import announce
from variegate.views.asking.answers import Answers, answer_key, open_answers
from variegate.views.asking.chat import Chat, Message, ServerFailure, Task, Unusable
from variegate.views.asking.questions import Plan, Questions, ask_all, token_estimate
from variegate.views.client import Service

__all__ = ["Asked", "Inquiry", "put"]

T = TypeVar("T")
Setting = str | int | float | None
# Tells the key of a failure from that of an answer.
FAILED = "failed"


@dataclass(frozen=True)
class Inquiry(Generic[T]):
    """What is asked of whom, and where it is kept.

    Attributes:
        service: who is asked.
        task: for what.
        settings: all that an answer depends on beside model, URL and question; part of its key.
        kind: name of the folder of answers.
        root: the folder above it; the cache if None.
        doing: what the progress line says.
        nouns: what the wanted answers and the different questions are called.
        kept: from a question's number and its answer to what is kept.
        order: from a question's number to what questions are sorted by, for `limit`; none in
            particular if None.
        limit: requests at most; all if None.
        dry: whether only to count.
        again: whether to ask again what failed in an earlier run.
    """

    service: Service
    task: Task[T]
    settings: Mapping[str, Setting]
    kind: str
    root: Path | None
    doing: str
    nouns: tuple[str, str]
    kept: Callable[[int, T], Any] = lambda at, answer: answer
    order: Callable[[int], Any] | None = None
    limit: int | None = None
    dry: bool = False
    again: bool = False


@dataclass(frozen=True)
class Asked:
    """What came of it, by number of the question.

    Attributes:
        plan: what there was to do.
        answers: what was kept.
        failures: why there is no answer, although the model was asked as often as it should be.
        waiting: whether anything has not been asked yet.
    """

    plan: Plan
    answers: dict[int, Any]
    failures: dict[int, str]
    waiting: bool


def put(inquiry: Inquiry[T], questions: Sequence[str], messages: Callable[[int], Sequence[Message]]) -> Asked:
    """Ask all questions that have no answer yet; the same question is asked once.

    What the model was asked and did not answer in a usable way is kept as a failure, so that a
    second call gives the same; failures of the server are not.

    Args:
        inquiry: what is asked of whom.
        questions: as texts that tell them apart and have about as many tokens.
        messages: from a question's number to the conversation that asks it.

    Raises:
        ParameterError: a limit below 0.
        VariegateError: the server failed for some, or refuses, or answers nothing any more. What
            was answered is kept.
    """
    if inquiry.limit is not None and inquiry.limit < 0:
        raise bad_parameter("limit", "the study", "a number of requests of at least 0", inquiry.limit)
    service = inquiry.service
    place = {"model": service.model, "url": service.url}
    texts = list(dict.fromkeys(questions))
    number_of = {text: number for number, text in enumerate(texts)}
    owner = [number_of[question] for question in questions]
    # By number of the text, the first question that it is.
    first = {number: at for at, number in reversed(list(enumerate(owner)))}
    settings = {**place, **inquiry.settings}
    keys = [answer_key(settings, text) for text in texts]
    failed_keys = [answer_key({**settings, FAILED: inquiry.task.room}, text) for text in texts]
    with open_answers(inquiry.kind, place, inquiry.root) as answers:
        known, failures = _known(answers, keys, failed_keys, inquiry.again)
        missing = [at for at, key in enumerate(keys) if key not in known and at not in failures]
        plan = _plan(inquiry, texts, missing, len(questions))
        if not inquiry.dry:
            announce(f"{inquiry.doing} by {service.model} at {service.url or 'the OpenAI API'}: {plan}")
        if plan.requests and not inquiry.dry:
            asking: Questions[T] = Questions(
                keys,
                messages=lambda at: messages(first[at]),
                doing=inquiry.doing,
                unit=inquiry.nouns[1],
                way_out="",
                kept=lambda at, answer: inquiry.kept(first[at], answer),
                order=_order(inquiry.order, first),
            )
            with closing(Chat(service, inquiry.task)) as chat:
                known, unusable = ask_all(answers, chat, asking, plan.requests, keep_failures=True, skip=failures)
            _keep_failures(answers, failed_keys, unusable, chat.style.name)
            _refuse_server_failures(inquiry, unusable)
            _, failures = _known(answers, keys, failed_keys, again=False)
    found = {at: known[keys[number]] for at, number in enumerate(owner) if keys[number] in known}
    failed = {at: failures[number] for at, number in enumerate(owner) if at not in found and number in failures}
    return Asked(plan, found, failed, len(found) + len(failed) < len(questions))


def _known(
    answers: Answers, keys: Sequence[str], failed_keys: Sequence[str], again: bool
) -> tuple[dict[str, Any], dict[int, str]]:
    """Return the answers by key, and by number of the question why it has none for good."""
    known = answers.known(keys)
    if again:
        return known, {}
    kept = answers.known(failed_keys)
    return known, {at: kept[key][FAILED] for at, key in enumerate(failed_keys) if key in kept and keys[at] not in known}


def _plan(inquiry: Inquiry[Any], texts: list[str], missing: list[int], wanted: int) -> Plan:
    requests = len(missing) if inquiry.limit is None else min(inquiry.limit, len(missing))
    tokens = token_estimate([texts[at] for at in missing], requests, inquiry.task.system)
    return Plan(wanted, len(texts), len(texts) - len(missing), requests, tokens, requests * inquiry.task.room, inquiry.nouns)


def _order(order: Callable[[int], Any] | None, first: Mapping[int, int]) -> Callable[[int], Any] | None:
    return None if order is None else lambda at: order(first[at])


def _keep_failures(answers: Answers, keys: Sequence[str], unusable: Mapping[int, Unusable], how: str) -> None:
    for at, failure in unusable.items():
        # What the server could not do today it may do tomorrow.
        if not isinstance(failure, ServerFailure):
            answers.keep(keys[at], {FAILED: str(failure), "text": failure.content}, how)


def _refuse_server_failures(inquiry: Inquiry[Any], unusable: Mapping[int, Unusable]) -> None:
    of_server = [failure for failure in unusable.values() if isinstance(failure, ServerFailure)]
    if of_server:
        raise VariegateError(
            f"{inquiry.service.title} failed for {len(of_server):,} of {len(unusable):,} {inquiry.nouns[1]} without an answer: "
            f"{of_server[0]}. All answers are kept, and running the command again asks for what is missing alone."
        )
