"""Options that several verbs share, and how their values are read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from variegate.errors import ParameterError

if TYPE_CHECKING:
    from variegate.corpus import Corpus

__all__ = [
    "data_options",
    "device_option",
    "load_reported",
    "memory_option",
    "neighbours_option",
    "pairs",
    "prepare",
    "refuse_overwriting",
    "report_skipped",
    "say",
    "side_option",
    "storage_option",
    "values",
]

Command = TypeVar("Command", bound=Callable[..., Any])

SIDE_HELP = "Which turns to look at: the user's, the assistant's, or both in order."


def data_options(command: Command) -> Command:
    """Add the options of every verb that reads data."""
    for option in (
        click.option("--debug", is_flag=True, expose_value=False, help="Show the traceback of an error."),
        click.option("--quiet", is_flag=True, help="No report of what was read, no progress."),
        click.option(
            "--cache", metavar="DIR|off", help="Where derived data is kept. [default: $VARIEGATE_CACHE or the user's cache]"
        ),
        click.option(
            "--bad-rows", type=click.Path(path_type=Path), metavar="FILE", help="Where --on-bad-row skip lists the rows left out."
        ),
        click.option(
            "--on-bad-row",
            type=click.Choice(["error", "skip"]),
            default="error",
            show_default=True,
            help="At a row that cannot be read.",
        ),
        click.option(
            "--columns", metavar="PART=FIELD,...", help="Which field plays which part, e.g. instruction=question,response=answer."
        ),
        click.option(
            "--schema", metavar="NAME", help="Read rows by this schema (variegate list schemas); detected if not given."
        ),
    ):
        command = option(command)
    return command


def side_option(*more: str) -> Callable[[Command], Command]:
    """Make the --side option, with values beyond the three sides."""
    return click.option(
        "--side", type=click.Choice(["instruction", "response", "both", *more]), default="both", show_default=True, help=SIDE_HELP
    )


def device_option(command: Command) -> Command:
    """Add --device to verbs that work over pairs of vectors."""
    return click.option(
        "--device",
        default="cpu",
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
        default="exact",
        show_default=True,
        metavar="HOW",
        help="For densities and near-duplicates: exact, or approximate[:EFFORT], for millions of rows.",
    )(command)


def prepare(cache: str | None, quiet: bool, device: str = "cpu", memory: str | None = None, neighbours: str = "exact") -> None:
    """Set up what holds for a whole command."""
    if memory is not None:
        from variegate.geometry import use_memory

        use_memory(memory)
    if neighbours != "exact":
        from variegate.geometry import use_neighbours

        use_neighbours(neighbours)
    if device != "cpu":
        from variegate.geometry import use_device

        use_device(device)
    from variegate.progress import announce_by, report_to_terminal
    from variegate.views.cache import use_cache

    use_cache(cache)
    if not quiet:
        report_to_terminal()
    # A warning is no report of what was read.
    announce_by(lambda message: say(message, quiet and not message.startswith("warning:")))


def say(message: str, quiet: bool = False) -> None:
    """Tell a person something, on stderr."""
    if not quiet:
        click.echo(message, err=True)


def load_reported(
    data: str, schema: str | None, columns: str | None, on_bad_row: str, quiet: bool, storage: str = "float32"
) -> Corpus:
    """Load a data set and report what was detected."""
    from variegate.loading import load

    corpus = load(data, schema=schema, columns=pairs(columns, "--columns"), on_bad_row=on_bad_row, vector_storage=storage)
    if corpus.given_vectors is not None:
        n, d = corpus.given_vectors.shape
        say(f"{corpus.name}: {n:,} vectors of {d} dimensions", quiet)
        return corpus
    for source in corpus.sources:
        how = "detected" if source.detected else "as asked"
        say(f"{source.name}: {len(source.rows):,} rows, schema {source.schema.name} ({how})", quiet)
        for note in source.notes:
            say(f"{source.name}: note: {note}")
    if corpus.multi_turn:
        say(f"{corpus.name}: {corpus.multi_turn:,} rows have several user turns", quiet)
    return corpus


def report_skipped(corpora: Iterable[Corpus], path: Path) -> None:
    """Say how many bad rows were left out, and list those of all data sets in one file."""
    from variegate.storage import whole_file

    skipped = [corpus for corpus in corpora if corpus.skipped]
    if not skipped:
        return
    with whole_file(path) as temporary, temporary.open("w", encoding="utf-8") as stream:
        for corpus in skipped:
            for bad in corpus.skipped:
                row = {"file": bad.file, "place": bad.place, "row": bad.row, "reason": bad.reason}
                stream.write(json.dumps(row) + "\n")
    for corpus in skipped:
        say(f"{corpus.name}: {len(corpus.skipped):,} bad rows left out, listed in {path}")


def refuse_overwriting(outputs: Iterable[Path | None], inputs: Iterable[str | None]) -> None:
    """Refuse to write over what is read, or two results into one file.

    Raises:
        ParameterError: an output is an input, or lies in a folder that is read, or two outputs are one.
    """
    written = [output.resolve() for output in outputs if output is not None]
    read = [Path(name).resolve() for name in inputs if name and name != "-" and "://" not in name and len(name) < 4096]
    for at, output in enumerate(written):
        if output in written[:at]:
            raise ParameterError(f"{output.name}: two results would go into this one file. Give each a name of its own.")
        for source in read:
            same = output == source or (output.exists() and source.is_file() and output.samefile(source))
            if same or (source.is_dir() and source in output.parents and output.exists()):
                raise ParameterError(
                    f"{output.name}: is the data that was read; writing here would destroy it. Choose another name."
                )


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
    """Read KEY=VALUE settings; numbers, true, false and null mean what they mean in JSON, inf is infinity."""
    found: dict[str, Any] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not (key and equals):
            raise ParameterError(f"--set takes KEY=VALUE, for example --set first=0. Got {setting!r} instead.")
        try:
            found[key] = json.loads(text)
        except ValueError:
            found[key] = float("inf") if text.lower() in ("inf", "infinity") else text
    return found
