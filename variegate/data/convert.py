"""Rows in another schema: through the record, with every other column, and only where nothing is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from variegate.data.messages import PAIRS, are_messages, message_keys
from variegate.data.names import REASONING
from variegate.data.pairs import preference_fields
from variegate.data.record import Role, Turn
from variegate.data.schema import SCHEMAS, RowError, Schema
from variegate.errors import DataError, unknown_name

__all__ = ["TARGETS", "Sample", "consumed_fields", "convert_rows", "convertible", "is_in", "keys_of", "target_schema"]

# A row, the schema that it is read by, and where it stands.
Sample = tuple[Mapping[str, Any], Schema, str]
Extras = list[dict[str, Any]]

# What each role is called in the schemas that are written.
CHATML: dict[Role, str] = {"system": "system", "user": "user", "assistant": "assistant", "tool": "tool"}
SHAREGPT: dict[Role, str] = {"system": "system", "user": "human", "assistant": "gpt", "tool": "observation"}
# Turns in which the model calls a function: as plain answers they would be something else.
CALLS = ("function_call", "tool_call")
TEXT_PARTS = ("text", "input_text", "output_text")


def _messages(turns: Sequence[Turn], extras: Extras) -> dict[str, Any]:
    for more in extras:
        _refuse_extras([{key: value for key, value in more.items() if key in ("role", "content", "from", "value")}])
    return {
        "messages": [
            {
                "role": CHATML[turn.role],
                "content": turn.said,
                **({"reasoning_content": turn.reasoning} if turn.reasoning else {}),
                **more,
            }
            for turn, more in zip(turns, extras, strict=True)
        ]
    }


def _sharegpt(turns: Sequence[Turn], extras: Extras) -> dict[str, Any]:
    _refuse_extras(extras)
    _refuse_reasoning(turns)
    return {"conversations": [{"from": SHAREGPT[turn.role], "value": turn.text} for turn in turns]}


def _prompt_completion(turns: Sequence[Turn], extras: Extras) -> dict[str, Any]:
    _refuse_extras(extras)
    roles = [turn.role for turn in turns]
    if roles not in (["user", "assistant"], ["system", "user", "assistant"]):
        raise RowError(f"its turns are {_roles(turns)}, and there is room for a system prompt, one question and one answer")
    # As messages, not strings: TRL puts strings together with nothing between them, and without the chat template.
    messages = _messages(turns, extras)["messages"]
    return {"prompt": messages[:-1], "completion": messages[-1:]}


def _alpaca(turns: Sequence[Turn], extras: Extras) -> dict[str, Any]:
    _refuse_extras(extras)
    _refuse_reasoning(turns)
    head, rest = (turns[0].text, turns[1:]) if turns[0].role == "system" else ("", turns)
    if not rest or len(rest) % 2 or any(turn.role != ("user", "assistant")[at % 2] for at, turn in enumerate(rest)):
        raise RowError(f"its turns are {_roles(turns)}, and there is room for a system prompt and pairs of user and assistant")
    texts = [turn.text for turn in rest]
    history = [[texts[at], texts[at + 1]] for at in range(0, len(texts) - 2, 2)]
    return {"instruction": texts[-2], "input": "", "output": texts[-1], "system": head, "history": history}


TARGETS: dict[str, Callable[[Sequence[Turn], Extras], dict[str, Any]]] = {
    "messages": _messages,
    "prompt-completion": _prompt_completion,
    "alpaca": _alpaca,
    "sharegpt": _sharegpt,
}


def target_schema(name: str) -> Schema:
    """Look up a schema that rows can be written in."""
    if name not in TARGETS:
        raise unknown_name("schema for --as", name, list(TARGETS))
    return SCHEMAS[name]


def convert_rows(samples: Iterable[Sample], target: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]], bool]:
    """Write rows in another schema.

    Args:
        samples: the rows.
        target: a name from `TARGETS`.

    Returns:
        Of each row the fields of the new schema, and its other fields; and whether any row was changed: those that are in the
        schema already stay as they are.

    Raises:
        DataError: a row would lose something; the message says where it stands, what, and the way out.
    """
    write = TARGETS[target]
    written, others, changed = [], [], False
    for row, schema, where in samples:
        try:
            fields = consumed_fields(row, schema)
            own = {name: row[name] for name in fields}
            if not is_in(row, schema, target):
                own = _checked(row, schema, target, write)
                changed = True
            rest = {name: value for name, value in row.items() if name not in fields}
            taken = {*own, *SCHEMAS[target].parts.values()} & rest.keys()
            if taken:
                raise RowError(f"its field '{min(taken)}' is another one than that of {target}, and would stand in its place")
        except RowError as error:
            raise DataError(
                f"{where}: cannot be written as {target} without loss: {error}. {_way_out(row, schema, target)}"
            ) from None
        written.append(own)
        others.append(rest)
    if target == "alpaca" and changed:
        _leave_out_what_no_row_has(written)
    return written, others, changed


def _way_out(row: Mapping[str, Any], schema: Schema, target: str) -> str:
    other = target != "messages" and convertible(row, schema)
    return (
        f"{'Pass --as messages, which has room for it, or leave' if other else 'Leave'} --as out to write the rows as they came."
    )


def convertible(row: Mapping[str, Any], schema: Schema) -> bool:
    """Whether a row can be written as messages."""
    try:
        return is_in(row, schema, "messages") or bool(_checked(row, schema, "messages", _messages))
    except RowError:
        return False


def consumed_fields(row: Mapping[str, Any], schema: Schema) -> list[str]:
    """Return the fields of a row that its schema reads."""
    if schema.parts:
        names = [field for part, field in schema.parts.items() if part not in ("role", "content")]
    elif schema.name == "stepwise":
        names = ["prompt", "completions"]
    else:
        prompt, chosen = preference_fields(row)
        more = ("system", "system_prompt", *(("input", "history") if prompt == "instruction" else ()))
        names = [*more, *([prompt] if prompt else []), chosen]
    return [name for name in dict.fromkeys(names) if name in row]


def keys_of(message: Mapping[str, Any], schema: Schema) -> tuple[str, str]:
    """Return under which keys a message has its role and its content; the reader's own rule."""
    return message_keys(message, schema.parts.get("role"), schema.parts.get("content"))


