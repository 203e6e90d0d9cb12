"""Many questions to a chat model: each asked once, some at a time, each answer kept at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from variegate.errors import VariegateError, bad_parameter
from variegate.progress import announce, track
from variegate.views.asking.answers import Answers
from variegate.views.asking.chat import Chat, Message, ServerFailure, Unusable
from variegate.views.cache import cache_root
from variegate.views.tokens import count_tokens

__all__ = ["REQUESTS_VARIABLE", "Plan", "Questions", "ask_all", "token_estimate"]

T = TypeVar("T")

REQUESTS_VARIABLE = "VARIEGATE_REQUESTS"
REQUESTS_AT_ONCE, MOST_REQUESTS_AT_ONCE = 8, 1024
# So many failures with no answer between them are no matter of the texts.
GIVE_UP = 25
# So many texts are enough to see that there is no server, if it has never answered.
GIVE_UP_AT_ONCE = 2
TOKENIZER = "llama2"


@dataclass(frozen=True)
class Plan:
    """What asking will cost, counted before anything is asked.

    Attributes:
        rows: what answers are wanted for.
        texts: different questions among them.
        answered: of these, answered already.
        requests: requests to make, if none has to be made again.
        prompt_tokens: of these requests, by the LLaMA-2 tokenizer; the model's own will count
            somewhat differently.
        answer_tokens: upper bound, if no answer has to be asked for again.
        nouns: what rows and texts are called.
    """

    rows: int
    texts: int
    answered: int
    requests: int
    prompt_tokens: int
    answer_tokens: int
    nouns: tuple[str, str] = ("rows", "different texts")

    def __str__(self) -> str:
        counts = f"{self.rows:,} {self.nouns[0]}, {self.texts:,} {self.nouns[1]}, {self.answered:,} answered already"
        if not self.requests:
            return f"{counts}: nothing to ask"
        return (
            f"{counts}: {self.requests:,} requests to make, about {self.prompt_tokens:,} prompt tokens ({TOKENIZER} tokenizer), "
            f"at most {self.answer_tokens:,} answer tokens"
        )


def token_estimate(questions: Sequence[str], requests: int, system: str | None) -> int:
    """Return about how many tokens so many of some questions have, by the LLaMA-2 tokenizer.

    Args:
        questions: all that have no answer.
        requests: how many of them will be asked.
        system: instructions that stand before each of them.
    """
    if not requests:
        return 0
    tokens = count_tokens(TOKENIZER, list(questions)) * requests // len(questions)
    return tokens + (requests * count_tokens(TOKENIZER, [system]) if system else 0)


@dataclass(frozen=True)
class Questions(Generic[T]):
    """What is asked, and what is kept of the answers.

    Attributes:
        keys: of the n different questions.
        messages: from a question's number to the conversation that asks it.
        doing: what the progress line says.
        unit: what they are called there, and in errors.
        way_out: last sentence of the error where nothing is answered any more.
        kept: from a question's number and its answer to what is kept, as JSON.
        order: from a question's number to what the questions are sorted by; by their keys if None,
            which is no order: texts that a model cannot deal with mostly stand together.
    """

    keys: Sequence[str]
    messages: Callable[[int], Sequence[Message]]
    doing: str
    unit: str
    way_out: str
    kept: Callable[[int, T], Any] = lambda at, answer: answer
    order: Callable[[int], Any] | None = None


def ask_all(
    answers: Answers,
    chat: Chat[T],
    questions: Questions[T],
    most: int,
    *,
    keep_failures: bool,
    skip: Collection[int] = (),
) -> tuple[dict[str, Any], dict[int, Unusable]]:
    """Ask what has no answer yet.

    Args:
        answers: where answers are kept.
        chat: who is asked.
        questions: what is asked.
        most: requests at most, besides those that are made again.
        keep_failures: whether questions without a usable answer are accepted; then only the
            server's own failures count.
        skip: numbers of questions that are not asked.

    Returns:
        What is kept of all answers, by key; and by number of the question what went wrong in this
        run.

    Raises:
        VariegateError: the server refuses, or answers nothing any more. What was answered is kept.
    """
    keys = questions.keys
    told = False
    if cache_root() is None and answers.folder is None:
        announce("the cache is off, so these answers live only as long as this command")

    def waiting() -> bool:
        nonlocal told
        if not told:
            announce("another process is asking this model already; waiting for it, since its answers may serve here too")
            told = True
        # The other one may have answered everything before it is done with its own.
        known = answers.known(keys)
        return any(key not in known for at, key in enumerate(keys) if at not in skip)

    with answers.claim(waiting) as held:
        known = answers.known(keys)
        missing = [at for at, key in enumerate(keys) if key not in known and at not in skip]
        missing = sorted(missing, key=questions.order or keys.__getitem__)[:most]
        if not held or not missing:
            return known, {}
        patience = _Patience(chat, questions, len(missing), answered=bool(known), keep_failures=keep_failures)
        failures = {}
        with track(questions.doing, len(missing), questions.unit) as advance:
            for at, failure in _results(answers, chat, questions, missing):
                advance(1)
                patience.see(failure)
                if failure is not None:
                    failures[at] = failure
        return answers.known(keys), failures


class _Patience:
    """Ends a run in which nothing is answered any more.

    Args:
        chat: who is asked.
        questions: what is asked.
        number: how many of them.
        answered: whether this model has ever answered one of these questions.
        keep_failures: whether questions without a usable answer are accepted; then only the
            server's own failures count.
    """

    def __init__(self, chat: Chat[Any], questions: Questions[Any], number: int, *, answered: bool, keep_failures: bool) -> None:
        self.title, self.unit, self.way_out = chat.service.title, questions.unit, questions.way_out
        self.number, self.ever, self.keep_failures = number, answered, keep_failures
        self.done = self.failed = self.in_a_row = 0

    def see(self, failure: Unusable | None) -> None:
        """Take notice of how a question fared.

        Raises:
            VariegateError: too many failed one after the other.
        """
        self.done += 1
        if failure is None:
            self.ever, self.in_a_row = True, 0
            return
        self.failed += 1
        from_server = isinstance(failure, ServerFailure)
        if from_server or not (self.keep_failures and self.ever):
            self.in_a_row += 1
        most = GIVE_UP_AT_ONCE if from_server and not self.ever else GIVE_UP
        if self.in_a_row >= most and self.done < self.number:
            raise VariegateError(
                f"{self.title} gave up: {self.in_a_row} {self.unit} failed with no answer between them, the last "
                f"with: {failure}. {self.done - self.failed:,} {self.unit} were answered in this run and are cached; "
                f"{self.number - self.done:,} were not asked. Look after the server, then run the command again{self.way_out}."
            )


def _results(
    answers: Answers, chat: Chat[T], questions: Questions[T], missing: list[int]
) -> Iterator[tuple[int, Unusable | None]]:
    """Yield each question's number and what went wrong with it, if anything; some are asked at a time."""

    def ask(at: int, how: Callable[[Sequence[Message]], T] = chat.ask) -> Unusable | None:
        key = questions.keys[at]
        try:
            answers.keep(key, questions.kept(at, how(questions.messages(at))), chat.style.name)
        except Unusable as error:
            return error
        return None

    remaining = iter(missing)
    # One by one until an answer shows what form of request the server takes.
    for at in remaining:
        failure = ask(at, chat.first)
        yield at, failure
        if failure is None:
            break
    at_once = _at_once()
    pending: dict[Future[Unusable | None], int] = {}
    executor = ThreadPoolExecutor(at_once)
    try:
        while True:
            for at in remaining:
                pending[executor.submit(ask, at)] = at
                if len(pending) == at_once:
                    break
            if not pending:
                return
            for future in wait(pending, return_when=FIRST_COMPLETED).done:
                yield pending.pop(future), future.result()
    finally:
        # What is under way is waited for, and kept: it has been asked and maybe paid for.
        executor.shutdown(wait=True, cancel_futures=True)


def _at_once() -> int:
    given = os.environ.get(REQUESTS_VARIABLE, str(REQUESTS_AT_ONCE))
    if not given.isdecimal() or not 1 <= int(given) <= MOST_REQUESTS_AT_ONCE:
        raise bad_parameter(REQUESTS_VARIABLE, "the environment", f"a whole number in [1, {MOST_REQUESTS_AT_ONCE}]", given)
    return int(given)
