"""The schemas that instruction data come in: one table, each row a pure function from a raw row to a record."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from variegate.data.messages import ROLES, read_messages
from variegate.data.names import is_there
from variegate.data.pairs import PARTS, field_of, optional, pair_turns, preference_turns, stepwise_turns
from variegate.data.record import Record, Role, RowError, Turn, kind_of_value
from variegate.errors import ParameterError, unknown_name

__all__ = ["SCHEMAS", "RowError", "Schema", "mapped_schema", "mixed_schema", "named_schema"]

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Schema:
    """How one shape of row is recognised and read.

    Attributes:
        name: what `--schema` takes.
        fields: the shape, for people.
        needs: the fields without which a row has not this shape.
        turns: the turns of a row; raises :class:`RowError` on a bad one.
        detected: False for shapes that must be asked for, because reading them takes a decision.
        has_response: False where rows hold prompts alone.
        parts: which field plays which part: those of a pair (see `pairs.PARTS`), or `messages` with the keys `role` and `content`
            where they are fixed. Empty where that differs from row to row.
        members: the schemas that the rows of a mixed set have; none for all others.
    """

    name: str
    fields: str
    needs: tuple[str, ...]
    turns: Callable[[Row], list[Turn]]
    detected: bool = True
    has_response: bool = True
    parts: Mapping[str, str] = field(default_factory=dict)
    members: tuple[Schema, ...] = ()

    def matches(self, row: Row) -> bool:
        """Whether a row has what this shape needs; a field that is null or empty is not there."""
        if self.members:
            return any(member.matches(row) for member in self.members)
        if self.detected and is_there(row.get("chosen")) and is_there(row.get("rejected")):
            return False
        return all(is_there(row.get(name)) for name in self.needs)

    def names_fit(self, row: Row) -> bool:
        """Whether a row has the fields of this shape, whatever is in them."""
        return all(name in row for name in self.needs) and not {"chosen", "rejected"} <= row.keys()

    def of(self, row: Row) -> Schema:
        """Return the schema that a row is read by: this one, or the member of a mixed one that it matches."""
        return next((member for member in self.members if member.matches(row)), self.members[0]) if self.members else self

    def record(self, row: object) -> Record:
        """Read one raw row.

        Raises:
            RowError: the row is not an object, lacks a field, holds a wrong type, or has an empty response.
        """
        if not isinstance(row, Mapping):
            raise RowError(f"is not an object with named fields but {kind_of_value(row)}")
        if self.members:
            return self.of(row).record(row)
        try:
            record = Record(tuple(self.turns(row)))
        except RecursionError:
            raise RowError("is nested too deeply to be read") from None
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


def _check_unicode(turn: Turn) -> None:
    if not turn.text.isascii():
        try:
            turn.text.encode()
        except UnicodeEncodeError:
            raise RowError(f"holds half of a surrogate pair in the {turn.role}'s text, which is no valid text") from None


def _chat(
    row: Row,
    parts: Mapping[str, str],
    role: str | None = None,
    content: str | None = None,
    roles: Mapping[str, Role] = ROLES,
    strings: bool = False,
) -> list[Turn]:
    head = optional(row, parts["system"]) if "system" in parts else ""
    turns = read_messages(field_of(row, parts["messages"]), parts["messages"], role, content, roles, strings)
    return [*([Turn("system", head)] if head else []), *turns]


def _of_pairs(name: str, fields: str, needs: tuple[str, ...], parts: Mapping[str, str]) -> Schema:
    return Schema(name, fields, needs, partial(pair_turns, parts=parts), parts=parts, has_response="response" in parts)


def _of_messages(name: str, fields: str, field: str) -> Schema:
    parts = {"messages": field, "system": "system"}
    return Schema(name, fields, (field,), partial(_chat, parts=parts), parts=parts)


_SAME_NAMES = {key: key for key in ("instruction", "input", "response", "system", "history")}
_CHAT_KEYS = ("messages", "role", "content", "user", "assistant", "system")

# In the order in which they are tried: the more telling field names first.
SCHEMAS: dict[str, Schema] = {
    schema.name: schema
    for schema in (
        _of_messages("messages", "messages: [{role, content}]", "messages"),
        _of_messages("sharegpt", "conversations: [{from, value}]", "conversations"),
        _of_messages("contents", "contents: [{role, parts}], as Gemini has them", "contents"),
        _of_pairs(
            "alpaca", "instruction, output, optional input, system, history", ("instruction", "output"),
            {**_SAME_NAMES, "response": "output"},
        ),
        _of_pairs(
            "instruction-response", "instruction, response, optional input, system, history", ("instruction", "response"),
            _SAME_NAMES,
        ),
        _of_pairs(
            "prompt-completion", "prompt, completion: strings or message lists", ("prompt", "completion"),
            {"instruction": "prompt", "response": "completion"},
        ),
        Schema(
            "stepwise", "prompt, completions: the steps of one answer, labels", ("prompt", "completions", "labels"),
            stepwise_turns,
        ),
        _of_pairs("text", "text (all of it counts as response)", ("text",), {"response": "text"}),
        _of_pairs(
            "prompt-only", "prompt: a string or a message list, without a response", ("prompt",), {"instruction": "prompt"},
        ),
        Schema(
            "preference",
            "prompt (or conversations, messages, question, instruction), chosen, rejected: the chosen answer is read",
            ("chosen",),
            preference_turns,
            detected=False,
        ),
    )
}  # fmt: skip


def named_schema(name: str) -> Schema:
    """Look a schema up by the name that `--schema` takes."""
    if name not in SCHEMAS:
        raise unknown_name("schema", name, list(SCHEMAS))
    return SCHEMAS[name]


def mixed_schema(members: Sequence[Schema]) -> Schema:
    """Return the schema of a set whose rows have several: each row is read by the first that it matches."""
    return Schema(
        " + ".join(one.name for one in members),
        "; ".join(one.fields for one in members),
        (),
        lambda row: next((one for one in members if one.matches(row)), members[0]).turns(row),
        has_response=all(one.has_response for one in members),
        members=tuple(members),
    )


def mapped_schema(columns: Mapping[str, str]) -> Schema:
    """Build a schema from `--columns`: which of the data's own fields plays which part.

    Args:
        columns: either parts of a pair (`instruction`, optional `input`, `context`, `reasoning`, `response`, `system`, `history`)
            or of a chat (`messages`, optional `role`, `content` for the keys and `user`, `assistant`, `system` for the
            values of the role). A mapping without `response` reads prompts alone: only their instruction side exists.
    """
    keys = _CHAT_KEYS if "messages" in columns else PARTS
    for key in columns:
        if key not in keys:
            raise unknown_name("part in --columns", key, keys)
    shape = ", ".join(f"{key}={field}" for key, field in columns.items())
    if "messages" in columns:
        roles: dict[str, Role] = dict(ROLES)
        named: tuple[Role, ...] = ("user", "assistant", "system")
        for part in named:
            if part in columns:
                roles = {name: role for name, role in roles.items() if role != part} | {columns[part]: part}
        parts = {key: columns[key] for key in ("messages", "role", "content") if key in columns}
        chat = partial(
            _chat, parts=parts, role=columns.get("role"), content=columns.get("content"), roles=roles, strings=True
        )  # fmt: skip
        return Schema("columns", shape, (columns["messages"],), chat, parts=parts)
    if "instruction" not in columns and "response" not in columns:
        raise ParameterError("--columns must name at least 'instruction', 'response' or 'messages'.")
    needs = tuple(columns[key] for key in ("instruction", "response") if key in columns)
    return _of_pairs("columns", shape, needs, dict(columns))
