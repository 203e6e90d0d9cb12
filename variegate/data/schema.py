"""The schemas that instruction data come in: one table, each row a pure function from a raw row to a record."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from variegate.data.record import Record, Role, Turn
from variegate.errors import ParameterError, unknown_name

__all__ = ["SCHEMAS", "RowError", "Schema", "mapped_schema", "named_schema"]

Row = Mapping[str, Any]

ROLES: dict[str, Role] = {
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "function_call": "assistant",
    "tool_call": "assistant",
    "system": "system",
    "developer": "system",
    "tool": "tool",
    "tools": "tool",
    "function": "tool",
    "observation": "tool",
    "function_response": "tool",
    "tool_response": "tool",
    "ipython": "tool",
}


class RowError(ValueError):
    """What is wrong with one row; the reader adds the file and the row's number."""


@dataclass(frozen=True)
class Schema:
    """How one shape of row is recognised and read.

    Attributes:
        name: what `--schema` takes.
        fields: the shape, for people.
        matches: whether a row has this shape (its field names, not whether its values are good).
        turns: the turns of a row; raises :class:`RowError` on a bad one.
        detected: False for shapes that must be asked for, because reading them takes a decision.
        has_response: False where rows hold prompts alone.
        parts: which field plays which part: `instruction`, `input`, `response`, `history`, `system`, or `messages` with the keys
            `role` and `content` where they are fixed. Empty where that differs from row to row.
    """

    name: str
    fields: str
    matches: Callable[[Row], bool]
    turns: Callable[[Row], list[Turn]]
    detected: bool = True
    has_response: bool = True
    parts: Mapping[str, str] = field(default_factory=dict)

    def record(self, row: object) -> Record:
        """Read one raw row.

        Raises:
            RowError: the row is not an object, lacks a field, holds a wrong type, or has an empty response.
        """
        if not isinstance(row, Mapping):
            raise RowError(f"is not an object with named fields but {_kind(row)}")
        record = Record(tuple(self.turns(row)))
        for turn in record.turns:
            _check_unicode(turn)
        if self.has_response:
            if not any(turn.role == "assistant" for turn in record.turns):
                raise RowError("has no assistant turn")
            if not record.side("response").strip():
                raise RowError("has an empty response")
        elif not record.side("instruction").strip():
            raise RowError("has an empty prompt")
        return record