def is_in(row: Mapping[str, Any], schema: Schema, target: str) -> bool:
    """Whether a row can be taken for one of the target's as it is."""
    if schema.name != target:
        return False
    if target == "prompt-completion":
        return isinstance(row["prompt"], list) and isinstance(row["completion"], list)
    if any(row.get(schema.parts.get(part, "")) for part in ("context", "reasoning")):
        return False
    if target == "alpaca":
        return True
    keys, names = (("role", "content"), CHATML) if target == "messages" else (("from", "value"), SHAREGPT)
    schema.record(row)
    messages = row[schema.parts["messages"]]
    return (
        not row.get("system")
        and are_messages(messages, schema.parts.get("role"))
        and all(
            keys_of(one, schema) == keys
            and one[keys[0]] in (*names.values(), *(CALLS if target == "sharegpt" else ()))
            and (isinstance(one.get(keys[1]), str) or (target == "messages" and _calls(one)))
            for one in messages
        )
    )


def _calls(message: Mapping[str, Any]) -> bool:
    return bool(message.get("tool_calls") or message.get("function_call"))


def _checked(
    row: Mapping[str, Any], schema: Schema, target: str, write: Callable[[Sequence[Turn], Extras], dict[str, Any]]
) -> dict[str, Any]:
    if not schema.has_response:
        raise RowError("it is a prompt without a response")
    turns = schema.record(row).turns
    if not any(turn.role == "user" for turn in turns):
        raise RowError("it has no user turn, and making one up would be no conversion")
    out = write(turns, _extras(row, schema, len(turns)))
    # What is read back must be what was there: the reader drops an empty system prompt, for one.
    if SCHEMAS[target].record(out).turns != turns:
        raise RowError("read back, it would be other turns, for example because one of them is empty")
    return out


def _extras(row: Mapping[str, Any], schema: Schema, turns: int) -> Extras:
    """Return what each turn has beyond its role and text; refuse what the reader of turns passes over."""
    found: Extras = []
    for field in consumed_fields(row, schema):
        value = row[field]
        messages = value if isinstance(value, list) else [value] if isinstance(value, Mapping) else []
        if field == schema.parts.get("history"):
            continue
        if messages and not are_messages(messages, schema.parts.get("role")):
            _refuse_keys_beside(messages, field)
            continue
        if field == "completion" and len(messages) > 1:
            raise RowError("its completion has several turns, and where the prompt ends would be lost")
        found += [_extra(one, schema, f"{field}[{at}]") for at, one in enumerate(messages)]
    if len(found) != turns:
        # Some turns are no messages: a system field stands first; elsewhere which message is which turn is not known.
        if schema.name != "sharegpt":
            _refuse_extras(found)
            return [{}] * turns
        return [{}] * (turns - len(found)) + found
    return found


def _extra(message: Mapping[str, Any], schema: Schema, where: str) -> dict[str, Any]:
    who, what = keys_of(message, schema)
    if message[who] in CALLS or _calls(message):
        raise RowError(f"'{where}' calls a function, which the other schema would hold as a plain answer")
    content = message.get(what)
    for part in content if isinstance(content, list) else []:
        if isinstance(part, Mapping):
            _refuse_more_than_text(part, f"{where}.{what}")
    # What the model thinks is part of its turn.
    read = (who, what, *REASONING)
    return {key: value for key, value in message.items() if key not in read and value not in (None, [])}


def _refuse_keys_beside(items: Sequence[Any], where: str) -> None:
    """Refuse what pairs of a question and an answer have besides these."""
    for at, item in enumerate(items):
        if isinstance(item, Mapping):
            known = next((pair for pair in PAIRS if {str(key).lower() for key in item} >= set(pair)), ())
            more = [key for key, value in item.items() if str(key).lower() not in known and value not in (None, [], "")]
            if more:
                raise RowError(f"'{where}[{at}]' has a field '{more[0]}' for which there is no room")


def _refuse_more_than_text(part: Mapping[str, Any], where: str) -> None:
    keys = {key for key, value in part.items() if value is not None}
    texts = keys & {"text", "value", "content"}
    if part.get("type", "text") not in TEXT_PARTS or len(texts) != 1:
        raise RowError(f"'{where}' holds a part that is no text ({part.get('type')!r})")
    if keys - texts - {"type"}:
        raise RowError(f"'{where}' holds a part with a field '{min(keys - texts - {'type'})}' for which there is no room")


def _refuse_extras(extras: Extras) -> None:
    for more in extras:
        for key in more:
            raise RowError(f"a turn has a field '{key}' for which there is no room")


def _refuse_reasoning(turns: Sequence[Turn]) -> None:
    if any(turn.reasoning for turn in turns):
        raise RowError("what the model thinks stands in a field of its own, for which there is no room")


def _roles(turns: Sequence[Turn]) -> str:
    shown = ", ".join(turn.role for turn in turns[:6])
    return shown if len(turns) <= 6 else f"{shown} and {len(turns) - 6} more"


def _leave_out_what_no_row_has(rows: list[dict[str, Any]]) -> None:
    for name in ("system", "history"):
        if not any(row.get(name) for row in rows):
            for row in rows:
                row.pop(name, None)
