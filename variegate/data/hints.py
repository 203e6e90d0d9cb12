"""What to pass where no schema fits: only what reads the rows, as it is tried on them first."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from variegate.data.fitting import field_names, fitted, how_many_read, thinks
from variegate.data.markers import marker_in
from variegate.data.messages import ROLES, message_list
from variegate.data.names import ANSWERS, PASSAGES, PROMPTS, REASONING, SYSTEMS, by_rank, is_reference, is_there, plain
from variegate.data.record import RowError
from variegate.data.schema import SCHEMAS, mapped_schema

__all__ = ["ROLE_KEYS", "chat_columns", "columns_option", "marked_field", "pair_columns", "why_none_fits"]

Row = Mapping[str, Any]
Rows = Sequence[Row]

TURN_NAMES = ("turns", "prompts", "instructions", "questions")
ROLE_KEYS = ("role", "from", "speaker", "author", "sender", "agent", "participant", "name", "type", "who", "speaker_role")
CONTENT_KEYS = ("content", "value", "text", "utterance", "message", "sentence", "body", "data")
# What the two sides of a dialogue are called beyond the roles that are known: these are proposed, not taken for granted.
USERS = {
    "customer", "client", "patient", "student", "caller", "seeker", "asker", "usr", "visitor", "player", "person", "用户", "患者",
    "客户",
}  # fmt: skip
ASSISTANTS = {
    "agent", "doctor", "support", "operator", "therapist", "advisor", "tutor", "teacher", "helper", "sys", "wizard", "助手",
    "医生", "客服",
}  # fmt: skip
# Pairs of fields that hold the better and the worse answer.
PREFERENCES = (("chosen", "rejected"), ("chosen_response", "rejected_response"), ("preferred_output", "non_preferred_output"))


def columns_option(columns: Mapping[str, str]) -> str:
    """Return `--columns` as it is typed into a shell."""
    return f"--columns {shlex.quote(','.join(f'{part}={field}' for part, field in columns.items()))}"


def why_none_fits(rows: Rows) -> str:
    """Say why no schema fits, and what to pass or to convert."""
    row = rows[0]
    fields = f"no schema has the fields {', '.join(map(str, row)) or 'none'}"
    # Only a plain word with spaces around it: a line of data taken for a header has spaces anywhere.
    spaced = next((name for name in map(str, row) if name != name.strip() and name.strip().isidentifier()), None)
    if spaced is not None:
        return (
            f"the field name {spaced!r} has spaces around it. Take them out: a response, for one, is looked for under 'response'."
        )
    if any(row.get(better) is not None and worse in row for better, worse in PREFERENCES):
        return (
            f"preference pairs (fields: {', '.join(map(str, row))}), not instruction data. Pass --schema preference to read each "
            "prompt with its chosen answer."
        )
    pair = pair_columns(rows)
    if pair is not None:
        return f"{fields}. {_told(pair, rows)}"
    nested = _pairs_under_an_instruction(rows, fields)
    if nested is not None:
        return nested
    chat = chat_columns(rows)
    if chat is not None:
        return f"{fields}. {_told_chat(chat, rows)}"
    for say in (_marked, _wrapped, _several_answers, _turns_that_no_option_reads, _prompts_alone, _no_header):
        found = say(rows, fields)
        if found is not None:
            return found
    return (
        f"{fields}. Name the ones to read with --columns instruction=FIELD,response=FIELD (or messages=FIELD), or rename them. "
        "`variegate list schemas` shows what is known."
    )


def _reads(columns: Mapping[str, str], rows: Rows) -> bool:
    """Whether these columns read most of the rows, with words of the user and, where there is one, of an answer."""
    if any("," in field or "=" in field for field in columns.values()):
        return False
    schema, _ = fitted(mapped_schema(columns), rows)
    return 2 * how_many_read(schema, rows) >= len(rows)


def pair_columns(rows: Rows) -> dict[str, str] | None:
    """Return the columns that read the rows as questions and answers; None where there are no such fields."""
    names = [name for name in field_names(rows) if "," not in name and "=" not in name]
    answers = by_rank(names, ANSWERS)
    if not all(map(is_reference, answers)):
        # What was answered and cannot be read as it is: better converted than replaced by what is expected.
        answers = [name for name in answers if not is_reference(name)]
    chats = [name for name in by_rank(names, PASSAGES) if isinstance(message_list(row_of(rows, name)), list)]
    for prompt in by_rank(names, PROMPTS) or chats:
        # A source is mostly where a row is from: it is a question only where it is a sentence.
        if plain(prompt) == "source" and not any(" " in str(row.get(prompt)) for row in rows):
            continue
        for answer in answers:
            if answer == prompt:
                continue
            columns = {"instruction": prompt, "response": answer}
            if not _reads(columns, rows):
                continue
            for part, known in (("input", (*PASSAGES, "input", "inputs")), ("reasoning", REASONING), ("system", SYSTEMS)):
                own = [name for name in by_rank(names, known) if part != "reasoning" or thinks(rows, name)]
                more = next((name for name in own if name not in columns.values()), None)
                if more is not None and _reads({**columns, part: more}, rows):
                    columns[part] = more
            return columns
    return None


def row_of(rows: Rows, name: str) -> Any:
    """Return the first value of a field that says anything."""
    return next((row[name] for row in rows if is_there(row.get(name))), None)


def _told(columns: Mapping[str, str], rows: Rows) -> str:
    prompt, answer = columns["instruction"], columns["response"]
    others = [name for name in by_rank(field_names(rows), ANSWERS) if name not in columns.values()]
    beside = f" ({' and '.join(map(repr, others[:3]))} may hold answers, too.)" if others else ""
    return f"If '{prompt}' is the instruction and '{answer}' the response, pass {columns_option(columns)}.{beside}"


def chat_columns(rows: Rows) -> dict[str, str] | None:
    """Return the columns that read the rows as lists of turns; None where no field holds such a list."""
    for name in field_names(rows):
        if "," in name or "=" in name:
            continue
        values = [message_list(row.get(name)) for row in rows]
        lists = [value for value in values if isinstance(value, list) and value]
        if 2 * len(lists) < len(rows):
            continue
        for columns in _chat_candidates(name, lists):
            if _reads_chat(columns, rows):
                return columns
    return None


def _reads_chat(columns: Mapping[str, str], rows: Rows) -> bool:
    schema = mapped_schema(columns)
    good = 0
    for row in rows:
        try:
            turns = schema.record(row).turns
        except RowError:
            continue
        good += any(turn.role == "user" for turn in turns)
    return 2 * good >= len(rows)


def _chat_candidates(name: str, lists: list[list[Any]]) -> Iterator[dict[str, str]]:
    first = lists[0][0]
    # Two texts and more, so that a list of names or of choices is no chat.
    if isinstance(first, str) and sum(len(one) > 1 and any(" " in str(text) for text in one) for one in lists) * 2 < len(lists):
        return
    if isinstance(first, str) and (plain(name) in TURN_NAMES or plain(name) in PASSAGES or by_rank([name], ANSWERS)):
        return
    yield {"messages": name}
    if not isinstance(first, Mapping):
        return
    keys = [str(key) for message in lists[0] if isinstance(message, Mapping) for key in message]
    roles = [key for known in ROLE_KEYS for key in dict.fromkeys(keys) if plain(key) == known]
    contents = [key for known in CONTENT_KEYS for key in dict.fromkeys(keys) if plain(key) == known]
    for role in roles:
        for content in contents:
            if role == content:
                continue
            keyed = {"messages": name, "role": role, "content": content}
            yield keyed
            speakers = _speakers(lists, role)
            if speakers is not None:
                yield keyed | speakers


def _speakers(lists: list[list[Any]], role: str) -> dict[str, str] | None:
    """Say who is the user and who the assistant, by their names where these tell, else by who speaks first."""
    names = [str(message.get(role)) for one in lists for message in one if isinstance(message, Mapping)]
    found = list(dict.fromkeys(names))
    meant = {name: ROLES.get(name.lower()) for name in found}
    users = [name for name in found if meant[name] == "user" or name.lower() in USERS]
    assistants = [name for name in found if meant[name] == "assistant" or name.lower() in ASSISTANTS]
    others = [name for name in found if name not in users and name not in assistants and meant[name] in (None, "system")]
    # A dialogue's system answers; beside an assistant it sets the scene.
    unknown = [name for name in others if meant[name] is None or not assistants]
    if not users and unknown and (assistants or len(unknown) > 1):
        users = [unknown.pop(0)]
    if not assistants and unknown:
        assistants = [unknown.pop(0)]
    if len(users) != 1 or len(assistants) != 1 or any("," in name or "=" in name for name in (*users, *assistants)):
        return None
    return {"user": users[0], "assistant": assistants[0]}


def _told_chat(columns: Mapping[str, str], rows: Rows) -> str:
    name = columns["messages"]
    if "user" in columns:
        return f"If '{name}' holds the turns and '{columns['user']}' is the user, pass {columns_option(columns)}."
    first = next(value[0] for value in (message_list(row.get(name)) for row in rows) if isinstance(value, list) and value)
    if isinstance(first, str):
        return (
            f"'{name}' is a list of texts: if they are the user's and the assistant's by turns, the user's first, pass "
            f"{columns_option(columns)}."
        )
    return f"If '{name}' holds the turns, pass {columns_option(columns)}."


def marked_field(rows: Rows) -> tuple[str, str] | None:
    """Return the field whose texts are mostly rendered conversations, and such a mark; None if there is none."""
    for name in field_names(rows):
        texts = [row[name] for row in rows if isinstance(row.get(name), str)]
        marks = [mark for mark in map(marker_in, texts) if mark is not None]
        if marks and 2 * len(marks) > len(texts):
            return name, marks[0]
    return None


def _marked(rows: Rows, fields: str) -> str | None:
    found = marked_field(rows)
    if found is None:
        return None
    name, mark = found
    if "," in name or "=" in name:
        return None
    return (
        f"{fields}, and '{name}' holds whole conversations with chat markers ({mark!r}), so the sides cannot be told apart. "
        f"Split them into messages: [{{role, content}}], or pass {columns_option({'response': name})} to count all of it as "
        "response."
    )


def _wrapped(rows: Rows, fields: str) -> str | None:
    known = [one for one in SCHEMAS.values() if one.name not in ("text", "prompt-only")]
    for name, value in rows[0].items():
        if isinstance(value, Mapping) and (any(one.matches(value) for one in known) or pair_columns([value])):
            return (
                f"{fields}. The rows stand one level deeper, under '{name}'. Take them out: "
                f"jq -c '.[\"{name}\"]' FILE > rows.jsonl"
            )
    return None


def _pairs_under_an_instruction(rows: Rows, fields: str) -> str | None:
    """Propose a conversion where an instruction has a list of inputs and outputs, as Self-Instruct's seeds do."""
    names = field_names(rows)
    prompt = next((name for name in by_rank(names, PROMPTS[:6]) if isinstance(row_of(rows, name), str)), None)
    for name in names:
        value: Any = row_of(rows, name)
        if prompt is not None and _is_list_of(value, Mapping) and {"input", "output"} <= value[0].keys():
            return (
                f"{fields}. Each object in '{name}' is one input of '{prompt}' and its output. Write one row for each: "
                f"jq -c '.{_path(name)}[] as $one | {{instruction: .{_path(prompt)}, input: $one.input, output: $one.output}}' "
                "FILE > rows.jsonl (with .[] | in front for a JSON list)"
            )
    return None


