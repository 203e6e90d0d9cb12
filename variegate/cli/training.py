"""What `select` writes for trainers: another schema, a folder with a card, an entry in LLaMA-Factory's dataset_info.json."""

from __future__ import annotations

import functools
import os
import shlex
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from variegate.cli.options import say
from variegate.cli.reading import FOLDER, OutputPath
from variegate.errors import ParameterError

if TYPE_CHECKING:
    from variegate.corpus import Corpus
    from variegate.data.trainers import Entry
    from variegate.viewing import Views

__all__ = ["Training", "training_options"]

Command = TypeVar("Command", bound=Callable[..., Any])
# Of no consequence for which rows are chosen, or of this machine alone.
NOT_REPEATED = ("quiet", "cache", "bad_rows", "device", "dataset_info")


@dataclass(frozen=True)
class Training:
    """In which form the chosen rows are written.

    Attributes:
        schema: that rows are converted to; None for the pool's own.
        folder: whether the output is a folder.
        ending: of the rows in a folder; None where there is none.
        info: a `dataset_info.json` that gets an entry.
        metrics: of a folder's card.
        command: that does it all again, and the places of this machine in it.
    """

    schema: str | None
    folder: bool
    ending: str | None
    info: Path | None
    metrics: tuple[str, ...]
    command: str
    places: tuple[str, ...]

    def check(self, output: Path, vectors: bool) -> None:
        """Refuse what cannot be written, before any work is done for it."""
        from variegate.data.convert import target_schema
        from variegate.data.trainers import dataset_name, read_info
        from variegate.metrics import metric_specs
        from variegate.storage import check_folder

        if self.schema is not None:
            target_schema(self.schema)
        if vectors and (self.schema or self.folder or self.info):
            raise ParameterError(
                "A pool of vectors has no rows to write: give OUT a name in .json, without --as and --dataset-info."
            )
        if self.folder:
            check_folder(output)
            for name in self.metrics:
                metric_specs(name)
            if self.info is not None:
                raise ParameterError(
                    f"--dataset-info is for a single file: the folder {output}/ has a dataset_info.json of its own."
                )
        elif self.ending is not None:
            raise ParameterError("--format is for a folder (-o FOLDER/): the format of a single file goes by its ending.")
        if self.info is not None:
            dataset_name(output)
            read_info(self.info)

    def rows(self, part: Corpus) -> Corpus:
        """Return the chosen rows in the schema that they are to be in."""
        return part if self.schema is None else part.converted(self.schema)

    def info_alone(self) -> AbstractContextManager[Any]:
        """Wait until no other process is changing the `dataset_info.json`, and have them wait for this one."""
        from variegate.storage import alone_in

        assert self.info is not None
        return alone_in(self.info.resolve().parent)

    def entry(self, part: Corpus, output: Path) -> tuple[str, Entry]:
        """Return the text of the `dataset_info.json` with this output's entry, and the entry."""
        from variegate.data.trainers import dataset_name, llama_factory_entry, merged_info, read_info

        assert self.info is not None
        place = os.path.relpath(output.resolve(), self.info.resolve().parent).replace(os.sep, "/")
        entry = llama_factory_entry(part.samples(), place)
        return merged_info(read_info(self.info), dataset_name(output), entry), entry

    def write_folder(
        self, corpus: Corpus, part: Corpus, chosen: Any, record: dict[str, Any], output: Path, views: Views
    ) -> list[str]:
        """Write the folder and return what a user should know about it."""
        from variegate.export.folder import figures, write_folder

        return write_folder(
            corpus, part, record, output, ending=self.ending or "parquet",
            measured=figures(corpus, chosen, self.metrics, views), command=self.command, places=self.places,
        )  # fmt: skip

    def report(self, part: Corpus, notes: Sequence[str], quiet: bool) -> None:
        """Say what trainers will make of the rows."""
        from variegate.data.trainers import trl_problem

        for note in notes:
            say(f"note: {note}", quiet)
        problem = trl_problem(part.samples())
        if problem is not None:
            say(f"note: {problem}", quiet)


def training_options(command: Command) -> Command:
    """Add the options for trainers; the command gets them as one argument, `training`."""

    @functools.wraps(command)
    def packed(
        *args: Any, as_schema: str | None, ending: str | None, dataset_info: Path | None, card_metrics: str | None, **more: Any
    ) -> Any:
        context = click.get_current_context()
        folder = bool(context.meta.get(FOLDER))
        if card_metrics is not None and not folder:
            raise ParameterError("--card-metrics is for a folder (-o FOLDER/): a single file has no card.")
        names = _card_metrics(card_metrics) if folder else ()
        text, places = _command(context)
        return command(*args, training=Training(as_schema, folder, ending, dataset_info, names, text, places), **more)

    wrapped: Any = packed
    for option in (
        click.option(
            "--card-metrics",
            metavar="none|NAME,...",
            help="What the card of FOLDER/ measures, on the subset and on random rows. [default: a few cheap ones]",
        ),
        click.option(
            "--dataset-info",
            type=OutputPath(),
            metavar="FILE",
            help="A dataset_info.json of LLaMA-Factory: add OUT to it, or replace its entry.",
        ),
        click.option(
            "--format", "ending", type=click.Choice(["parquet", "jsonl"]), help="Of the rows in FOLDER/. [default: parquet]"
        ),
        click.option(
            "--as",
            "as_schema",
            metavar="SCHEMA",
            help="Write messages, prompt-completion, alpaca or sharegpt instead of the pool's schema, where that loses nothing.",
        ),
    ):
        wrapped = option(wrapped)
    result: Command = wrapped
    return result


def _card_metrics(given: str | None) -> tuple[str, ...]:
    from variegate.export.folder import CARD_METRICS

    if given is None:
        return CARD_METRICS
    names = tuple(name.strip() for name in given.split(","))
    return () if names == ("none",) else names


def _command(context: click.Context) -> tuple[str, tuple[str, ...]]:
    """Return the command as it was given, with files by their names alone, and the values that name places."""
    from variegate.export.card import public_name

    words, places = ["variegate", context.command.name or ""], []
    for parameter in context.command.params:
        name = parameter.name or ""
        value = context.params.get(name)
        if name in NOT_REPEATED or context.get_parameter_source(name) in (ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP):
            continue
        for one in value if isinstance(value, tuple) else (value,):
            if one is None:
                continue
            text = str(one)
            places.append(text)
            shown = public_name(text)
            if name == "output":
                shown = Path(text).resolve().name + ("/" if context.meta.get(FOLDER) else "")
            words += [shown] if isinstance(parameter, click.Argument) else [parameter.opts[-1], shown]
    return shlex.join(words), tuple(place for place in places if place != public_name(place))
