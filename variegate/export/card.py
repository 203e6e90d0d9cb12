"""The card of a chosen data set: a README.md as the Hugging Face Hub reads it. Everything named in it is untrusted text."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PureWindowsPath
from typing import Any

__all__ = ["Card", "CardFile", "CardMetric", "card_text", "in_code", "in_line", "public_name", "published", "yaml_block"]

# As the Hub has them: rows up to each, exclusive.
SIZES = (
    (10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"),
    (10**8, "10M<n<100M"), (10**9, "100M<n<1B"),
)  # fmt: skip
LICENCE = (
    "**TO BE FILLED IN.** The front matter says `license: other` as a placeholder. The rows are those of the files above, and "
    "their licences hold; name them here and there before you share this folder."
)


@dataclass(frozen=True)
class CardFile:
    """A file of the pool: its name without a place, its rows, and the hash of its bytes where there are any."""

    name: str
    rows: int
    sha256: str | None


@dataclass(frozen=True)
class CardMetric:
    """One metric of the subset and, in the mean, of as many random rows of the pool."""

    name: str
    subset: float
    random: float
    higher_is_more_diverse: bool


@dataclass(frozen=True)
class Card:
    """What a card says.

    Attributes:
        title: of the data set.
        data_file: the rows, relative to the folder.
        schema: the schema that they are written in.
        converted: whether that is another one than the pool's.
        columns: of the rows.
        files: what was chosen from.
        pool_rows: rows in those files.
        record: the selection's record.
        command: that does it again; None where it was no command.
        metrics: values, side by side with random rows.
        measured: how they were measured, in a sentence; why there are none, if there are none.
        failures: metrics that could not be computed, and why.
        entry: the name of the entry in `dataset_info.json`; None where LLaMA-Factory cannot read the rows.
        trl: why TRL would not train on the rows as they are; None if it would.
        factory: why LLaMA-Factory cannot read the rows; None if it can.
    """

    title: str
    data_file: str
    schema: str
    converted: bool
    columns: Sequence[str]
    files: Sequence[CardFile]
    pool_rows: int
    record: Mapping[str, Any]
    command: str | None
    metrics: Sequence[CardMetric]
    measured: str
    failures: Sequence[str] = field(default_factory=list)
    entry: str | None = None
    trl: str | None = None
    factory: str | None = None


def card_text(card: Card) -> str:
    """Return the card as Markdown with front matter."""
    n = int(card.record["n"])
    head = {
        "pretty_name": card.title,
        "license": "other",
        "license_name": "to-be-filled-in",
        "task_categories": ["text-generation"],
        "size_categories": [next((name for limit, name in SIZES if n < limit), "n>1B")],
        "tags": ["variegate", "instruction-tuning", "sft", "data-selection"],
        "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": card.data_file}]}],
    }
    sections = [
        f"---\n{yaml_block(head)}---\n",
        f"# {in_line(card.title)}\n",
        f"{n:,} of {card.pool_rows:,} rows, chosen with variegate {in_line(card.record['version'])}, in picking "
        f"order.{_left_out(card)} {_how_written(card)} Their columns are {', '.join(map(in_line, card.columns))}.\n",
        "## From where\n",
        _table(["file", "rows", "sha256"], [[one.name, f"{one.rows:,}", one.sha256 or "-"] for one in card.files]),
        _chosen(card),
        _metrics(card),
        f"## Licence\n\n{LICENCE}\n",
        _loading(card),
    ]
    return "\n".join(sections)


def _left_out(card: Card) -> str:
    skipped = card.record["pool"].get("skipped", 0)
    return f" {skipped:,} rows could not be read and were left out." if skipped else ""


def _how_written(card: Card) -> str:
    if card.converted:
        return f"They were written in the schema {in_line(card.schema)}, with all their turns and every other column."
    return f"They are as they were in the pool, schema {in_line(card.schema)}."


def _chosen(card: Card) -> str:
    record = card.record
    params = [[str(name), json.dumps(value, ensure_ascii=False)] for name, value in record["params"].items()]
    lines = [
        f"## How chosen\n\nStrategy {in_line(record['strategy'])}, seed {record['seed']}. Which rows, in which order and with "
        "which gain, is in `selection.json`; rows are numbered from 0 as in the files.\n",
        *([_table(["parameter", "value"], params)] if params else []),
        *(f"- {in_line(note)}" for note in record.get("notes", [])),
    ]
    if record.get("notes"):
        lines.append("")
    if card.command is not None:
        lines.append(f"To do it again, beside the files above:\n\n{in_code(card.command, 'sh')}")
    return "\n".join(lines)


def _metrics(card: Card) -> str:
    lines = [f"## How diverse\n\n{in_line(card.measured)}\n"]
    if card.metrics:
        rows = [
            [one.name, f"{one.subset:.4g}", f"{one.random:.4g}", "larger" if one.higher_is_more_diverse else "smaller"]
            for one in card.metrics
        ]
        lines.append(_table(["metric", "this subset", "random rows", "more diverse is"], rows))
    lines += [f"- not computed: {in_line(failure)}" for failure in card.failures]
    return "\n".join(lines) + ("\n" if card.failures else "")


def _loading(card: Card) -> str:
    python = ["from datasets import load_dataset", "", 'rows = load_dataset("path/to/this/folder", split="train")']
    lines = ["## How to load it\n"]
    if card.trl is None:
        python += ["", "from trl import SFTTrainer", "", 'SFTTrainer("your/model", train_dataset=rows).train()']
        lines += ["With `datasets` and TRL:\n", in_code("\n".join(python), "python")]
    else:
        lines += ["With `datasets`:\n", in_code("\n".join(python), "python"), f"{in_line(card.trl)}\n"]
    if card.entry is not None:
        settings = f"dataset_dir: path/to/this/folder\ndataset: {yaml_scalar(card.entry)}"
        lines += ["With LLaMA-Factory, by the entry in `dataset_info.json`:\n", in_code(settings, "yaml")]
    elif card.factory is not None:
        lines.append(f"There is no `dataset_info.json` for LLaMA-Factory: {in_line(card.factory)}\n")
    return "\n".join(lines)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *([in_line(cell) for cell in row] for row in rows)]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def in_line(text: object) -> str:
    r"""Return text that Markdown shows as it is: on one line, no markup, no invisible characters.

    >>> print(in_line("a|b <b>*c*</b>"))
    a\|b \<b\>\*c\*\</b\>
    """
    shown = "".join(one if one.isprintable() else " " if one in "\n\r\t" else "\ufffd" for one in str(text))
    return re.sub(r"([\\`*_{}\[\]<>#|~$&])", r"\\\1", shown)


def in_code(text: str, language: str) -> str:
    """Return text as a block of code, whatever fences it holds."""
    shown = "".join(one if one.isprintable() or one == "\n" else "\ufffd" for one in text)
    longest = max((len(run) for run in re.findall(r"`+", shown)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{shown}\n{fence}\n"


def yaml_scalar(value: object) -> str:
    r"""Return a value as YAML: a string as JSON writes it, which is YAML too once what YAML must not hold is escaped.

    >>> print(yaml_scalar("no: \x7f"))
    "no: \x7f"
    """
    text = json.dumps(value, ensure_ascii=False)
    return "".join(one if one.isprintable() else _yaml_escape(ord(one)) for one in text)


def _yaml_escape(code: int) -> str:
    if 0xD800 <= code < 0xE000:
        # Half of a pair, as in a file name that is no UTF-8.
        return "\ufffd"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def yaml_block(value: Mapping[str, Any], indent: str = "") -> str:
    """Return an object of scalars, lists and objects as block YAML; its keys are plain words."""
    lines = []
    for key, one in value.items():
        if isinstance(one, list):
            lines.append(f"{indent}{key}:\n")
            for item in one:
                if isinstance(item, dict):
                    block = yaml_block(item, f"{indent}  ")
                    lines.append(f"{indent}- {block[len(indent) + 2 :]}")
                else:
                    lines.append(f"{indent}- {yaml_scalar(item)}\n")
        else:
            lines.append(f"{indent}{key}: {yaml_scalar(one)}\n")
    return "".join(lines)


def public_name(name: str) -> str:
    """Return what a place may be called in public: a file by its name alone, a URL without user, password and query.

    >>> public_name("/home/ann/pool.jsonl"), public_name("https://ann:key@host/p.csv?token=1"), public_name("org/model")
    ('pool.jsonl', 'https://host/p.csv', 'org/model')
    """
    if "://" in name:
        return re.sub(r"://[^/@]*@", "://", re.split(r"[?#]", name)[0])
    prefix, colon, rest = name.partition(":")
    if colon and rest.startswith(("/", "~", "\\")) and len(prefix) > 1:
        return f"{prefix}:{public_name(rest)}"
    try:
        path = Path(name)
        is_place = path.is_absolute() or path.exists() or re.match(r"[~.\\]|[A-Za-z]:\\", name) is not None
    except (OSError, ValueError):
        is_place = False
    if not is_place:
        return name
    return PureWindowsPath(name).name if re.match(r"\\|[A-Za-z]:\\", name) else Path(name).name


def published(value: Any, places: Sequence[str]) -> Any:
    """Return a record in which places are called by their public names, alone or inside a sentence."""
    if isinstance(value, str):
        for place in sorted(places, key=len, reverse=True):
            value = value.replace(place, public_name(place)) if place != public_name(place) else value
        value = re.sub(r"\S+://\S+", lambda found: public_name(found[0]), value)
        return public_name(value) if value.startswith(("/", "~/")) else value
    if isinstance(value, Mapping):
        return {key: published(one, places) for key, one in value.items()}
    return [published(one, places) for one in value] if isinstance(value, list | tuple) else value
