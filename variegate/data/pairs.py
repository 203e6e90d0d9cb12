"""Turns from rows of a question and an answer: which field plays which part, and what stands in each."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from variegate.data.calls import as_pairs
from variegate.data.markers import dialogue_turns
from variegate.data.messages import are_messages, message_list, read_messages, text_of
from variegate.data.record import RowError, Turn, kind_of_value

__all__ = ["PARTS", "Answers", "as_number", "optional", "pair_turns", "preference_fields", "preference_turns", "stepwise_turns"]

Row = Mapping[str, Any]

# In the order in which they are read.
PARTS = ("system", "history", "instruction", "input", "context", "reasoning", "response")
# Where the prompt of a preference row may stand, and its better answer.
PREFERENCE_PROMPTS = (
    "conversations", "messages", "prompt", "question", "query", "instruction", "problem", "input", "user", "user_prompt",
    "trajectory", "dialogue", "history",
)  # fmt: skip
CHOSEN = ("chosen", "preferred_output", "chosen_response")


@dataclass(frozen=True)
class Answers:
    """What may stand for an answer besides a text, because most of a data set's answers are such.

    Attributes:
        numbers: numbers and booleans are read as they are written.
        lists: a list of one text is that text.
    """

    numbers: bool = False
    lists: bool = False


def field_of(row: Row, name: str) -> Any:
    """Return a field that must be there."""
    if name not in row:
        raise RowError(f"lacks the field '{name}'")
    return row[name]


def optional(row: Row, name: str | None) -> str:
    """Return the text of a field, of a list of texts, or of a list of message parts; "" where there is none."""
    value = None if name is None else row.get(name)
    if value is None:
        return ""
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return "\n".join(filter(None, value))
    if isinstance(value, list) and value and all(isinstance(one, Mapping) and isinstance(one.get("text"), str) for one in value):
        return "\n".join(one["text"] for one in value)
    return text_of(value, str(name))


def as_number(value: object) -> str | None:
    """Return a number or a boolean as JSON writes it; None for anything else.

    >>> as_number(3), as_number(True), as_number(2.5), as_number("3")
    ('3', 'true', '2.5', None)
    """
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    return str(value) if isinstance(value, Decimal) else None


def pair_turns(row: Row, parts: Mapping[str, str], answers: Answers = Answers()) -> list[Turn]:
    """Read a row of a question and an answer.

    Args:
        row: the row.
        parts: which field plays which of `PARTS`. Without `response` the row is a prompt alone, without `instruction` an answer.
        answers: what may stand for an answer besides a text or messages.

    Raises:
        RowError: a field is missing or holds something else.
    """
    head = optional(row, parts.get("system"))
    turns = [Turn("system", head)] if head else []
    turns += _history(row, parts["history"]) if "history" in parts else []
    if "instruction" in parts:
        turns += _asked(row, parts)
    if "response" in parts:
        turns += _answered(row, parts, answers)
    return turns


def _asked(row: Row, parts: Mapping[str, str]) -> list[Turn]:
    name = parts["instruction"]
    value = as_pairs(field_of(row, name))
    passages = [optional(row, parts.get(part)) for part in ("input", "context")]
    if isinstance(value, list) and "response" not in parts and not are_messages(value):
        texts = [text_of(one, name) for one in value] + [one for one in passages if one]
        return [Turn("user", text) for text in texts]
    if _is_chat(value):
        return [*_chat(value, name), *(Turn("user", one) for one in passages if one)]
    return [Turn("user", "\n".join(filter(None, [text_of(value, name), *passages])))]


def _answered(row: Row, parts: Mapping[str, str], answers: Answers) -> list[Turn]:
    name = parts["response"]
    value = as_pairs(field_of(row, name))
    reasoning = optional(row, parts.get("reasoning"))
    if _is_chat(value):
        turns = _chat(value, name)
    else:
        number = as_number(value) if answers.numbers else None
        if answers.lists and isinstance(value, list) and len(value) == 1:
            value = value[0]
        turns = [Turn("assistant", text_of(value, name) if number is None else number)]
    last = turns[-1]
    if reasoning and reasoning not in last.text and last.role == "assistant" and last.text.strip():
        turns[-1] = Turn("assistant", f"{reasoning}\n{last.text}", reasoning)
    return turns


def _is_chat(value: object) -> bool:
    """Whether a value is a message or a list of them, and not a text."""
    if isinstance(value, Mapping):
        return "role" in value or "from" in value or isinstance(message_list(value), list)
    if isinstance(value, str):
        return (
            value.lstrip()[:1] == "[" and '"role"' in value and are_messages(message_list(value)) and value.rstrip()[-1:] == "]"
        )
    return isinstance(value, list) and bool(value) and isinstance(as_pairs(value[0]), Mapping)


def _chat(value: object, name: str) -> list[Turn]:
    if isinstance(value, Mapping) and ("role" in value or "from" in value) and not isinstance(message_list(value), list):
        value = [value]
    return read_messages(value, name)


def _history(row: Row, name: str) -> list[Turn]:
    value = row.get(name)
    if value is None or value == "":
        return []
    value = message_list(value)
    if not isinstance(value, list):
        raise RowError(f"field '{name}' must be a list of [user, assistant] pairs but is {kind_of_value(value)}")
    if value and all(isinstance(one, Mapping) for one in value):
        return read_messages(value, name)
    turns = []
    for at, pair in enumerate(value):
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise RowError(f"field '{name}[{at}]' must be a [user, assistant] pair")
        turns.append(Turn("user", text_of(pair[0], f"{name}[{at}][0]")))
        turns.append(Turn("assistant", text_of(pair[1], f"{name}[{at}][1]")))
    return turns


def stepwise_turns(row: Row) -> list[Turn]:
    """Read a prompt and the steps of its answer, each in a row of its own."""
    prompt, steps = field_of(row, "prompt"), field_of(row, "completions")
    if not isinstance(steps, list):
        raise RowError(f"field 'completions' must be a list of steps but is {kind_of_value(steps)}")
    asked = _chat(prompt, "prompt") if _is_chat(prompt) else [Turn("user", text_of(prompt, "prompt"))]
    return [*asked, Turn("assistant", "\n".join(text_of(step, f"completions[{at}]") for at, step in enumerate(steps)))]


def preference_fields(row: Row) -> tuple[str | None, str]:
    """Return which field of a preference row holds its prompt, None if there is none, and which the better answer."""
    chosen = next((name for name in CHOSEN if row.get(name) is not None), CHOSEN[0])
    return next((name for name in PREFERENCE_PROMPTS if row.get(name) not in (None, "", [])), None), chosen


def preference_turns(row: Row) -> list[Turn]:
    """Read the prompt of a preference row with its chosen answer; the rejected one is no training target of SFT."""
    name, answer_name = preference_fields(row)
    turns = _preferred_prompt(row, name) if name is not None else []
    head = optional(row, "system") or optional(row, "system_prompt")
    if head and not any(turn.role == "system" for turn in turns):
        turns = [Turn("system", head), *turns]
    answer = _chosen(as_pairs(field_of(row, answer_name)), answer_name)
    found = _joined(turns, answer)
    if not any(turn.role == "user" for turn in found):
        raise RowError(
            f"has no prompt: none of {', '.join(PREFERENCE_PROMPTS[:8])} is there, and '{answer_name}' begins with the answer. "
            f"Pass --columns instruction=FIELD,response={answer_name}, or --columns response={answer_name} for the answers alone"
        )
    return found


def _preferred_prompt(row: Row, name: str) -> list[Turn]:
    value = as_pairs(row[name])
    if isinstance(message_list(value), list):
        return read_messages(value, name, strings=True)
    text = text_of(value, name)
    dialogue = dialogue_turns(text)
    if dialogue is not None:
        return dialogue
    more = optional(row, "input") if name == "instruction" else ""
    before = _history(row, "history") if isinstance(row.get("history"), list) and name == "instruction" else []
    return [*before, Turn("user", "\n".join(filter(None, [text, more])))]


def _chosen(value: object, name: str) -> list[Turn]:
    if _is_chat(value) or isinstance(value, list):
        return _chat(value, name)
    text = text_of(value, name)
    return dialogue_turns(text) or [Turn("assistant", text)]


def _joined(prompt: list[Turn], answer: list[Turn]) -> list[Turn]:
    """Return a prompt and its answer; many sets repeat the prompt inside the answer, or the answer inside the prompt."""

    def same(one: Turn, other: Turn) -> bool:
        return one.role == other.role and one.text.strip() == other.text.strip()

    head = [turn for turn in prompt if turn.role == "system"]
    asked = [turn for turn in prompt if turn.role != "system"]
    told = [turn for turn in answer if turn.role != "system"]
    if asked and len(told) >= len(asked) and all(map(same, asked, told)):
        return [*head, *told] if head else answer
    if told and len(asked) > len(told) and all(map(same, asked[-len(told) :], told)):
        return prompt
    return [*prompt, *answer]