def _several_answers(rows: Rows, fields: str) -> str | None:
    """Propose a conversion where an answer is a list, or an object with a list of texts."""
    row = rows[0]
    prompts = [name for name in by_rank(field_names(rows), PROMPTS) if isinstance(row.get(name), str)]
    for answer in by_rank(field_names(rows), ANSWERS):
        value: Any = row.get(answer)
        prompt = next((name for name in prompts if name != answer), None)
        if prompt is None or isinstance(value, str):
            continue
        passage = next((name for name in by_rank(field_names(rows), PASSAGES) if isinstance(row.get(name), str)), None)
        more = f", input: .{_path(passage)}" if passage else ""
        where, key = f".{_path(answer)}", None
        if isinstance(value, Mapping):
            key = next(
                (str(key) for key, one in value.items() if isinstance(one, list) and one and isinstance(one[0], str)), None
            )
            if key is None:
                continue
            where += f".{_path(key)}"
        elif _is_list_of(value, Mapping):
            keys = [str(key) for key in value[0] if isinstance(value[0][key], str)]
            key = next(iter([*by_rank(keys, ANSWERS), *(one for one in keys if plain(one) in CONTENT_KEYS)]), None)
            if key is None:
                continue
            where += f"[].{_path(key)}"
        elif not _is_list_of(value, str):
            continue
        where += "" if where.endswith(f"[].{_path(str(key))}") and _is_list_of(value, Mapping) else "[]"
        return (
            f"{fields}, and '{answer}' cannot be the response as it is: a response must be a string. Write one row per answer, "
            f"with the fields instruction and response: jq -c '{where} as $answer | {{instruction: .{_path(prompt)}{more}, "
            "response: $answer}' FILE > rows.jsonl (with .[] | in front for a JSON list)"
        )
    return None


