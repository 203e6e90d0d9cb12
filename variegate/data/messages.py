"""Turns from a list of messages, in each of the ways that people and vendors write one."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from variegate.data.calls import as_pairs, calls_text, is_call, is_result, result_text
from variegate.data.names import REASONING, is_there
from variegate.data.record import Role, RowError, Turn, kind_of_value

__all__ = ["PAIRS", "ROLES", "are_messages", "message_keys", "message_list", "read_messages", "text_of"]

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
    "chatbot": "assistant",
    "ai": "assistant",
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
    "tool_result": "tool",
    "ipython": "tool",
}
# A question and its answer in one object, as Capybara, swift, The Cauldron and BELLE have them.
PAIRS = (
    ("input", "output"), ("human", "assistant"), ("user", "assistant"), ("question", "answer"), ("prompt", "response"),
    ("prompt", "completion"), ("instruction", "output"), ("instruction", "response"), ("query", "response"), ("human", "bot"),
    ("user", "bot"), ("human", "gpt"), ("user", "model"), ("q", "a"),
)  # fmt: skip
# In which order a part of a message is looked through for its text.
_PART_TEXTS = (
    "text", "value", "content", "reasoning", "thinking", "refusal", "summary", "transcript", "output", "parts",
    "reasoningContent", "reasoningText",
)  # fmt: skip
# What the model says or thinks in a field of the message beside its content.
_SAID = ("refusal",)
_LITERAL_DEPTH = 20


@dataclass
class _Read:
    """What one message comes to: turns in order, as the results of calls stand between what is said."""

    role: Role
    texts: list[str] = field(default_factory=list)
    calls: list[Any] = field(default_factory=list)
    turns: list[Turn] = field(default_factory=list)

    def result(self, text: str) -> None:
        if self.texts:
            self.turns.append(Turn(self.role, "\n".join(self.texts)))
            self.texts = []
        self.turns.append(Turn("tool", text))


def message_keys(message: Row, role_key: str | None = None, content_key: str | None = None) -> tuple[str, str]:
    """Return under which keys a message has its role and its content; a key that is null is not there."""
    who = role_key or next((key for key in ("role", "from") if message.get(key) is not None), None)
    what = content_key or next((key for key in ("content", "value", "parts") if message.get(key) is not None), None)
    who = who or ("from" if "from" in message and "role" not in message else "role")
    return who, what or ("value" if "value" in message and "content" not in message else "content")


def are_messages(value: object, role_key: str | None = None) -> bool:
    """Whether a value is a list of messages, each an object with a role; `role_key` is where that stands, if it is known."""
    return isinstance(value, list) and all(isinstance(one, Mapping) and message_keys(one, role_key)[0] in one for one in value)


def message_list(value: object) -> object:
    """Return turns as a list, where they are kept as JSON or Python text, as an object of lists, or as Arrow's maps."""
    if isinstance(value, bytes):
        value = _decoded(value)
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        value = _parsed(value)
    if isinstance(value, Mapping):
        lists = {key: one for key, one in value.items() if one is not None}
        if lists and all(isinstance(one, list) for one in lists.values()) and len({len(one) for one in lists.values()}) == 1:
            return [dict(zip(lists, one, strict=True)) for one in zip(*lists.values(), strict=True)]
        if isinstance(value.get("messages"), list):
            # OpenAI's preference format has the prompt as an object with messages and tools.
            return value["messages"]
    if isinstance(value, list):
        return [as_pairs(one) for one in value]
    return list(value) if isinstance(value, tuple) else value


def _decoded(value: bytes) -> str | bytes:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    # As Python writes a list, and pandas into CSV files. Python's own reader could be led too deep.
    if text.count("[") + text.count("{") > _LITERAL_DEPTH * (1 + text.count("}")):
        return text
    try:
        # An array of objects is written by numpy without commas between them.
        return ast.literal_eval(re.sub(r"\}\s*\n\s*\{", "}, {", text.strip()))
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return text


def text_of(value: object, name: str) -> str:
    """Return a text; bytes that are UTF-8 are one, as old writers of tables have them."""
    if isinstance(value, bytes):
        value = _decoded(value)
    if not isinstance(value, str):
        raise RowError(f"field '{name}' must be a string but is {kind_of_value(value)}")
    return value


def read_messages(
    value: object,
    name: str,
    role_key: str | None = None,
    content_key: str | None = None,
    roles: Mapping[str, Role] = ROLES,
    strings: bool = False,
) -> list[Turn]:
    """Read a list of messages.

    Args:
        value: the list, or what stands for one (see :func:`message_list`).
        name: of its field, for errors.
        role_key: under which key a message has its role; found by itself if None.
        content_key: under which it has its content.
        roles: whose turn each value of the role means.
        strings: whether plain strings are turns of the user and the assistant by turns.

    Raises:
        RowError: it is no such list.
    """
    value = message_list(value)
    if not isinstance(value, list):
        raise RowError(f"field '{name}' must be a list of turns but is {kind_of_value(value)}")
    if strings and value and all(isinstance(one, str) for one in value):
        return [Turn("assistant" if at % 2 else "user", one) for at, one in enumerate(value)]
    turns: list[Turn] = []
    for at, message in enumerate(value):
        where = f"{name}[{at}]"
        if not isinstance(message, Mapping):
            raise RowError(f"field '{where}' must be an object but is {kind_of_value(message)}")
        turns += _message(message, where, role_key, content_key, roles)
    if not turns:
        raise RowError(f"field '{name}' is an empty list")
    return turns


