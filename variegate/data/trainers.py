"""What trainers make of rows as they stand: LLaMA-Factory's description of a data set, and whether TRL reads it.

Facts from LLaMA-Factory 0.9.5 (`data/README.md`, `llamafactory/data/parser.py`, `converter.py`, `loader.py`) and from TRL 1.16.0
(`trl/trainer/sft_trainer.py`, `trl/data_utils.py`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from variegate.data.convert import CALLS, Sample, consumed_fields, convertible, is_in, keys_of
from variegate.data.messages import are_messages
from variegate.data.schema import Schema
from variegate.errors import DataError, ParameterError

__all__ = ["Entry", "dataset_name", "llama_factory_entry", "merged_info", "read_info", "trl_problem"]

# By their last ending; others LLaMA-Factory does not open.
FACTORY_ENDINGS = (".json", ".jsonl", ".csv", ".parquet", ".arrow")
# Its own names for the parts of a pair.
FACTORY_COLUMNS = {"instruction": "prompt", "input": "query", "response": "response", "system": "system", "history": "history"}
FACTORY_TAGS = {
    "user": "user_tag", "assistant": "assistant_tag", "tool": "observation_tag", "call": "function_tag", "system": "system_tag",
}  # fmt: skip
# A tag that is not given is no tag at all as soon as one is; these stand for roles that do not occur.
UNUSED_TAGS = {"user": "user", "assistant": "assistant", "tool": "observation", "call": "function_call", "system": "system"}

# What the chat templates of models call the roles.
TEMPLATE_ROLES = {"system", "developer", "user", "assistant", "tool"}
# Columns that make TRL take rows for something else than their messages, or for tokens already.
TRL_COLUMNS = ("prompt", "completion", "chosen", "rejected", "input_ids", "image", "images")


@dataclass(frozen=True)
class Entry:
    """A data set's description in LLaMA-Factory's `dataset_info.json`.

    Attributes:
        values: the object.
        notes: what a user should know about how it will be read.
    """

    values: dict[str, Any]
    notes: list[str] = field(default_factory=list)


def dataset_name(output: Path) -> str:
    """Return a file's name without its ending, as the name of an entry.

    Raises:
        ParameterError: LLaMA-Factory could not name it, or could not open the file.
    """
    name = output.name.removesuffix(output.suffix)
    if output.suffix.lower() not in FACTORY_ENDINGS:
        raise ParameterError(f"{output}: LLaMA-Factory opens {', '.join(FACTORY_ENDINGS)}. Give OUT one of these endings.")
    if "," in name or name != name.strip():
        raise ParameterError(
            f"{output}: LLaMA-Factory names data sets in a list with commas, and strips spaces. Choose a name without them."
        )
    return name


def llama_factory_entry(samples: Iterable[Sample], file_name: str) -> Entry:
    """Describe rows for LLaMA-Factory's `dataset_info.json`.

    Args:
        samples: the rows, one at least.
        file_name: where they are, relative to that file.

    Raises:
        DataError: it could not read them; the message says where, why, and the way out.
    """
    kept = list(samples)
    name = _one_schema(kept)
    schema = kept[0][1]
    if "messages" in schema.parts:
        return _chat(kept, file_name)
    if name == "preference":
        raise DataError(f"{kept[0][2]}: preference pairs are no data for supervised fine-tuning.{_fix(kept)}")
    if not schema.has_response:
        raise DataError(f"{kept[0][2]}: the rows are prompts without responses, so there is nothing to train on.")
    for row, _, where in kept:
        for part in ("instruction", "response"):
            value = row.get(schema.parts.get(part, ""))
            if isinstance(value, list):
                field = schema.parts[part]
                raise DataError(f"{where}: '{field}' is a list of messages, which LLaMA-Factory does not read.{_fix(kept)}")
        passages = [name for name in ("input", "context") if row.get(schema.parts.get(name, ""))]
        if row.get(schema.parts.get("reasoning", "")) or len(passages) > 1:
            field = schema.parts["reasoning" if row.get(schema.parts.get("reasoning", "")) else "context"]
            raise DataError(f"{where}: LLaMA-Factory has no room for the field '{field}'.{_fix(kept)}")
    if "instruction" not in schema.parts:
        # A text that is trained on as a whole is the prompt there (stage pt).
        return Entry({"file_name": file_name, "columns": {"prompt": schema.parts["response"]}})
    present = {key for row, _, _ in kept for key in row}
    columns = {FACTORY_COLUMNS[part]: key for part, key in schema.parts.items() if key in present and part in FACTORY_COLUMNS}
    if "context" in schema.parts:
        columns["query"] = schema.parts["context"]
    return Entry({"file_name": file_name, "columns": columns})


def _fix(samples: Sequence[Sample]) -> str:
    # No way out is named that would end in an error itself.
    fits = all(convertible(row, schema) for row, schema, _ in samples)
    helps = fits and not all(is_in(row, schema, "messages") for row, schema, _ in samples)
    return " Pass --as messages to write them in a schema that it reads." if helps else ""


def _one_schema(samples: Sequence[Sample]) -> str:
    names = list(dict.fromkeys(schema.name for _, schema, _ in samples))
    if len(names) > 1:
        raise DataError(f"{samples[0][2]}: the rows come in several schemas ({', '.join(names)}).{_fix(samples)}")
    return names[0]


def _chat(samples: list[Sample], file_name: str) -> Entry:
    schema = samples[0][1]
    column = schema.parts["messages"]
    system = schema.parts.get("system", "")
    keys: tuple[str, str] | None = None
    tags: dict[str, str] = {}
    uneven: list[str] = []
    for row, _, where in samples:
        roles = []
        if not are_messages(row[column], schema.parts.get("role")):
            raise DataError(
                f"{where}: '{column}' is no list of messages with roles, and LLaMA-Factory reads no other.{_fix(samples)}"
            )
        for at, message in enumerate(row[column]):
            place = f"{where}: '{column}[{at}]'"
            found = keys_of(message, schema)
            keys = keys or found
            if found != keys:
                raise DataError(f"{place} has the keys {found}, others have {keys}; LLaMA-Factory takes one pair.{_fix(samples)}")
            _check_content(message, found[1], place, samples)
            role = _role(message[found[0]], schema, found)
            if tags.setdefault(role, message[found[0]]) != message[found[0]]:
                raise DataError(
                    f"{place} calls the {role} {message[found[0]]!r}, others {tags[role]!r}; LLaMA-Factory takes one name."
                    f"{_fix(samples)}"
                )
            roles.append(role)
        if roles[0] == "system" and row.get(system):
            raise DataError(f"{where}: has a system prompt in '{system}' and one in '{column}'; LLaMA-Factory drops the first.")
        if not _alternates(roles[1:] if roles[0] == "system" else roles):
            uneven.append(where)
    assert keys is not None
    columns = {"messages": column}
    if any(row.get(system) for row, _, _ in samples):
        columns["system"] = system
    if _has_tools(samples):
        columns["tools"] = "tools"
    free = {role: None if unused in tags.values() else unused for role, unused in UNUSED_TAGS.items()}
    names = {tag: tags.get(role, free[role]) for role, tag in FACTORY_TAGS.items()}
    values = {
        "file_name": file_name,
        "formatting": "sharegpt",
        "columns": columns,
        "tags": {"role_tag": keys[0], "content_tag": keys[1], **names},
    }
    return Entry(values, _skipped(uneven, len(samples)))


def _check_content(message: Mapping[str, Any], key: str, place: str, samples: Sequence[Sample]) -> None:
    if message.get("tool_calls") or message.get("function_call"):
        raise DataError(f"{place} holds tool_calls, which LLaMA-Factory's sharegpt format passes over.")
    if not isinstance(message.get(key), str):
        raise DataError(f"{place} holds its text in parts, which LLaMA-Factory does not read.{_fix(samples)}")


def _role(name: str, schema: Schema, keys: tuple[str, str]) -> str:
    # The reader is asked, since --columns may have given the names other meanings.
    (turn,) = schema.turns({schema.parts["messages"]: [{keys[0]: name, keys[1]: ""}]})
    return "call" if turn.role == "assistant" and name in CALLS else turn.role


def _alternates(roles: Sequence[str]) -> bool:
    odd, even = ("user", "tool"), ("assistant", "call")
    return bool(roles) and len(roles) % 2 == 0 and all(role in (odd, even)[at % 2] for at, role in enumerate(roles))


def _has_tools(samples: Sequence[Sample]) -> bool:
    values = [row.get("tools") for row, _, _ in samples]
    return any(values) and all(value is None or isinstance(value, str) for value in values)


def _skipped(uneven: list[str], rows: int) -> list[str]:
    if not uneven:
        return []
    return [
        f"LLaMA-Factory will leave out {len(uneven):,} of {rows:,} rows, because their turns do not alternate between user and "
        f"assistant (the first: {uneven[0]})"
    ]


def read_info(path: Path) -> dict[str, Any]:
    """Read a `dataset_info.json`; a file that does not exist yet is an empty one.

    Raises:
        DataError: it is no JSON object of objects.
    """
    if not path.exists():
        return {}
    try:
        known = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_distinct)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: is no JSON object, so no entry can be added to it ({error}).") from None
    if not isinstance(known, dict) or not all(isinstance(entry, dict) for entry in known.values()):
        raise DataError(
            f"{path}: must be a JSON object with an object for each data set, as LLaMA-Factory's dataset_info.json is."
        )
    return known


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    for key, times in Counter(key for key, _ in pairs).items():
        if times > 1:
            raise ValueError(f"it has the key {key!r} twice")
    return dict(pairs)


def merged_info(known: Mapping[str, Any], name: str, entry: Entry) -> str:
    """Return the text of a `dataset_info.json` with one entry added or replaced; the others keep their place and content."""
    # LLaMA-Factory opens the file in the system's encoding: ASCII reads the same in all of them.
    return json.dumps({**known, name: entry.values}, indent=2) + "\n"


def trl_problem(samples: Iterable[Sample]) -> str | None:
    """Say why TRL's SFTTrainer would not train on rows as they stand; None if it would."""
    kept = list(samples)
    row, schema, _ = kept[0]
    if any(other.name != schema.name for _, other, _ in kept):
        return f"TRL's SFTTrainer reads one schema at a time.{_fix(kept)}"
    problem = _trl_shape(kept)
    if problem is not None:
        return f"TRL's SFTTrainer {problem}.{_fix(kept)}"
    own = consumed_fields(row, schema)
    misleading = [name for name in TRL_COLUMNS if name not in own and any(name in row for row, _, _ in kept)]
    if misleading:
        return (
            f"TRL's SFTTrainer takes the column '{misleading[0]}' for something else than a plain column: give it "
            f"dataset.select_columns({own!r})"
        )
    return None