def _path(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) else f'"{name}"'


def _turns_that_no_option_reads(rows: Rows, fields: str) -> str | None:
    row = rows[0]
    listed = next((name for name, value in row.items() if _is_list_of(value, list) and len(value[0]) == 2), None)
    if listed is not None:
        return (
            f"{fields}. '{listed}' is a list of lists: if those are the turns, write each as an object, "
            '{"role": "user", "content": "..."}, under the name messages.'
        )
    nested = next((name for name, value in row.items() if _is_list_of(value, Mapping) and len(value[0]) > 1), None)
    if nested is None or by_rank(field_names(rows), PROMPTS):
        return None
    keys = ", ".join(map(str, row[nested][0]))
    return (
        f"{fields}. '{nested}' is a list of objects with the keys {keys}, which no option reads as turns. If it holds them, "
        'write each as an object, {"role": "user", "content": "..."}, under the name messages; otherwise write one row per pair '
        "with the fields instruction and response."
    )


def _prompts_alone(rows: Rows, fields: str) -> str | None:
    names = field_names(rows)
    known = [
        name
        for name in [*by_rank(names, PROMPTS), *(one for one in names if plain(one) in TURN_NAMES)]
        if plain(name) != "source"
    ]
    for name in dict.fromkeys(known):
        columns = {"instruction": name}
        if _reads(columns, rows):
            return (
                f"prompts without responses (fields: {', '.join(map(str, rows[0]))}). To measure the prompts alone pass "
                f"{columns_option(columns)} --side instruction."
            )
    return None


def _no_header(rows: Rows, fields: str) -> str | None:
    row = rows[0]
    if len(row) > 1 and any(len(str(name)) > 30 or " " in str(name) for name in row):
        return (
            f"the first line does not look like field names ({str(next(iter(row)))[:40]!r}...). Put a line of names on top, "
            "for example: instruction, response."
        )
    return None


def _is_list_of(value: object, kind: type) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], kind)
