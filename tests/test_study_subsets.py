"""Subsets of a study: halves of a pool, controls, samples of it."""

from __future__ import annotations

import numpy as np
import pytest

from tests import study
from tests.conftest import SAMPLE
from variegate.errors import DataError
from variegate.loading import load
from variegate.study.halves import HALVES, half_of, in_half, lowest
from variegate.study.subsets import SubsetSettings, select_rows

pytestmark = pytest.mark.usefixtures("pretending")


def test_halves_do_not_overlap_and_do_not_depend_on_the_order(tmp_path):
    found = study.sample()
    whole = load(study.rows(tmp_path / "rows.jsonl", found))
    back = load(study.rows(tmp_path / "back.jsonl", found[::-1]))
    halves = {half: half_of(whole, half).texts("both").to_pylist() for half in HALVES}
    assert sum(map(len, halves.values())) == len(whole)
    assert not set(halves["design"]) & set(halves["test"])
    assert min(map(len, halves.values())) > 0.4 * len(whole)
    for half in HALVES:
        assert sorted(half_of(back, half).texts("both").to_pylist()) == sorted(halves[half])
        assert (
            lowest(half_of(back, half), 50).texts("both").to_pylist()[::-1]
            == lowest(half_of(whole, half), 50).texts("both").to_pylist()
        )
    assert half_of(whole, None) is whole
    # White space makes no other row.
    assert in_half(" a \n b", "test") == in_half("a b", "test") != in_half("a b", "design")
    with pytest.raises(DataError, match="none of its 1 rows is in the half"):
        half_of(whole.take([0]), next(half for half in HALVES if not in_half(whole.texts("both").to_pylist()[0], half)))


def test_fewer_rows_are_of_the_more(tmp_path):
    whole = load(SAMPLE)
    kept = [set(lowest(whole, rows).numbers.tolist()) for rows in (20, 50, 400)]
    assert kept[0] < kept[1] < kept[2] == set(range(400))
    assert lowest(whole, None) is whole
    with pytest.raises(DataError, match=r"'pool.rows' asks for 401 rows, and there are 400"):
        lowest(whole, 401)


def test_controls():
    pool = load(SAMPLE)
    rows, chosen = select_rows(pool, SubsetSettings("random", size=11, copies=4))
    assert len(rows) == 11 and chosen.n == 3
    assert rows.tolist() == np.tile(rows[:3], 4)[:11].tolist()
    tokens, _ = select_rows(pool, SubsetSettings("random", budget_tokens=3000, copies=3))
    assert np.unique(tokens, return_counts=True)[1].tolist() == [3] * (len(tokens) // 3)
    domains = np.array(pool.column("domain"))
    few, _ = select_rows(pool, SubsetSettings("random", size=15, only=("domain", 2), seed=1))
    other, _ = select_rows(pool, SubsetSettings("random", size=15, only=("domain", 2), seed=2))
    assert len(set(domains[few])) == 2 == len(set(domains[other]))
    assert set(domains[few]) != set(domains[other])
    with pytest.raises(DataError, match="values of 'domain', fewer than the 99 asked for"):
        select_rows(pool, SubsetSettings("random", size=30, only=("domain", 99)))
    with pytest.raises(DataError, match="lacks the field 'nothing'"):
        select_rows(pool, SubsetSettings("random", size=30, only=("nothing", 1)))


def test_a_sample_of_the_pool_gives_a_strategy_without_luck_other_subsets():
    pool = load(SAMPLE)
    plain = [set(select_rows(pool, SubsetSettings("facility_location", size=20, seed=seed))[0].tolist()) for seed in (0, 1)]
    assert plain[0] == plain[1]
    drawn = [
        set(select_rows(pool, SubsetSettings("facility_location", size=20, seed=seed, pool_sample=100))[0].tolist())
        for seed in (0, 0, 1)
    ]
    assert drawn[0] == drawn[1] != drawn[2]
    everything = select_rows(pool, SubsetSettings("random", size=100, seed=3, pool_sample=100))[0]
    assert len(set(everything.tolist())) == 100
    with pytest.raises(DataError, match=r"'pool_sample' asks for 500 of 400 rows. Ask for fewer"):
        select_rows(pool, SubsetSettings("random", size=20, pool_sample=500))


def test_a_subset_is_the_same_whatever_was_chosen_before_it(tmp_path):
    """Views that lie about from other subsets change nothing."""
    settings = [
        SubsetSettings("macro", side="response", level=50, size=15, topics="kmeans:8", pool_sample=200),
        SubsetSettings("novelselect", size=15, embedder="lsa:8", pool_sample=200), SubsetSettings("meso", level=100, size=15),
        SubsetSettings("token_coverage", size=15, side="instruction", match_length="pool"),
    ]  # fmt: skip
    shared = load(SAMPLE)
    one = [select_rows(shared, wanted)[0].tolist() for wanted in settings]
    assert one == [select_rows(load(SAMPLE), wanted)[0].tolist() for wanted in settings[::-1]][::-1]
