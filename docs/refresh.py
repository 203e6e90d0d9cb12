"""Write the parts of the docs that the code knows: tables and help texts. With --check only say what is stale."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from click.testing import CliRunner

from variegate.cli import VERBS, cli
from variegate.cli.listing import tables
from variegate.metrics import METRICS

ROOT = Path(__file__).resolve().parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
BLOCK = re.compile(r"(<!-- begin (?P<kind>table|help) (?P<name>\S+) -->\n).*?(<!-- end -->)", re.DOTALL)

# What the README shows of a table; the rest stands in `variegate list`.
COLUMNS = {
    "metrics": ["metric", "measures", "larger means", "needs", "cost", "source"],
    "strategies": ["strategy", "does", "cost", "when to use", "source"],
}


def table(name: str) -> str:
    """Return a table of `variegate list` as Markdown."""
    header, rows = properties() if name == "properties" else tables()[name]
    shown = [header.index(column) for column in COLUMNS.get(name, header)]
    lines = [
        [header[at] for at in shown],
        ["---"] * len(shown),
        *([f"`{row[0]}`", *(row[at] for at in shown[1:])] for row in rows),
    ]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def properties() -> tuple[list[str], list[list[str]]]:
    """Return what METRICS says of each metric, and the tests check."""
    yes = {True: "stays", False: "changes", None: "-"}
    header = ["metric", "level", "range", "unit", "cost", "doubled", "scaled", "turned", "larger n", "order"]
    return header, [
        [
            spec.name, spec.level, spec.range, spec.unit, spec.cost, "depends" if spec.doubled == "either" else spec.doubled,
            yes[spec.scaled], yes[spec.turned], spec.size, "matters" if spec.ordered else "-",
        ]
        for spec in METRICS.values()
    ]  # fmt: skip


def help_text(verb: str) -> str:
    """Return what `variegate VERB --help` prints."""
    result = CliRunner().invoke(cli, [verb, "--help"], prog_name="variegate", terminal_width=100)
    assert result.exit_code == 0, result.output
    return f"```text\n{result.output}```\n"


def refreshed(text: str) -> str:
    """Return a page with its generated blocks made anew."""
    makers = {"table": table, "help": help_text}
    return BLOCK.sub(lambda found: found[1] + makers[found["kind"]](found["name"]) + found[4], text)


def main() -> int:
    """Refresh the pages, or say which are stale."""
    stale = [page for page in PAGES if refreshed(page.read_text(encoding="utf-8")) != page.read_text(encoding="utf-8")]
    described = {
        found["name"] for page in PAGES for found in BLOCK.finditer(page.read_text(encoding="utf-8")) if found["kind"] == "help"
    }
    missing = sorted(set(VERBS) - described)
    if "--check" in sys.argv:
        for page in stale:
            print(f"{page.relative_to(ROOT)} is stale: run make docs", file=sys.stderr)
        for verb in missing:
            print(f"no page has the help of `variegate {verb}`", file=sys.stderr)
        return 1 if stale or missing else 0
    for page in stale:
        page.write_text(refreshed(page.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
