"""Macro, meso and micro: which types are kept, how they are covered, and that the dial turns one way."""

from __future__ import annotations

import json

import numpy as np
import pytest

import variegate as vg
from variegate.geometry import sharing
from variegate.strategies.incidence import Incidence, greedy_cover, prune_order, token_incidence
from variegate.strategies.levels import macro, meso, micro
from variegate.strategies.room import Room
from variegate.views.tokens import Tokens

LEVELS = (0, 10, 25, 50, 75, 90, 100)


def texts(n=400, seed=0, types=300):
    rng = np.random.default_rng(seed)
    return Tokens.from_lists([(rng.zipf(1.4, size=rng.integers(0, 14)) % types).tolist() for _ in range(n)])


def rows_of(tokens):
    return [set(tokens[at].tolist()) for at in range(len(tokens))]


def pruned_by_definition(rows):
    """Retire the type with the fewest rows left, drop them; what is left after each step: rows, and the types that they carry."""
    left = {at for at, types in enumerate(rows) if types}
    kept = sorted(set().union(*rows))
    steps = [(set(left), set().union(*(rows[at] for at in left)))]
    while kept:
        fewest = min(kept, key=lambda kind: (sum(kind in rows[at] for at in left), kind))
        kept.remove(fewest)
        left = {at for at in left if fewest not in rows[at]}
        steps.append((set(left), set().union(*(rows[at] for at in left))))
    return steps


def test_pruning_is_that_of_the_definition():
    tokens = texts(60, types=25)
    rows = rows_of(tokens)
    order = prune_order(token_incidence(tokens.ids, tokens.offsets, 1, None))
    steps = pruned_by_definition(rows)
    assert order.rows_left.tolist() == [len(left) for left, _ in steps]
    assert order.types_left.tolist() == [len(types) for _, types in steps]
    for step, (left, _) in enumerate(steps):
        assert np.flatnonzero(order.dropped_at > step).tolist() == sorted(left)


def test_the_cover_is_that_of_plain_greedy():
    tokens = texts(80, seed=3)
    rows = rows_of(tokens)
    covered: set[int] = set()
    expected = []
    while len(expected) < 15:
        gains = [len(types - covered) for types in rows]
        best = int(np.argmax(gains))
        covered |= rows[best]
        expected.append(best)
    incidence = token_incidence(tokens.ids, tokens.offsets, 1, None)
    assert greedy_cover(incidence, Room(80, 15), np.ones(80, bool)).tolist() == expected
    some = np.arange(80) % 2 == 0
    assert not set(greedy_cover(incidence, Room(80, 15), some).tolist()) & set(range(1, 80, 2))


def test_incidence_holds_each_type_of_a_row_once():
    incidence = Incidence.build(np.array([2, 0, 2, 2]), np.array([7, 9, 7, 5]), 4)
    assert (incidence.rows, incidence.types) == (4, 3)
    assert [incidence.of_row(at).tolist() for at in range(4)] == [[2], [], [0, 1], []]
    assert [incidence.of_type(at).tolist() for at in range(3)] == [[2], [2], [0]]
    assert incidence.of_rows(np.array([2, 1, 0])).tolist() == [0, 1, 2]


CASES = {
    "macro": (macro, lambda: np.random.default_rng(1).zipf(1.3, size=500) % 60),
    "meso": (
        meso,
        lambda: Tokens.from_lists([sorted(set(row)) for row in [t.tolist() for t in map(texts(500, 2).__getitem__, range(500))]]),
    ),
    "micro": (lambda *a, **o: micro(*a, low=3, high=60, **o), lambda: texts(500, 4)),
}


def types_in(name, view, rows):
    if name == "macro":
        return len(np.unique(view[rows]))
    if name == "meso":
        return len(view.take(rows).type_counts[0])
    band = view.type_counts[0][(view.type_counts[1] >= 3) & (view.type_counts[1] <= 60)]
    return len(np.intersect1d(view.take(rows).ids, band))