def _kind(value: object) -> str:
    names = {str: "a string", bool: "a boolean", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return "null" if value is None else names.get(type(value), f"a {type(value).__name__}")


def _check_unicode(turn: Turn) -> None:
    if not turn.text.isascii():
        try:
            turn.text.encode()
        except UnicodeEncodeError:
            raise RowError(f"holds half of a surrogate pair in the {turn.role}'s text, which is no valid text") from None


def _field(row: Row, name: str) -> Any:
    if name not in row:
        raise RowError(f"lacks the field '{name}'")
    return row[name]


def _string(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise RowError(f"field '{name}' must be a string but is {_kind(value)}")
    return value


def _optional(row: Row, name: str) -> str:
    value = row.get(name)
    return "" if value is None else _string(value, name)


def _part(part: object, name: str) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, Mapping):
        raise RowError(f"field '{name}' holds a part that is {_kind(part)}")
    for key in ("text", "value", "content", "reasoning", "thinking"):
        if isinstance(part.get(key), str):
            return str(part[key])
    # Images and audio have no text to measure; the text beside them still counts.
    return ""


def _content(message: Row, key: str, where: str) -> str:
    value = message.get(key)
    name = f"{where}.{key}"
    calls = message.get("tool_calls")
    if value is None and calls:
        return json.dumps(calls, ensure_ascii=False, default=str)
    if isinstance(value, list):
        text = "\n".join(filter(None, (_part(part, name) for part in value)))
    else:
        if key not in message:
            raise RowError(f"lacks the field '{name}'")
        text = _string(value, name)
    return f"{text}\n{json.dumps(calls, ensure_ascii=False, default=str)}" if calls else text


def _role(value: object, where: str, roles: Mapping[str, Role]) -> Role:
    role = roles.get(value) or roles.get(value.lower()) if isinstance(value, str) else None
    if role is None:
        raise RowError(f"field '{where}' holds the role {value!r}, which is none of {', '.join(roles)}")
    return role


def _messages(
    value: object,
    name: str,
    role_key: str | None = None,
    content_key: str | None = None,
    roles: Mapping[str, Role] = ROLES,
) -> list[Turn]:
    if not isinstance(value, list):
        raise RowError(f"field '{name}' must be a list of turns but is {_kind(value)}")
    turns = []
    for at, message in enumerate(value):
        where = f"{name}[{at}]"
        if not isinstance(message, Mapping):
            raise RowError(f"field '{where}' must be an object but is {_kind(message)}")
        who = role_key or ("from" if "from" in message and "role" not in message else "role")
        what = content_key or ("value" if "value" in message and "content" not in message else "content")
        if who not in message:
            raise RowError(f"lacks the field '{where}.{who}'")
        turns.append(Turn(_role(message[who], f"{where}.{who}", roles), _content(message, what, where)))
    if not turns:
        raise RowError(f"field '{name}' is an empty list")
    return turns


def _history(row: Row, name: str) -> list[Turn]:
    value = row.get(name)
    if value is None or value == "":
        return []
    if not isinstance(value, list):
        raise RowError(f"field '{name}' must be a list of [user, assistant] pairs but is {_kind(value)}")
    turns = []
    for at, pair in enumerate(value):
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise RowError(f"field '{name}[{at}]' must be a [user, assistant] pair")
        turns.append(Turn("user", _string(pair[0], f"{name}[{at}][0]")))
        turns.append(Turn("assistant", _string(pair[1], f"{name}[{at}][1]")))
    return turns


def _pair(row: Row, instruction: str, answer: str, more: str, system: str, history: str) -> list[Turn]:
    prompt = _string(_field(row, instruction), instruction)
    extra = _optional(row, more)
    prompt = f"{prompt}\n{extra}" if prompt and extra else prompt or extra
    response = _string(_field(row, answer), answer)
    head = _optional(row, system)
    return [
        *([Turn("system", head)] if head else []),
        *_history(row, history),
        Turn("user", prompt),
        Turn("assistant", response),
    ]


def _alpaca(row: Row) -> list[Turn]:
    return _pair(row, "instruction", "output", "input", "system", "history")


def _instruction_response(row: Row) -> list[Turn]:
    return _pair(row, "instruction", "response", "input", "system", "history")


def _prompt_completion(row: Row) -> list[Turn]:
    turns: list[Turn] = []
    roles: tuple[tuple[str, Role], ...] = (("prompt", "user"), ("completion", "assistant"))
    for name, role in roles:
        value = _field(row, name)
        turns += [Turn(role, value)] if isinstance(value, str) else _messages(value, name)
    return turns


def _sharegpt(row: Row) -> list[Turn]:
    head = _optional(row, "system")
    return [*([Turn("system", head)] if head else []), *_messages(_field(row, "conversations"), "conversations")]


def _preference(row: Row) -> list[Turn]:
    """Read the prompt with the chosen answer; the rejected one is no training target of SFT."""
    chosen = _field(row, "chosen")
    turns: list[Turn] = []
    for name in ("conversations", "messages", "prompt"):
        # A table has a column for all rows as soon as one of them has the field: null is no prompt, too.
        if row.get(name) is not None:
            turns = [Turn("user", row[name])] if isinstance(row[name], str) else _messages(row[name], name)
            break
    if isinstance(chosen, str):
        return [*turns, Turn("assistant", chosen)]
    if isinstance(chosen, Mapping):
        return [*turns, *_messages([chosen], "chosen")]
    answer = _messages(chosen, "chosen")
    # Some sets repeat the prompt inside `chosen`.
    return answer if answer[: len(turns)] == turns else [*turns, *answer]


def _text(row: Row) -> list[Turn]:
    return [Turn("assistant", _string(_field(row, "text"), "text"))]


def _has(*names: str) -> Callable[[Row], bool]:
    return lambda row: all(name in row for name in names) and not ({"chosen", "rejected"} <= row.keys())


_PAIR_KEYS = ("instruction", "input", "response", "system", "history")
_CHAT_KEYS = ("messages", "role", "content", "user", "assistant", "system")
_SAME_NAMES = {key: key for key in _PAIR_KEYS}

# In the order in which they are tried: the more telling field names first.
SCHEMAS: dict[str, Schema] = {
    schema.name: schema
    for schema in (
        Schema(
            "messages",
            "messages: [{role, content}]",
            _has("messages"),
            lambda row: _messages(_field(row, "messages"), "messages"),
            parts={"messages": "messages"},
        ),
        Schema(
            "sharegpt",
            "conversations: [{from, value}]",
            _has("conversations"),
            _sharegpt,
            parts={"messages": "conversations", "system": "system"},
        ),
        Schema(
            "alpaca",
            "instruction, output, optional input, system, history",
            _has("instruction", "output"),
            _alpaca,
            parts={**_SAME_NAMES, "response": "output"},
        ),
        Schema(
            "instruction-response",
            "instruction, response, optional input, system, history",
            _has("instruction", "response"),
            _instruction_response,
            parts=_SAME_NAMES,
        ),
        Schema(
            "prompt-completion",
            "prompt, completion: strings or message lists",
            _has("prompt", "completion"),
            _prompt_completion,
            parts={"instruction": "prompt", "response": "completion"},
        ),
        Schema("text", "text (all of it counts as response)", _has("text"), _text, parts={"response": "text"}),
        Schema(
            "preference",
            "prompt (or conversations, messages), chosen, rejected: the chosen answer is read",
            lambda row: "chosen" in row,
            _preference,
            detected=False,
        ),
    )
}


def named_schema(name: str) -> Schema:
    """Look a schema up by the name that `--schema` takes."""
    if name not in SCHEMAS:
        raise unknown_name("schema", name, list(SCHEMAS))
    return SCHEMAS[name]


def mapped_schema(columns: Mapping[str, str]) -> Schema:
    """Build a schema from `--columns`: which of the data's own fields plays which part.

    Args:
        columns: either parts of a pair (`instruction`, optional `input`, `response`, `system`, `history`) or of a
            chat (`messages`, optional `role`, `content` for the keys and `user`, `assistant`, `system` for the
            values of the role). A mapping without `response` reads prompts alone: only their instruction side exists.
    """
    keys = _CHAT_KEYS if "messages" in columns else _PAIR_KEYS
    for key in columns:
        if key not in keys:
            raise unknown_name("part in --columns", key, keys)
    shape = ", ".join(f"{key}={field}" for key, field in columns.items())
    if "messages" in columns:
        roles: dict[str, Role] = dict(ROLES)
        parts: tuple[Role, ...] = ("user", "assistant", "system")
        for part in parts:
            if part in columns:
                roles = {name: role for name, role in roles.items() if role != part} | {columns[part]: part}
        field = columns["messages"]
        return Schema(
            "columns",
            shape,
            lambda row: field in row,
            lambda row: _messages(_field(row, field), field, columns.get("role"), columns.get("content"), roles),
            parts={key: columns[key] for key in ("messages", "role", "content") if key in columns},
        )
    if "instruction" not in columns and "response" not in columns:
        raise ParameterError("--columns must name at least 'instruction', 'response' or 'messages'.")
    return Schema(
        "columns",
        shape,
        lambda row: all(field in row for key, field in columns.items() if key in ("instruction", "response")),
        lambda row: _mapped_turns(row, columns),
        has_response="response" in columns,
        parts=columns,
    )


def _mapped_turns(row: Row, columns: Mapping[str, str]) -> list[Turn]:
    # A name that no row can have stands for a part that was not mapped.
    part = {key: columns.get(key, "\0") for key in _PAIR_KEYS}
    if "response" not in columns:
        value = _field(row, columns["instruction"])
        prompts = value if isinstance(value, list) else [value]
        extra = _optional(row, part["input"])
        texts = [_string(prompt, columns["instruction"]) for prompt in prompts] + ([extra] if extra else [])
        return [Turn("user", text) for text in texts]
    if "instruction" not in columns:
        return [Turn("assistant", _string(_field(row, columns["response"]), columns["response"]))]
    return _pair(row, part["instruction"], part["response"], part["input"], part["system"], part["history"])
