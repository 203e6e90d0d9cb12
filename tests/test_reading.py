"""What a command reads: each data set once, nothing of it written over, nothing left behind for the next command."""

from __future__ import annotations

import json
import shutil

import click
import numpy as np
import pytest

import variegate as vg
from tests.conftest import SAMPLE
from tests.test_cli import run
from variegate import loading
from variegate.cli import VERBS, cli, reading
from variegate.cli.reading import OutputPath
from variegate.geometry import duplicates
from variegate.geometry.density import density as plain_density

# A run of every verb that reads data, and of every option of it that names a file to write.
RUNS = {
    "measure": "measure POOL --metrics sequence_length",
    "diagnose": "diagnose POOL",
    "select": "select POOL --size 3 --strategy random",
    "ladder": "ladder POOL --strategies random --size 3",
    "embed": "embed POOL",
    "tokenize": "tokenize POOL",
    "tag": "tag POOL --tags domain",
}
# What an option needs beside it, to be used at all.
BESIDE = {"bad_rows": "--on-bad-row skip", "plot": "--curve 5,10", "save_fit": "--embedder lsa"}


def outputs():
    for verb in RUNS:
        for parameter in cli.get_command(None, verb).params:
            if isinstance(parameter.type, OutputPath) and (verb, parameter.name) != ("ladder", "output"):
                yield pytest.param(verb, parameter, id=f"{verb} {parameter.opts[-1]}")


def test_every_verb_is_among_the_runs():
    # These read no data, or those that a file names.
    assert set(RUNS) | {"list", "simulate", "study"} == set(VERBS)


def test_every_path_that_is_written_is_known_as_one():
    for verb in VERBS:
        for parameter in cli.get_command(None, verb).params:
            assert not isinstance(parameter.type, click.Path) or isinstance(parameter.type, OutputPath), parameter.name


