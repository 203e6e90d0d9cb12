"""What every verb reads, where it computes, and what it must not write over."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from variegate.cli.layout import table_format
from variegate.cli.options import DEVICE, NEIGHBOURS, pairs, say
from variegate.cli.streams import echo
from variegate.data.record import SIDES
from variegate.errors import DataError, ParameterError

if TYPE_CHECKING:
    from variegate.corpus import Corpus

__all__ = ["FOLDER", "OutputPath", "Reading", "data_options", "json_option", "json_target", "write_json"]

Command = TypeVar("Command", bound=Callable[..., Any])

BAD_ROWS = Path("variegate.bad-rows.jsonl")
STDOUT = Path("-")
FOLDER = "variegate.cli.reading.folder"
# Longer names are no files, and asking for one can fail.
LONGEST_NAME = 4096


class OutputPath(click.Path):
    """A path that is written, with a mark in the context where it ends in a slash: such an output is a folder."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Turn the text into a path."""
        if ctx is not None and param is not None and param.name == "output":
            ctx.meta[FOLDER] = str(value).endswith(("/", os.sep))
        return super().convert(value, param, ctx)


@dataclass
class Reading:
    """The data sets of one command: each is read once, however many options name it.

    Attributes:
        schema: that rows are read by; detected if None.
        columns: the value of --columns.
        on_bad_row: "error" or "skip".
        bad_rows: where bad rows are listed.
        quiet: whether to report nothing of what was read.
        storage: how vectors that are made of texts are kept.
        looked_at: the value of --side; with --on-bad-row skip, rows that are empty there are left out.
    """

    schema: str | None = None
    columns: str | None = None
    on_bad_row: str = "error"
    bad_rows: Path | None = None
    quiet: bool = False
    storage: str = "float32"
    looked_at: str | None = None
    _read: dict[str, Corpus] = field(default_factory=dict)

    def check(self, outputs: Iterable[Path | None], *, folder: Path | None = None) -> None:
        """Refuse what cannot be written, to write over what is read, or two results into one file, before any work is done.

        What is read is whatever the command's arguments and options name that is a file or folder. From here on nothing of
        it can be replaced, whoever writes.

        Args:
            outputs: the files that the command will write, besides the list of bad rows; "-" is stdout, and no file.
            folder: a folder that it will write, which may be one of the outputs.

        Raises:
            ParameterError: an output is an input, or lies in a folder that is read, or two outputs are one.
            DataError: it cannot be written.
        """
        from variegate.storage import check_target, place_of, protect

        wanted = [output for output in outputs if output not in (None, STDOUT) and output is not None]
        if self.on_bad_row == "skip":
            self.bad_rows = self.bad_rows or BAD_ROWS
            wanted.append(self.bad_rows)
        resolved = [place_of(output) for output in wanted]
        for at, place in enumerate(resolved):
            if place in resolved[:at]:
                raise ParameterError(f"{wanted[at]}: two results would go into this one file. Give each a name of its own.")
        read = list(_named_files())
        for output in wanted:
            _refuse_input(output, read)
        if folder is not None:
            for source in read:
                if source.is_dir() and source in (folder.resolve(), *folder.resolve().parents):
                    raise ParameterError(
                        f"{folder}: lies in the folder that is read, and would be part of the pool next time. Choose another."
                    )
        for output in wanted:
            if output != folder:
                check_target(output)
        protect(read)

    def load(self, name: str) -> Corpus:
        """Return a data set, read and reported once."""
        key = str(Path(name).resolve()) if _is_path(name) else name
        if key not in self._read:
            self._read[key] = self._reported(name)
        return self._read[key]

    def side(self, asked: str, option: str = "side") -> str:
        """Return which side to look at: the only one that the data sets have, where the user has named none.

        Args:
            asked: the option's value.
            option: its name as a parameter.
        """
        named = click.get_current_context().get_parameter_source(option) is not click.core.ParameterSource.DEFAULT
        corpora = [corpus for corpus in self._read.values() if corpus.given_vectors is None]
        common = [side for side in SIDES if all(side in corpus.sides for corpus in corpora)]
        if named or not common or asked in common:
            return asked
        lacking = next(corpus for corpus in corpora if asked not in corpus.sides)
        say(f"note: {lacking.name} has no {asked} side, so --{option.replace('_', '-')} is {common[0]}", self.quiet)
        return common[0]

    def load_texts(self, name: str) -> Corpus:
        """Return a data set that must have texts."""
        corpus = self.load(name)
        if corpus.given_vectors is not None:
            raise DataError(f"{corpus.name}: holds vectors already, so there is nothing to derive from it.")
        return corpus

    def _reported(self, name: str) -> Corpus:
        from variegate.loading import load

        corpus = load(
            name, schema=self.schema, columns=pairs(self.columns, "--columns"), on_bad_row=self.on_bad_row,
            vector_storage=self.storage, side=self.looked_at if self.on_bad_row == "skip" else None,
        )  # fmt: skip
        if corpus.given_vectors is not None:
            n, d = corpus.given_vectors.shape
            say(f"{corpus.name}: {n:,} vectors of {d} dimensions", self.quiet)
            return corpus
        for source in corpus.sources:
            how = "detected" if source.detected else "as asked"
            say(f"{source.name}: {len(source.rows):,} rows, schema {source.schema.name} ({how})", self.quiet)
            for note in source.notes:
                say(f"{source.name}: note: {note}", self.quiet)
        if corpus.multi_turn:
            say(f"{corpus.name}: {corpus.multi_turn:,} rows have several user turns", self.quiet)
        return corpus

    def report(self) -> None:
        """Say how many bad rows were left out, and list those of all data sets in one file."""
        from variegate.storage import whole_file

        skipped = [corpus for corpus in self._read.values() if corpus.skipped]
        if not skipped:
            return
        path = self.bad_rows or BAD_ROWS
        with whole_file(path) as temporary, temporary.open("w", encoding="utf-8") as stream:
            for corpus in skipped:
                for bad in corpus.skipped:
                    row = {"file": bad.file, "place": bad.place, "row": bad.row, "reason": bad.reason}
                    stream.write(json.dumps(row) + "\n")
        for corpus in skipped:
            say(f"{corpus.name}: {len(corpus.skipped):,} bad rows left out, listed in {path}")


