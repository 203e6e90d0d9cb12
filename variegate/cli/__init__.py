"""The command line: each verb parses, makes one library call, and writes."""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence
from contextvars import copy_context
from importlib import import_module
from typing import Any

import click

from variegate._version import __version__
from variegate.choices import from_defaults
from variegate.cli.streams import echo, forgiving, let_go
from variegate.errors import VariegateError

__all__ = ["cli", "main"]

# Verb -> (module, one line of help). A verb's module is imported when it is called, so that --help is quick.
VERBS = {
    "measure": ("measure", "Measure the diversity of one or several data sets."),
    "diagnose": ("diagnose", "Say where a data set is not diverse, with example rows."),
    "select": ("select", "Choose rows of a pool and write them."),
    "ladder": ("ladder", "Write the data sets of a grid of strategies, levels, sizes and seeds."),
    "study": ("study", "Fine-tune on many subsets: which train best, and which metric tells so?"),
    "simulate": ("simulate", "Test the metrics on simulated sets whose order of diversity is known."),
    "embed": ("embed", "Fill the cache with vectors ahead of time."),
    "tokenize": ("embed", "Fill the cache with token ids ahead of time."),
    "tag": ("tag", "Fill the cache with tags ahead of time, or write them into a column."),
    "list": ("listing", "Show metrics, strategies, embedders, tokenizers and schemas."),
}


class _Verbs(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module = import_module(f"variegate.cli.{VERBS[cmd_name][0]}")
        command: click.Command = getattr(module, f"{cmd_name}_command")
        return command

    def invoke(self, ctx: click.Context) -> Any:
        # A command is as its options say, whatever a command before it in the same process was, and it leaves nothing behind.
        with from_defaults():
            return copy_context().run(super().invoke, ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in VERBS.items()])


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="variegate %(version)s")
def cli() -> None:
    """Measure, control and maximise the diversity of instruction-tuning data.

    \b
    variegate measure pool.jsonl
    variegate select pool.jsonl --size 1000 --strategy novelselect -o subset.jsonl
    variegate measure pool.jsonl subset.jsonl --size-matched 1000 --seeds 5
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return 0, 1 for a failure, 2 for bad usage or bad data."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    with forgiving():
        return _run([one for one in given if one != "--debug"], debug="--debug" in given)


def _run(arguments: list[str], debug: bool) -> int:
    try:
        status = cli.main(args=arguments, prog_name="variegate", standalone_mode=False)
        # Here and not at the end of the program, where nothing can be said of it any more.
        sys.stdout.flush()
        return status if isinstance(status, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        echo(error.format_message())
        return 0
    except click.ClickException as error:
        context = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "variegate"
        several = " Put the files of one data set into one folder, and name that." if "extra argument" in str(error) else ""
        return _say(f"{error.format_message()}{several} See {context} --help.", 2)
    except VariegateError as error:
        if debug:
            raise
        return _say(str(error), error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        return _say("stopped; what is cached so far is kept.", 130)
    except BrokenPipeError:
        # The reader of our output has gone; what is still buffered must not raise once more at exit.
        let_go()
        return 1
    except MemoryError:
        return _say(
            "out of memory. Pass a smaller --memory, measure a part of the data with --size-matched, or use a machine with more.",
            1,
        )
    except Exception as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC and error.filename is None:
            let_go()
            return _say("no space is left where the output goes. Make room there, or write to another disk.", 1)
        if debug:
            raise
        first = (str(error).splitlines() or [""])[0]
        return _say(f"failed: {type(error).__name__}: {first} (--debug shows where).", 1)


def _say(message: str, status: int) -> int:
    # Names and values of bad data may hold what cannot be encoded.
    text = " ".join(message.split()).encode("utf-8", "backslashreplace").decode()
    echo(f"variegate: {text}", err=True)
    return status
