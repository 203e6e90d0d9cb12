"""The tables of a study in every format."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest

import variegate as vg
from tests.runs import a_ladder, arms, scores
from tests.test_correlate import NAMES
from variegate.study.statistics.correlate import correlations
from variegate.study.statistics.differences import differences, ranking
from variegate.study.statistics.paper_tables import correlation_table, difference_table, ranking_table, slope_table
from variegate.study.statistics.performance import performance
from variegate.study.statistics.regression import level_slopes
from variegate.study.statistics.tables import KINDS, Column, plain, write_table

ROWS = [
    {"name": "a|b_c *x*", "value": -0.123456789012345, "p": 0.00012345, "ends": (-1.0, 2.5), "n": 12, "note": None},
    {"name": '50% & "_x_", $y', "value": -0.001, "p": 0.5, "ends": None, "n": 3, "note": "two\nlines"},
]


COLUMNS = [
    Column("name", "Name"), Column("value", "r_x"), Column("p", "p", p=True), Column("ends", "95 %"), Column("n", "n"),
    Column("note", "Note"),
]  # fmt: skip


def test_markdown():
    assert write_table(ROWS, COLUMNS, "markdown") == (
        "| Name | r_x | p | 95 % | n | Note |\n"
        "| --- | ---: | ---: | ---: | ---: | --- |\n"
        "| a\\|b_c \\*x\\* | -0.12 | 0.00012 | \\[-1.00, 2.50\\] | 12 | - |\n"
        '| 50% & "\\_x\\_", $y | 0.00 | 0.5 | - | 3 | two lines |\n'
    )


def test_latex():
    assert write_table(ROWS, COLUMNS, "latex") == (
        "\\begin{tabular}{lrrrrl}\n"
        "\\toprule\n"
        "Name & r\\_x & p & 95 \\% & n & Note \\\\\n"
        "\\midrule\n"
        "a\\textbar{}b\\_c *x* & $-$0.12 & 0.00012 & {[}$-$1.00, 2.50{]} & 12 & - \\\\\n"
        '50\\% \\& "\\_x\\_", \\$y & 0.00 & 0.5 & - & 3 & two lines \\\\\n'
        "\\bottomrule\n"
        "\\end{tabular}\n"
    )


def test_csv_keeps_every_digit_and_reads_back():
    text = write_table(ROWS, COLUMNS, "csv")
    first, second = csv.DictReader(io.StringIO(text))
    assert first == {
        "name": "a|b_c *x*", "value": "-0.123456789012345", "p": "0.00012345", "ends_low": "-1.0", "ends_high": "2.5", "n": "12",
        "note": "",
    }  # fmt: skip
    assert second["name"] == ROWS[1]["name"]
    assert second["note"] == "two\nlines"
    assert (second["ends_low"], second["ends_high"]) == ("", "")


def test_what_is_no_table():
    with pytest.raises(vg.ParameterError, match="'kind' parameter of write_table must be 'markdown' or 'csv' or 'latex'"):
        write_table(ROWS, COLUMNS, "html")
    with pytest.raises(vg.DataError, match="no value for other"):
        write_table(ROWS, [Column("other", "Other")], "csv")
    for bad in (float("nan"), (0.0, float("inf")), np.float64("nan")):
        with pytest.raises(vg.DataError, match=r"value is .*, which is no number to write"):
            write_table([{"value": bad}], [Column("value", "v")], "csv")
    with pytest.raises(vg.DataError, match="at least one column"):
        write_table(ROWS, [], "csv")
    with pytest.raises(vg.DataError, match="A result is nan"):
        plain({"a": [float("nan")]})


@pytest.mark.parametrize("kind", KINDS)
def test_every_result_has_a_table(kind):
    runs = [*arms((10,), {"random": 0, "dpp": 1}), *a_ladder("micro", "response", 10, 1)]
    for run in runs:
        run.metrics.update({(name, "both", ""): float(sum(map(ord, name + run.subset)) % 97) for name in NAMES})
    values = performance(runs).values
    found = correlations(runs, resamples=100, permutations=100)
    texts = [
        write_table(*table, kind)
        for table in (
            correlation_table(found), slope_table(level_slopes(runs, values)[0]), difference_table(differences(runs, values)),
            ranking_table(ranking(runs, values)),
        )
    ]  # fmt: skip
    for text, word in zip(texts, ("novelsum", "micro", "dpp", "random"), strict=True):
        assert word in text
    assert texts[0].count("\n") == len(found.rows) + {"markdown": 2, "csv": 1, "latex": 6}[kind]


def test_a_table_of_slopes_has_a_column_a_strategy_and_holes_where_there_is_no_ladder():
    runs = [*a_ladder("macro", "response", 10, 1), *a_ladder("micro", "response", 20, 1)]
    rows, columns = slope_table(level_slopes(runs, scores(runs))[0])
    assert [column.key for column in columns][2::3] == ["macro", "micro"]
    assert [(row["size"], row["macro"] is None, row["micro"] is None) for row in rows] == [(10, False, True), (20, True, False)]