@pytest.fixture
def pool(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "pool.jsonl"
    path.write_bytes(b"\n".join(SAMPLE.read_bytes().split(b"\n")[:30]) + b"\n")
    return path


def command(verb, more, pool):
    named = " -o " in f" {more} " or "--output" in more
    needed = "" if named else {"select": "-o out.jsonl", "ladder": "-o grid"}.get(verb, "")
    return [str(pool) if word == "POOL" else word for word in f"{RUNS[verb]} {more} {needed}".split()]


@pytest.mark.parametrize("link", [None, "symbolic", "hard"])
@pytest.mark.parametrize(("verb", "parameter"), list(outputs()))
def test_no_output_replaces_the_pool(verb, parameter, link, pool, capsys):
    target = pool
    if link is not None:
        target = pool.with_name("other.jsonl")
        (target.symlink_to if link == "symbolic" else target.hardlink_to)(pool)
    before = pool.read_bytes()
    more = f"{parameter.opts[-1]} {target} {BESIDE.get(parameter.name, '')}"
    assert run(*command(verb, more, pool)) == 2
    assert "is the data that was read; writing here would destroy it" in capsys.readouterr().err
    assert pool.read_bytes() == before
    assert {path.name for path in pool.parent.iterdir()} <= {"pool.jsonl", "other.jsonl"}


@pytest.mark.parametrize("verb", RUNS)
def test_the_list_of_bad_rows_does_not_replace_the_pool(verb, pool, capsys):
    """The list has a name by itself, which a pool may have too: 13 lines before, 1 after."""
    name = {"select": "out.jsonl.bad-rows.jsonl"}.get(verb, "variegate.bad-rows.jsonl")
    bad = pool.rename(pool.with_name(name))
    with bad.open("a", encoding="utf-8") as stream:
        stream.write("{}\n")
    before = bad.read_bytes()
    assert run(*command(verb, "--on-bad-row skip --schema messages", bad)) == 2
    assert f"{name}: is the data that was read" in capsys.readouterr().err
    assert bad.read_bytes() == before


@pytest.mark.parametrize("option", ["--reference", "--extend", "--match-length"])
def test_no_output_replaces_another_input(option, pool, capsys):
    other = shutil.copy(pool, pool.with_name("other.jsonl"))
    before = other.read_bytes()
    assert run(*command("select", f"{option} {other} -o {other}", pool)) == 2
    assert "other.jsonl: is the data that was read" in capsys.readouterr().err
    assert other.read_bytes() == before


@pytest.mark.parametrize("name", ["manifest.jsonl", "ladder.json", "random-both-n3-seed0.jsonl"])
def test_a_ladder_does_not_replace_its_pool(name, pool, capsys):
    inside = pool.parent / "grid" / name
    inside.parent.mkdir()
    shutil.copy(pool, inside)
    before = inside.read_bytes()
    run(*command("ladder", "--side both -o grid", inside))
    assert "is the data that is read" in capsys.readouterr().err
    with pytest.raises(vg.DataError, match="is the data that is read"):
        vg_ladder(inside)
    assert inside.read_bytes() == before
    assert [path.name for path in inside.parent.iterdir()] == [name]


def vg_ladder(pool):
    from variegate.study.ladder import ladder

    return ladder(pool, ["random"], pool.parent, sizes=[3], side="both")


def test_what_is_read_is_safe_from_every_write_of_the_command(pool, monkeypatch, capsys):
    """Also where a verb forgot to say what it writes: the second line of defence."""
    monkeypatch.setattr(reading, "_refuse_input", lambda output, read: None)
    before = pool.read_bytes()
    assert run(*command("measure", f"--json {pool}", pool)) == 2
    assert "is the data that is read" in capsys.readouterr().err
    assert pool.read_bytes() == before


# --- each name once


@pytest.fixture
def work(monkeypatch):
    """Count how often a data set is read, and how often its rows are grouped."""
    counts = {"read": 0, "grouped": 0}

    def count(what, module, name):
        function = getattr(module, name)

        def counted(*arguments, **options):
            counts[what] += 1
            return function(*arguments, **options)

        monkeypatch.setattr(module, name, counted)

    count("read", loading, "_read")
    count("grouped", duplicates, "_group")
    return counts


@pytest.mark.parametrize("spelled", ["pool.jsonl", "./pool.jsonl"])
@pytest.mark.parametrize(
    ("verb", "more"),
    [
        ("measure", "--reference OTHER"),
        ("measure", "OTHER"),
        ("diagnose", "--reference OTHER"),
        ("select", "--reference OTHER --strategy novelselect"),
        ("select", "--match-length OTHER"),
    ],
)
def test_each_data_set_is_read_and_grouped_once(verb, more, spelled, pool, work, capsys):
    assert run(*command(verb, more.replace("OTHER", spelled), "pool.jsonl")) == 0, capsys.readouterr().err
    assert work["read"] == 1
    assert work["grouped"] == (verb == "diagnose" or "novelselect" in more)


@pytest.mark.parametrize(
    "call",
    [
        lambda pool: vg.select(pool, 5, reference=pool),
        lambda pool: vg.measure([pool, pool], "sequence_length", reference=pool),
        lambda pool: vg.diagnose(pool, reference=pool),
        lambda pool: vg.rarefaction(pool, "token_types", sizes=[5, 10], reference=pool),
    ],
)
def test_the_library_reads_a_path_once_too(call, pool, work):
    pool.write_bytes(SAMPLE.read_bytes())
    call(str(pool))
    assert work["read"] == 1


def test_a_pool_that_is_its_own_reference_saves_half_of_the_products(monkeypatch):
    """Picks are the same as without; what is new is that the points are known to be the queries."""
    x = np.random.default_rng(0).normal(size=(300, 5))
    known = []

    def watched(*arguments, points_at=None, **options):
        known.append(points_at is not None)
        return plain_density(*arguments, points_at=points_at, **options)

    monkeypatch.setattr("variegate.strategies.novelselect.strategy.density", watched)
    picks = [vg.select(x, 20, reference=reference).indices.tolist() for reference in (None, x, x.copy())]
    assert known == [True] * 3
    assert picks[1:] == picks[:1] * 2
    assert vg.select(x, 20, reference=x).params["reference"] == "vectors"


def test_a_diagnosis_against_itself_finds_nothing_crowded_and_nothing_missed(pool):
    found = vg.diagnose(str(pool), reference=str(pool), clusters=3)
    assert found.crowded == ()
    assert [region.coverage for region in found.missed] == [1, 1, 1]
    assert vg.diagnose(str(pool), clusters=3).missed == ()


def test_json_goes_to_stdout_and_notes_do_not(pool, capsys):
    assert run(*command("diagnose", "--json -", pool)) == 0
    assert json.loads(capsys.readouterr().out)["n"] == 30