def _refuse_input(output: Path, read: list[Path]) -> None:
    from variegate.storage import is_one_of

    within = os.path.lexists(output) and any(source in output.resolve().parents for source in read)
    if within or is_one_of(output, read):
        raise ParameterError(f"{output}: is the data that was read; writing here would destroy it. Choose another name.")


def _named_files() -> Iterator[Path]:
    """Yield the files and folders that the command's arguments and options name, but for those that it writes."""
    context = click.get_current_context()
    for parameter in context.command.params:
        if isinstance(parameter.type, OutputPath) or parameter.name == "cache":
            continue
        given = context.params.get(parameter.name or "")
        for value in given if isinstance(given, tuple) else (given,):
            if isinstance(value, str):
                # An embedder may be a file behind a word, as in lsa:FILE.
                names = {value, value.partition(":")[2]}
                yield from (Path(name).resolve() for name in names if _is_path(name))


def _is_path(name: str) -> bool:
    if not name or name == "-" or "://" in name or len(name) > LONGEST_NAME:
        return False
    try:
        return Path(name).exists()
    except (OSError, ValueError):
        return False


def json_option(text: str) -> Callable[[Command], Command]:
    """Make the --json option; :func:`write_json` takes its value."""
    return click.option("--json", "json_to", type=OutputPath(), metavar="FILE|-", help=f"Write {text} as JSON; - is stdout.")


def json_target(to: Path | None) -> Path | None:
    """Return where JSON goes: what --json says, else stdout where --format json was asked for."""
    return STDOUT if to is None and table_format() == "json" else to


def write_json(found: Any, to: Path | None, show: Callable[[], None]) -> None:
    """Write results as JSON where that was asked for, and show them to a person unless they went to stdout."""
    from variegate.storage import as_json, whole_file

    to = json_target(to)
    text = as_json(found, indent=1)
    if to == STDOUT:
        echo(text, nl=False)
        return
    show()
    if to is not None:
        with whole_file(to) as temporary:
            temporary.write_text(text, encoding="utf-8")


def _unless(default: str, value: str | None) -> str | None:
    """Return a value that is chosen; None where it holds already, since choosing it would import what chooses."""
    return None if value == default else value


def data_options(command: Command) -> Command:
    """Add the options of every verb that reads data; the command gets them as one argument, `reading`.

    Together with --device, --memory and --neighbours, where the verb has these, they say how the whole command is run: all is
    set here before the command's body, and put back when the command ends.
    """

    @functools.wraps(command)
    def packed(
        *args: Any,
        schema: str | None,
        columns: str | None,
        on_bad_row: str,
        bad_rows: Path | None,
        cache: str | None,
        quiet: bool,
        storage: str = "float32",
        device: str | None = None,
        memory: str | None = None,
        neighbours: str | None = None,
        **more: Any,
    ) -> Any:
        from variegate.progress import announce_by, show_progress
        from variegate.using import use

        if not quiet:
            show_progress()
        # A warning is no report of what was read.
        announce_by(lambda message: say(message, quiet and not message.startswith("warning:")))
        reading = Reading(schema, columns, on_bad_row, bad_rows, quiet, storage, more.get("side"))
        with use(device=_unless(DEVICE, device), memory=memory, neighbours=_unless(NEIGHBOURS, neighbours), cache=cache):
            return command(*args, reading=reading, **more)

    wrapped: Any = packed
    for option in (
        click.option("--debug", is_flag=True, expose_value=False, help="Show the traceback of an error."),
        click.option("-q", "--quiet", is_flag=True, help="No report of what was read, no notes, no progress."),
        click.option(
            "--cache", metavar="DIR|off", help="Where derived data is kept. [default: $VARIEGATE_CACHE or the user's cache]"
        ),
        click.option("--bad-rows", type=OutputPath(), metavar="FILE", help="Where --on-bad-row skip lists the rows left out."),
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
        wrapped = option(wrapped)
    result: Command = wrapped
    return result