def _trl_shape(samples: list[Sample]) -> str | None:
    _, schema, _ = samples[0]
    if schema.name == "text":
        return None
    beside = [schema.parts[part] for part in ("context", "reasoning") if part in schema.parts]
    if schema.name == "prompt-completion" and beside:
        return f"passes over the column '{beside[0]}'"
    if schema.name == "prompt-completion":
        kinds = {isinstance(row[name], str) for row, _, _ in samples for name in ("prompt", "completion")}
        if len(kinds) > 1:
            return "takes prompt and completion as strings or as messages, but not both in one set"
        return None if kinds == {True} else _trl_messages(samples, ("prompt", "completion"))
    if schema.name not in ("messages", "sharegpt"):
        return f"does not read the schema {schema.name}"
    if any(row.get(schema.parts.get("system", "")) for row, _, _ in samples):
        return "passes over the column 'system'"
    return _trl_messages(samples, (schema.parts["messages"],))


def _trl_messages(samples: list[Sample], columns: Sequence[str]) -> str | None:
    expected = {"conversations": [("from", "value")]}
    for row, schema, _ in samples:
        for column in columns:
            if not are_messages(row[column], schema.parts.get("role")):
                return f"does not read '{column}', which is no list of messages with roles"
            for message in row[column]:
                who, what = keys_of(message, schema)
                if (who, what) not in expected.get(column, [("role", "content")]):
                    return f"does not read messages with the keys '{who}' and '{what}' in '{column}'"
                if message[who] not in TEMPLATE_ROLES:
                    return f"leaves the role {message[who]!r} as it is, and chat templates do not know it"
                if isinstance(message.get(what), list):
                    return "hands message parts to the chat template, and most know text alone"
    return None
