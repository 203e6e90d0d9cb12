"""Pools that are small, all alike, or without tags: a choice with a note, or a refusal whose way out works."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import variegate as vg
from variegate.cli import main
from variegate.cli.tables import in_percent

THINGS = ["boat", "barn", "mill", "kiln", "loom", "plow", "cart", "sled", "well", "gate"]
SMALL = [
    {"instruction": f"Say something about the {thing}", "response": f"A {thing} is {at**2} feet long"}
    for at, thing in enumerate(THINGS)
]
ALIKE = [{"instruction": "Say hello", "response": "Hello"}] * 20


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def put(name: str, rows: list) -> str:
    with Path(name).open("w", encoding="utf-8") as stream:
        stream.writelines(json.dumps(row) + "\n" for row in rows)
    return name


def test_the_default_strategy_takes_fewer_neighbours_in_a_small_pool():
    selection = vg.select(vg.load(SMALL), 3, "novelselect")
    assert selection.params["k"] == 5
    assert "k = 5 neighbours instead of 10" in selection.notes[0]
    assert (selection.indices == vg.select(vg.load(SMALL), 3, "novelselect", k=5).indices).all()


@pytest.mark.parametrize("size", [2, 3, 10])
def test_every_size_of_pool_from_two_distinct_rows_can_be_chosen_from(size):
    assert vg.select(vg.load(SMALL[:size]), 2).n == 2
    assert vg.select(vg.load(SMALL[:size]), 2, "novelselect").n == 2


def test_a_density_that_cannot_be_had_names_options_that_work(capsys):
    for rows, option in ((SMALL, "--set k=5"), (ALIKE, "--set beta=0")):
        name = put("pool.jsonl", rows)
        given = ["--set", "k=10"] if rows is SMALL else []
        assert main(["select", name, "--size", "3", "--strategy", "novelselect", *given, "-o", "out.jsonl", "-q"]) == 2
        assert option in capsys.readouterr().err
        assert main(["select", name, "--size", "3", "--strategy", "novelselect", *option.split(), "-o", "out.jsonl", "-q"]) == 0
        measured = ["measure", name, "--reference", name, "--metrics", "novelsum", "-q"]
        assert main(measured) == 2
        option = "--set novelsum." + option.removeprefix("--set ")
        assert option in capsys.readouterr().err
        assert main([*measured, *option.split()]) == 0
        capsys.readouterr()


@pytest.mark.parametrize("strategy", ["mig", "instag", "meso"])
@pytest.mark.parametrize("cache", ["on", "off"])
def test_a_pool_without_tags_names_the_way_out(strategy, cache, capsys):
    name = put("pool.jsonl", ALIKE)
    tagged = put("tagged.jsonl", [{**row, "t": ["hello"]} for row in ALIKE])
    off = ["--cache", "off"] if cache == "off" else []
    assert main(["select", name, "--size", "3", "--strategy", strategy, "-o", "out.jsonl", "-q", *off]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "no row has a tag by --tags keyphrases" in line
    assert "--tags COLUMN" in line and "--strategy k_center" in line
    assert main(["select", tagged, "--size", "3", "--strategy", strategy, "--tags", "t", "-o", "out.jsonl", "-q"]) == 0
    assert main(["select", name, "--size", "3", "--strategy", "k_center", "-o", "out.jsonl", "-q"]) == 0


def test_what_is_owned_may_have_no_tags():
    pool = vg.load([{**row, "t": [thing]} for row, thing in zip(SMALL, THINGS, strict=True)])
    owned = vg.load([{**row, "t": []} for row in ALIKE])
    assert vg.select(pool, 3, "mig", tags="t", extend=owned).n == 3


def test_copies_that_were_chosen_are_counted():
    pool = vg.load(SMALL * 2)
    assert not any("copy" in note for note in vg.select(pool, 5, "k_center").notes)
    assert any(
        "20 of the 20 rows chosen have an exact copy among them (10 different" in note
        for note in vg.select(pool, 20, "random").notes
    )
    (note,) = vg.select(vg.load(ALIKE), 5, "k_center").notes
    assert note.startswith("5 of the 5 rows chosen have an exact copy among them (all of one text)")


@pytest.mark.parametrize("kind", ["text", "decimal", "integer"])
def test_qualities_are_numbers_however_they_are_kept(kind):
    scores = [at / 4 if kind != "integer" else at for at in range(10)]
    spell = {"text": str, "decimal": lambda one: Decimal(f"{one:.2f}"), "integer": int}[kind]
    columns = {name: [row[name] for row in SMALL] for name in SMALL[0]}
    pq.write_table(pa.table({**columns, "score": [spell(one) for one in scores]}), "pool.parquet")
    plain = vg.load([{**row, "score": one} for row, one in zip(SMALL, scores, strict=True)])
    expected = vg.select(plain, 4, "repr_filter", quality="score").indices
    assert (vg.select("pool.parquet", 4, "repr_filter", quality="score").indices == expected).all()


@pytest.mark.parametrize("value", ["high", "", "nan", "1e999", None, True, 10**400, [1]])
def test_what_is_no_number_is_no_quality(value):
    rows = [{**row, "score": at} for at, row in enumerate(SMALL)]
    rows[4]["score"] = value
    with pytest.raises(vg.DataError, match="row 5: the quality 'score' must be a finite number"):
        vg.select(rows, 4, "repr_filter", quality="score")


def test_shares_are_never_written_in_powers_of_ten():
    shown = [in_percent(at / 1000) for at in range(1001)]
    assert shown[1000] == "100 %"
    assert shown[0] == "0 %"
    assert not any("e" in one for one in shown)
    assert all(abs(float(one.removesuffix(" %")) - at / 10) <= 0.5 for at, one in enumerate(shown))
