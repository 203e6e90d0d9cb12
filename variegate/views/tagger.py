"""Tags by a chat model behind an OpenAI-compatible endpoint: each distinct text is asked once, each answer kept at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING

from variegate.errors import VariegateError, bad_parameter
from variegate.progress import announce, track
from variegate.views.answers import Answers, answer_key, open_answers
from variegate.views.cache import cache_root
from variegate.views.chat import ANSWER_TOKENS, ATTEMPTS, PROMPT_SETTINGS, SYSTEM, Chat, ServerFailure, Unusable, message_of
from variegate.views.client import Service
from variegate.views.tags import Tags, tags_of_rows
from variegate.views.tokens import count_tokens

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["LLM", "REQUESTS_VARIABLE", "Plan", "Tagged", "is_llm", "llm_tags", "tag_texts"]

LLM = "llm:"
REQUESTS_VARIABLE = "VARIEGATE_REQUESTS"
REQUESTS_AT_ONCE, MOST_REQUESTS_AT_ONCE = 8, 1024
# So many failures with no answer between them are no matter of the texts.
GIVE_UP = 25
# So many texts are enough to see that there is no server, if it has never answered.
GIVE_UP_AT_ONCE = 2
TOKENIZER = "llama2"
BATCH = 4096
SHOWN = 5
EMPTY = -1


def is_llm(tags: str) -> bool:
    """Say whether tags come from a chat model."""
    return tags.startswith(LLM)


@dataclass(frozen=True)
class Plan:
    """What tagging will cost, counted before anything is asked.

    Attributes:
        rows: rows to be tagged.
        texts: different texts among them, as cut.
        answered: of these, answered already.
        requests: requests to make, if none has to be made again.
        prompt_tokens: of these requests, by the LLaMA-2 tokenizer; the model's own will count somewhat differently.
        answer_tokens: upper bound, if no answer has to be asked for again.
    """

    rows: int
    texts: int
    answered: int
    requests: int
    prompt_tokens: int
    answer_tokens: int

    def __str__(self) -> str:
        counts = f"{self.rows:,} rows, {self.texts:,} different texts, {self.answered:,} answered already"
        if not self.requests:
            return f"{counts}: nothing to ask"
        return (
            f"{counts}: {self.requests:,} requests to make, about {self.prompt_tokens:,} prompt tokens ({TOKENIZER} tokenizer), "
            f"at most {self.answer_tokens:,} answer tokens"
        )


@dataclass(frozen=True)
class Tagged:
    """What tagging brought.

    Attributes:
        plan: what there was to do.
        tags: for each row its tags; None where it has no answer.
        failures: by row, what went wrong.
    """

    plan: Plan
    tags: list[list[str] | None]
    failures: dict[int, str]


def llm_tags(texts: pa.ChunkedArray, tags: str, where: Callable[[int], str]) -> Tags:
    """Return the tags that a chat model gives to each text.

    Args:
        texts: n strings.
        tags: `llm:MODEL` or `llm:MODEL@URL`.
        where: says where a row stands, for errors.
    """
    tagged = tag_texts(texts, tags, where)
    return tags_of_rows([row or [] for row in tagged.tags])


def tag_texts(
    texts: pa.ChunkedArray,
    tags: str,
    where: Callable[[int], str],
    *,
    limit: int | None = None,
    dry: bool = False,
    keep_failures: bool = False,
) -> Tagged:
    """Return the tags that a chat model gives to each text.

    Args:
        texts: n strings.
        tags: `llm:MODEL` or `llm:MODEL@URL`.
        where: says where a row stands, for errors.
        limit: ask for so many texts at most; rows beyond that have no tags.
        dry: ask nothing, only count.
        keep_failures: return the rows that could not be tagged instead of raising.

    Raises:
        VariegateError: some texts could not be tagged, although all were asked; or the server refuses, or answers nothing any
            more. What was answered is cached.
    """
    service = Service.parse("tagger", "llm", tags.removeprefix(LLM))
    messages, owner = _distinct(texts)
    settings = {"model": service.model, "url": service.url, **PROMPT_SETTINGS}
    keys = [answer_key(settings, message) for message in messages]
    place = {"model": service.model, "url": service.url}
    with open_answers("answers", place) as answers:
        known = answers.known(keys)
        plan = _plan(len(texts), messages, [at for at, key in enumerate(keys) if key not in known], limit)
        if not dry:
            announce(f"tagging by {service.model} at {service.url or 'the OpenAI API'}: {plan}")
        failures: dict[int, str] = {}
        if plan.requests and not dry:
            if cache_root() is None:
                announce("the cache is off, so these answers live only as long as this command")
            known, failures = _asked(answers, service, messages, keys, plan.requests, keep_failures)
    rows_failed = {row: failures[text] for row, text in enumerate(owner) if text in failures}
    if failures and not keep_failures:
        raise _failed(rows_failed, plan, where)
    return Tagged(plan, [[] if text == EMPTY else known.get(keys[text]) for text in owner], rows_failed)


def _distinct(texts: pa.ChunkedArray) -> tuple[list[str], list[int]]:
    """Return the different messages that the texts make, and for each text the number of its message (`EMPTY` for none)."""
    numbers: dict[str, int] = {}
    owner = []
    for start in range(0, len(texts), BATCH):
        for text in texts.slice(start, BATCH).to_pylist():
            # Whatever a model says of nothing would be made up.
            owner.append(numbers.setdefault(message_of(text), len(numbers)) if text.strip() else EMPTY)
    return list(numbers), owner


def _plan(rows: int, messages: list[str], missing: list[int], limit: int | None) -> Plan:
    requests = len(missing) if limit is None else min(limit, len(missing))
    tokens = 0
    if requests:
        tokens = count_tokens(TOKENIZER, [messages[at] for at in missing]) * requests // len(missing)
        tokens += requests * count_tokens(TOKENIZER, [SYSTEM])
    return Plan(rows, len(messages), len(messages) - len(missing), requests, tokens, requests * ANSWER_TOKENS)


def _asked(
    answers: Answers, service: Service, messages: list[str], keys: list[str], requests: int, keep_failures: bool
) -> tuple[dict[str, list[str]], dict[int, str]]:
    """Ask for what has no answer; return all answers, and by number of the message what went wrong."""
    chat = Chat(service)
    told = False

    def waiting() -> bool:
        nonlocal told
        if not told:
            announce("another process is asking this model already; waiting for it, since its answers may serve here too")
            told = True
        # The other one may have answered everything before it is done with its own.
        return len(answers.known(keys)) < len(keys)

    with answers.claim(waiting) as held:
        known = answers.known(keys)
        # In the order of the keys, which is none: texts that a model cannot deal with mostly stand together.
        missing = sorted((at for at, key in enumerate(keys) if key not in known), key=keys.__getitem__)[:requests]
        if not held or not missing:
            return known, {}
        patience = _Patience(chat.service.name, len(missing), answered=bool(known), keep_failures=keep_failures)
        failures = {}
        with track("tagging", len(missing), "texts") as advance:
            for at, failure in _results(answers, chat, messages, keys, missing):
                advance(1)
                patience.see(failure)
                if failure is not None:
                    failures[at] = str(failure)
        return answers.known(keys), failures


class _Patience:
    """Ends a run in which nothing is answered any more.

    Args:
        name: model and URL.
        texts: to be asked.
        answered: whether this model has ever tagged one of these texts.
        keep_failures: whether texts without a usable answer are accepted; then only the server's own failures count.
    """

    def __init__(self, name: str, texts: int, *, answered: bool, keep_failures: bool) -> None:
        self.name, self.texts, self.ever, self.keep_failures = name, texts, answered, keep_failures
        self.done = self.failed = self.in_a_row = 0

    def see(self, failure: Unusable | None) -> None:
        """Take notice of how a text fared.

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
        if self.in_a_row >= most and self.done < self.texts:
            raise VariegateError(
                f"The tagger '{LLM}{self.name}' gave up: {self.in_a_row} texts failed with no answer between them, the last "
                f"with: {failure}. {self.done - self.failed:,} texts were answered in this run and are cached; "
                f"{self.texts - self.done:,} were not asked. Look after the server, then run the command again; if it is the "
                "texts, `variegate tag --on-failed null -o OUT` goes on without them."
            )


def _results(
    answers: Answers, chat: Chat, messages: list[str], keys: list[str], missing: list[int]
) -> Iterator[tuple[int, Unusable | None]]:
    """Yield each text's number, and what went wrong with it if something did; a bounded number is asked at once."""

    def ask(at: int, how: Callable[[str], list[str]] = chat.tags) -> Unusable | None:
        try:
            answers.keep(keys[at], how(messages[at]), chat.style.name)
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


def _failed(failures: dict[int, str], plan: Plan, where: Callable[[int], str]) -> VariegateError:
    row, reason = next(iter(failures.items()))
    others = "; ".join(where(one) for one in list(failures)[1:SHOWN])
    more = f" Likewise {others}." if others else ""
    if len(failures) > SHOWN:
        more = f"{more[:-1]}, and {len(failures) - SHOWN:,} more."
    return VariegateError(
        f"{where(row)}: {reason}.{more} In all {len(failures):,} of {plan.rows:,} rows could not be tagged, each asked up to "
        f"{ATTEMPTS} times. All other answers are cached, and running the command again asks for these rows only. If they stay "
        "as they are: leave them out, ask another model, or write the tags into a column with "
        "`variegate tag --on-failed null -o OUT` and pass --tags COLUMN."
    )
