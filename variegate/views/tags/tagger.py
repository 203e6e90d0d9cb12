"""Tags by a chat model behind an OpenAI-compatible endpoint: each distinct text is asked once, each answer kept at once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from variegate.errors import VariegateError
from variegate.progress import announce
from variegate.views.asking.answers import answer_key, open_answers
from variegate.views.asking.chat import Chat
from variegate.views.asking.questions import Plan, Questions, ask_all, token_estimate
from variegate.views.client import Service
from variegate.views.tags.request import ANSWER_TOKENS, ATTEMPTS, PROMPT_SETTINGS, TAGGING, message_of, messages_of
from variegate.views.tags.tags import Tags, tags_of_rows

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["LLM", "Plan", "Tagged", "is_llm", "llm_tags", "tag_texts"]

LLM = "llm:"
BATCH = 4096
SHOWN = 5
EMPTY = -1


def is_llm(tags: str) -> bool:
    """Say whether tags come from a chat model."""
    return tags.startswith(LLM)


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
            questions: Questions[list[str]] = Questions(
                keys, lambda at: messages_of(messages[at]), "tagging", "texts",
                "; if it is the texts, `variegate tag --on-failed null -o OUT` goes on without them",
            )  # fmt: skip
            with closing(Chat(service, TAGGING)) as chat:
                known, unusable = ask_all(answers, chat, questions, plan.requests, keep_failures=keep_failures)
            failures = {at: str(failure) for at, failure in unusable.items()}
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
    tokens = token_estimate([messages[at] for at in missing], requests, TAGGING.system)
    return Plan(rows, len(messages), len(messages) - len(missing), requests, tokens, requests * ANSWER_TOKENS)


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