def _message(message: Row, where: str, role_key: str | None, content_key: str | None, roles: Mapping[str, Role]) -> list[Turn]:
    who, what = message_keys(message, role_key, content_key)
    if message.get(who) is None and role_key is None:
        item = _item(message, where) or _pair(message, where)
        if item is not None:
            return item
    if who not in message:
        raise RowError(f"lacks the field '{where}.{who}'")
    read = _Read(_role(message[who], f"{where}.{who}", roles))
    reasoning = "\n".join(_reasoning(message, f"{where}.")) if read.role == "assistant" else ""
    content, given = message.get(what), _calls(message)
    extra = [str(message[key]) for key in _SAID if isinstance(message.get(key), str) and message[key]]
    if content is not None or not (given or reasoning or extra):
        if what not in message:
            raise RowError(f"lacks the field '{where}.{what}'")
        _content(content, f"{where}.{what}", read)
    text = "\n".join(filter(None, [reasoning, *read.texts, *extra, calls_text([*read.calls, *given])]))
    if not (read.turns and not text):
        read.turns.append(Turn(read.role, text, reasoning))
    return read.turns


def _calls(message: Row) -> list[Any]:
    """Return the calls that stand beside a message's content: OpenAI's key, its older one, and each of them as JSON text."""
    found: list[Any] = []
    for key in ("tool_calls", "function_call"):
        value = message.get(key)
        if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
            value = _parsed(value)
        value = as_pairs(value)
        if isinstance(value, Mapping):
            # Arrow gives every message the object, with nothing but nulls in it where there is no call.
            value = [value] if any(is_there(one) for one in value.values()) else []
        if isinstance(value, list):
            found += value
        elif is_there(value):
            found.append(value)
    return found


def _item(message: Row, where: str) -> list[Turn] | None:
    """Read an item without a role, as OpenAI's Responses API has them: a call, its result, what the model thinks."""
    if is_result(message):
        read = _Read("tool")
        _content(result_text(message), where, read)
        return [*read.turns, Turn("tool", "\n".join(read.texts))]
    if is_call(message):
        return [Turn("assistant", calls_text([message]))]
    if message.get("type") == "reasoning":
        return [Turn("assistant", _part(message, where))]
    return None


def _pair(message: Row, where: str) -> list[Turn] | None:
    names = {str(key).lower(): key for key in message}
    for asked, answered in PAIRS:
        if names.keys() >= {asked, answered} and message[names[asked]] is not None:
            texts = [message[names[one]] for one in (asked, answered)]
            system = message.get("system")
            head = [Turn("system", system)] if isinstance(system, str) and system else []
            user = Turn("user", text_of(texts[0], f"{where}.{names[asked]}"))
            if texts[1] is None:
                return [*head, user]
            return [*head, user, Turn("assistant", text_of(texts[1], f"{where}.{names[answered]}"))]
    return None


def _reasoning(message: Row, where: str) -> Iterator[str]:
    for key in REASONING:
        value = message.get(key)
        text = value if isinstance(value, str) else _part(value, f"{where}{key}") if isinstance(value, list | Mapping) else ""
        if text:
            yield text


def _role(value: object, where: str, roles: Mapping[str, Role]) -> Role:
    role = roles.get(value) or roles.get(value.lower()) if isinstance(value, str) else None
    if role is None:
        raise RowError(f"field '{where}' holds the role {value!r}, which is none of {', '.join(roles)}")
    return role


def _content(value: object, name: str, read: _Read) -> None:
    value = as_pairs(value)
    if isinstance(value, list):
        for part in map(as_pairs, value):
            if isinstance(part, Mapping) and is_result(part):
                inner = _Read("tool")
                _content(result_text(part), name, inner)
                read.result("\n".join(inner.texts))
            elif isinstance(part, Mapping) and is_call(part):
                read.calls.append(part)
            else:
                read.texts += filter(None, [_part(part, name)])
        return None
    if isinstance(value, Mapping) and (isinstance(value.get("parts"), list) or ("type" in value and "text" in value)):
        return _content(value.get("parts") or [value], name, read)
    read.texts += filter(None, [text_of(value, name)])
    return None


def _part(part: object, name: str) -> str:
    """Return the text of a part. Images and audio have none to measure; the text beside them still counts."""
    if isinstance(part, str):
        return part
    part = as_pairs(part)
    if isinstance(part, list):
        return "\n".join(filter(None, (_part(one, name) for one in part)))
    if not isinstance(part, Mapping):
        raise RowError(f"field '{name}' holds a part that is {kind_of_value(part)}")
    for key in _PART_TEXTS:
        value = part.get(key)
        if isinstance(value, str | list | Mapping) and value:
            text = _part(value, name)
            if text:
                return text
    source = part.get("source")
    if isinstance(source, Mapping) and source.get("type") == "text":
        # A document that is handed over as plain text.
        return _part(source.get("data") or "", name)
    return ""
