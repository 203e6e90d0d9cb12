"""`variegate list`."""

from __future__ import annotations

import click

from variegate.cli.layout import format_option, print_table, table_format
from variegate.cli.streams import echo, json_that_fits

__all__ = ["list_command", "tables"]

Table = tuple[list[str], list[list[str]]]
KINDS = ["metrics", "strategies", "embedders", "tokenizers", "topics", "tags", "schemas"]


def tables() -> dict[str, Table]:
    """Return what can be listed: name -> header and rows. The README's tables are checked against these."""
    from variegate.data.schema import SCHEMAS
    from variegate.metrics import ALIASES, METRICS
    from variegate.strategies import STRATEGIES
    from variegate.viewing import KINDS
    from variegate.views.embed import EMBEDDERS
    from variegate.views.tags.tags import TAGS
    from variegate.views.tokens import TOKENIZERS
    from variegate.views.topics import TOPICS

    metrics = {
        spec.name: [
            spec.measures, "more diverse" if spec.higher_is_more_diverse else "less diverse", spec.level, spec.view,
            KINDS[spec.view].group, spec.range, spec.unit, spec.cost, spec.source,
        ]
        for spec in METRICS.values()
    }  # fmt: skip
    others = {alias: [f"another name of {name}", *metrics[name][1:]] for alias, name in ALIASES.items()}
    return {
        "metrics": (
            ["metric", "measures", "larger means", "level", "needs", "group", "range", "unit", "cost", "source"],
            [[name, *rest] for name, rest in {**metrics, **others}.items()],
        ),
        "strategies": (
            ["strategy", "does", "cost", "when to use", "source"],
            [[spec.name, spec.does, spec.cost, spec.when, spec.source] for spec in STRATEGIES.values()],
        ),
        "embedders": (["embedder", "what it is"], [[name, text] for name, text in EMBEDDERS.items()]),
        "tokenizers": (["tokenizer", "what it is"], [[name, text] for name, text in TOKENIZERS.items()]),
        "topics": (["topics", "what they are"], [[name, text] for name, text in TOPICS.items()]),
        "tags": (["tags", "what they are"], [[name, text] for name, text in TAGS.items()]),
        "schemas": (
            ["schema", "fields", "detected"],
            [[schema.name, schema.fields, "yes" if schema.detected else "only with --schema"] for schema in SCHEMAS.values()],
        ),
    }  # fmt: skip


@click.command("list")
# Versions of click put other brackets around names of their own making.
@click.argument("what", required=False, type=click.Choice(KINDS), metavar=f"[{'|'.join(KINDS)}]")
@format_option
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option("--debug", is_flag=True, expose_value=False, help="Show the traceback of an error.")
def list_command(what: str | None, as_json: bool) -> None:
    """Show what there is: metrics, strategies, embedders, tokenizers, topics, tags, schemas; all of it if none is named."""
    chosen = {name: table for name, table in tables().items() if what in (None, name)}
    if as_json or table_format() == "json":
        plain = {name: [dict(zip(header, row, strict=True)) for row in rows] for name, (header, rows) in chosen.items()}
        echo(json_that_fits(plain[what] if what else plain))
        return
    for header, rows in chosen.values():
        print_table(header, rows)