@pytest.mark.parametrize("size", [20, 120])
@pytest.mark.parametrize("name", CASES)
def test_the_dial_turns_one_way(name, size):
    function, make = CASES[name]
    view = make()
    realised = []
    for level in LEVELS:
        picks = function(view, size, seed=3, level=level)
        assert len(set(picks.rows.tolist())) == size
        found = picks.params
        assert found["k_realised"] == types_in(name, view, picks.rows)
        assert found["k_min"] <= found["k_asked"] <= found["k_max"]
        # What is asked for is had, but where dropping one type's rows takes several types along.
        assert found["k_realised"] <= found["k_asked"]
        realised.append(found["k_realised"])
    assert realised == sorted(realised)
    assert realised[0] == found["k_min"]
    assert realised[-1] == found["k_max"] > realised[0]


@pytest.mark.parametrize("name", CASES)
def test_the_same_seed_gives_the_same_rows_and_another_others(name):
    function, make = CASES[name]
    first = function(make(), 60, seed=1, level=50).rows.tolist()
    with sharing():
        assert function(make(), 60, seed=1, level=50).rows.tolist() == first
    assert function(make(), 60, seed=2, level=50).rows.tolist() != first


def test_types_are_drawn_evenly():
    topics = np.repeat(np.arange(4), [400, 300, 200, 100])
    picks = macro(topics, 200, seed=0, level=100)
    counts = np.bincount(topics[picks.rows])
    assert counts.min() > 35
    # Every type comes first, once.
    assert sorted(topics[picks.rows[:4]].tolist()) == [0, 1, 2, 3]
    low = macro(topics, 200, seed=0, level=0)
    assert np.bincount(topics[low.rows]).tolist() == [200]


def test_rows_without_a_type_are_no_candidates():
    topics = np.array([0, 1, -1, 0, 2, -1])
    assert sorted(macro(topics, 4, seed=0).rows.tolist()) == [0, 1, 3, 4]
    with pytest.raises(vg.DataError, match=r"macro: 4 of 6 rows carry a type at all, so 5 cannot be chosen\. Choose 1 to 4"):
        macro(topics, 5, seed=0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: macro(np.arange(9), 3, seed=0, level=101), r"'level' parameter of macro must be a number in \[0, 100\]"),
        (lambda: meso(texts(9), 3, seed=0, level="high"), "'level' parameter of meso"),
        (lambda: micro(texts(9), 3, seed=0, low=0), "'low' parameter of micro"),
        (lambda: micro(texts(9), 3, seed=0, low=5, high=4), "'high' parameter of micro must be an int of at least low = 5"),
        (lambda: micro(texts(9), 3, seed=0, low=400, high=500), "micro: 0 of 9 rows carry a type"),
    ],
)
def test_levels_that_cannot_be(call, message):
    with pytest.raises(vg.VariegateError, match=message):
        call()


@pytest.mark.parametrize("strategy", ["macro", "meso", "micro"])
def test_by_the_command_line(strategy, tmp_path):
    from tests.conftest import SAMPLE
    from variegate.cli import main

    kinds = {"macro": ["--topics", "domain"], "meso": ["--tags", "domain"], "micro": ["--set", "low=4"]}
    target = tmp_path / "out.jsonl"
    arguments = [
        "select",
        str(SAMPLE),
        "--size",
        "40",
        "--strategy",
        strategy,
        "--side",
        "response",
        "--level",
        "50",
        *kinds[strategy],
    ]
    assert main([*arguments, "-o", str(target), "--quiet"]) == 0
    record = json.loads((tmp_path / "out.jsonl.selection.json").read_text(encoding="utf-8"))
    params = record["params"]
    assert {"k_asked", "k_realised", "k_min", "k_max", "side", "level"} <= set(params)
    assert params["level"] == 50
    if strategy != "micro":
        domains = {json.loads(line)["domain"] for line in target.read_text(encoding="utf-8").splitlines()}
        assert len(domains) == params["k_realised"]
