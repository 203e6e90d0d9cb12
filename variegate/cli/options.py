"""Options that several verbs share, and how their values are read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

from variegate.cli.streams import echo
from variegate.errors import ParameterError

__all__ = [
    "DEVICE",
    "NEIGHBOURS",
    "device_option",
    "embedder_option",
    "memory_option",
    "neighbours_option",
    "pairs",
    "say",
    "side_option",
    "storage_option",
    "values",
]

Command = TypeVar("Command", bound=Callable[..., Any])

# What holds where nothing is chosen.
DEVICE, NEIGHBOURS = "cpu", "exact"
SIDE_HELP = "Which turns to look at: the user's, the assistant's, or both in order."


def side_option(*more: str) -> Callable[[Command], Command]:
    """Make the --side option, with values beyond the three sides."""
    return click.option(
        "--side", type=click.Choice(["instruction", "response", "both", *more]), default="both", show_default=True, help=SIDE_HELP
    )


def embedder_option(command: Command) -> Command:
    """Add --embedder to verbs that look at vectors."""
    return click.option(
        "--embedder", default="lsa", show_default=True, help="What makes the vectors (variegate list embedders)."
    )(command)


def device_option(command: Command) -> Command:
    """Add --device to verbs that work over pairs of vectors."""
    return click.option(
        "--device",
        default=DEVICE,
        show_default=True,
        metavar="NAME",
        help="For work over pairs: cpu, cuda (cuda:N) with PyTorch, or auto.",
    )(command)


def memory_option(command: Command) -> Command:
    """Add --memory to verbs that work over vectors."""
    return click.option(
        "--memory",
        metavar="SIZE",
        help="Most that blocks, lists of pairs and the like take at once, besides the vectors, e.g. 2G; no result depends on it. "
        "[default: 8G]",
    )(command)


def storage_option(command: Command) -> Command:
    """Add --vector-storage to verbs that make vectors."""
    return click.option(
        "--vector-storage",
        "storage",
        type=click.Choice(["float32", "float16"]),
        default="float32",
        show_default=True,
        help="How vectors made of texts are kept; float16 is half the room, and results are those of the rounded vectors.",
    )(command)


def neighbours_option(command: Command) -> Command:
    """Add --neighbours to verbs that take densities or group near-duplicates."""
    return click.option(
        "--neighbours",
        default=NEIGHBOURS,
        show_default=True,
        metavar="HOW",
        help="For densities and near-duplicates: exact, or approximate[:EFFORT], for millions of rows.",
    )(command)


def say(message: str, quiet: bool = False) -> None:
    """Tell a person something, on stderr."""
    if not quiet:
        echo(message, err=True)


def pairs(text: str | None, option: str) -> dict[str, str] | None:
    """Read "a=b,c=d"."""
    if text is None:
        return None
    found = {}
    for part in text.split(","):
        key, equals, value = part.partition("=")
        if not (key.strip() and equals and value.strip()):
            raise ParameterError(
                f"{option} takes PART=FIELD,..., for example instruction=question,response=answer. Got {text!r} instead."
            )
        if key.strip() in found:
            raise ParameterError(f"{option} names {key.strip()!r} twice. Got {text!r}.")
        found[key.strip()] = value.strip()
    return found


def values(settings: Iterable[str]) -> dict[str, Any]:
    """Read KEY=VALUE settings; true, false and null mean what they mean in JSON, and .5 or inf are numbers too."""
    found: dict[str, Any] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not (key and equals):
            raise ParameterError(f"--set takes KEY=VALUE, for example --set first=0. Got {setting!r} instead.")
        try:
            found[key] = json.loads(text)
        except ValueError:
            found[key] = _number(text)
    return found


def _number(text: str) -> float | str:
    """Return a number that JSON has no spelling for, such as .5 or inf; what is no number stays a text."""
    # As Python reads them, "1_000" and "nan" are numbers too; nobody means these.
    plain = text.strip().lower().lstrip("+-")
    if not (plain[:1].isdigit() or plain[:1] == "." or plain in ("inf", "infinity")) or "_" in plain:
        return text
    try:
        return float(text)
    except ValueError:
        return text
