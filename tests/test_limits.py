"""Budgets of tokens, lengths, and data that is owned already: for every strategy, and against slow code that tries everything."""

from __future__ import annotations

import json

import numpy as np
import pytest

import variegate as vg
from tests.conftest import SAMPLE
from variegate.cli import main
from variegate.strategies import STRATEGIES
from variegate.strategies.facility_location import facility_location
from variegate.strategies.lengths import largest_gap, matched_lengths, range_of
from variegate.strategies.novelselect.strategy import novelselect
from variegate.strategies.room import LEAST_COST, Room
from variegate.strategies.token_coverage import token_coverage
from variegate.views.tokens import Tokens

RNG = np.random.default_rng
KINDS = {"topics": "domain", "tags": "domain"}
OPTIONS = {"micro": {"low": 4}, "token_coverage": {"low": 2}, "blend": {"low": 2}, "repr_filter": {"threshold": 0.99}}


@pytest.fixture(scope="module")
def sample():
    return vg.load(SAMPLE)


def lengths_of(corpus, rows, side="both"):
    return corpus.take(rows).tokens(side, "llama2").lengths


@pytest.mark.parametrize("side", ["both", "response"])
@pytest.mark.parametrize("name", STRATEGIES)
def test_a_budget_is_spent_and_not_exceeded(name, side, sample):
    chosen = vg.select(sample, strategy=name, budget_tokens=5000, budget_side=side, **KINDS, **OPTIONS.get(name, {}))
    spent = int(lengths_of(sample, chosen.indices, side).sum())
    assert chosen.params["tokens_spent"] == spent <= 5000
    assert chosen.n == len(chosen.indices) == len(set(chosen.indices.tolist())) == len(chosen.gains)
    # Rows that the strategy's own limit leaves out may not fill the rest.
    shares = lengths_of(sample, np.arange(len(sample)), "response") / lengths_of(sample, np.arange(len(sample)))
    left = np.setdiff1d(np.flatnonzero(shares >= chosen.params.get("response_share", 0)), chosen.indices)
    if name in ("macro", "meso", "micro", "instag", "dpp", "repr_filter"):
        # Only rows of these strategies' own choice may fill the rest.
        assert spent > 4500
    else:
        assert lengths_of(sample, left, side).min() > 5000 - spent
    again = vg.select(sample, strategy=name, budget_tokens=5000, budget_side=side, **KINDS, **OPTIONS.get(name, {}))
    assert again.indices.tolist() == chosen.indices.tolist()


@pytest.mark.parametrize("name", ["macro", "micro"])
def test_the_dial_turns_one_way_under_a_budget(name, sample):
    found = [
        vg.select(sample, strategy=name, budget_tokens=4000, level=level, **KINDS, **OPTIONS.get(name, {})).params
        for level in (0, 20, 40, 60, 80, 100)
    ]
    realised = [params["k_realised"] for params in found]
    assert realised == sorted(realised)
    assert realised[-1] == found[-1]["k_max"] > realised[0]


def greedy_by_ratio(value, costs, budget, ratio):
    """Try every row that fits at every step."""
    picks: list[int] = []
    left = budget
    while True:
        gains = {}
        for row in range(len(costs)):
            if row not in picks and costs[row] <= left:
                gain = value([*picks, row]) - value(picks)
                gains[row] = gain / (max(costs[row], LEAST_COST) if ratio else 1)
        if not gains:
            return picks, value(picks)
        best = max(gains.values())
        row = min(row for row, gain in gains.items() if gain >= best - 1e-9 * abs(best))
        picks.append(row)
        left -= costs[row]


@pytest.mark.parametrize("per_token", [True, False, None])
@pytest.mark.parametrize("seed", range(3))
def test_facility_location_by_tokens(per_token, seed):
    x = RNG(seed).normal(size=(40, 4)) + 0.3
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    similar = np.maximum(unit @ unit.T, 0)
    costs = RNG(seed + 9).integers(5, 200, size=40)
    found = facility_location(x, 40, seed=0, per_token=per_token, room=Room(40, costs=costs, budget=600))

    def value(picks):
        return float(similar[:, picks].max(axis=1).mean()) if picks else 0.0

    tried = {ratio: greedy_by_ratio(value, costs, 600, ratio) for ratio in (True, False)}
    best = max(tried.values(), key=lambda one: one[1]) if per_token is None else tried[per_token]
    assert found.rows.tolist() == best[0]
    assert sum(found.gains) == pytest.approx(best[1], rel=1e-4)


@pytest.mark.parametrize("per_token", [True, False, None])
def test_token_coverage_by_tokens(per_token):
    rng = RNG(2)
    tokens = Tokens.from_lists([rng.integers(0, 50, size=rng.integers(1, 60)).tolist() for _ in range(50)])
    found = token_coverage(
        tokens, 50, seed=0, low=1, high=None, per_token=per_token, room=Room(50, costs=tokens.lengths, budget=400)
    )

    def value(picks):
        counts = np.bincount(np.concatenate([tokens[row] for row in picks]).astype(int), minlength=50) if picks else np.zeros(1)
        return float(np.log1p(counts).sum())

    tried = {ratio: greedy_by_ratio(value, tokens.lengths, 400, ratio) for ratio in (True, False)}
    best = max(tried.values(), key=lambda one: one[1]) if per_token is None else tried[per_token]
    assert found.rows.tolist() == best[0]
    if per_token is None:
        assert found.params["total_by_gain"] == pytest.approx(tried[False][1])
        assert found.params["total_by_gain_per_token"] == pytest.approx(tried[True][1])
        assert "was the better of two" in found.notes[0]


def test_neither_way_alone_is_safe():
    # Gain by row takes one row of 40 types for 400 tokens; gain per token takes 20 rows of 20 types for 20 each.
    many = Tokens.from_lists([list(range(40)) * 10] + [list(range(20 * at, 20 * at + 20)) for at in range(2, 22)])
    room = Room(21, costs=many.lengths, budget=400)
    assert token_coverage(many, 21, seed=0, low=1, high=None, per_token=False, room=room).rows[0] == 0
    assert len(token_coverage(many, 21, seed=0, low=1, high=None, room=room).rows) == 20
    # Gain per token takes a short row for its ratio, after which the row that is worth ten times as much does not fit.
    trap = Tokens.from_lists([list(range(16)), list(range(100, 200)) * 2])
    room = Room(2, costs=trap.lengths, budget=200)
    chosen = {way: token_coverage(trap, 2, seed=0, low=1, high=None, per_token=way, room=room) for way in (True, False, None)}
    assert {way: picks.rows.tolist() for way, picks in chosen.items()} == {True: [0], False: [1], None: [1]}


def test_novelselect_by_tokens_divides_the_score():
    x = RNG(0).normal(size=(60, 4))
    costs = RNG(1).integers(1, 300, size=60)
    room = Room(60, costs=costs, budget=2000)
    found = novelselect(x, 60, seed=0, k=4, first=3, beta=0, duplicates="keep", per_token=True, room=room)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    picks, left = [3], 2000 - costs[3]
    while True:
        fits = [row for row in range(60) if row not in picks and costs[row] <= left]
        if not fits:
            break
        scores = {}
        for row in fits:
            distances = np.sort(2 * (1 - unit[picks] @ unit[row]))
            scores[row] = (distances / np.arange(1, len(picks) + 1)).sum() / max(costs[row], LEAST_COST)
        best = max(scores, key=lambda row: (scores[row], -row))
        picks.append(best)
        left -= costs[best]
    assert found.rows.tolist() == picks


EXTENDED = [name for name, spec in STRATEGIES.items() if spec.extends]
# Greedy strategies go on from what is owned as from their own picks.
GO_ON = ["novelselect", "novelselect_rich", "k_center", "facility_location", "dpp", "max_sum"]
GO_ON_WITH_TEXTS = ["token_coverage", "blend"]
# These look at what is owned in another way, which tests of their own show; that of mig is in test_mig.py.
LOOK_AT = ["repr_filter", "semdedup", "instag", "mig"]
ONLY_AVOID = ["random"]


def test_what_a_strategy_makes_of_owned_rows_is_shown_of_each_that_can_extend():
    assert sorted([*GO_ON, *GO_ON_WITH_TEXTS, *LOOK_AT, *ONLY_AVOID]) == sorted(EXTENDED)


@pytest.mark.parametrize("name", GO_ON)
def test_extending_a_selection_goes_on_with_it(name):
    x = RNG(4).normal(size=(90, 24)).astype(np.float32)
    first = {} if name == "facility_location" else {"first": 5}
    whole = vg.select(x, 20, name, **first).indices
    more = vg.select(x, 12, name, extend=x[whole[:8]])
    assert more.indices.tolist() == whole[8:].tolist()
    assert more.params["extended_rows"] == 8
    outside = np.delete(x, whole[:8], axis=0)
    places = np.delete(np.arange(90), whole[:8])
    assert places[vg.select(outside, 12, name, extend=x[whole[:8]]).indices].tolist() == whole[8:].tolist()


@pytest.mark.parametrize("name", GO_ON_WITH_TEXTS)
def test_extending_goes_on_with_texts_too(name, sample, tmp_path):
    whole = vg.select(sample, 30, name, low=2).indices
    sample.take(whole[:12]).write(tmp_path / "owned.jsonl")
    more = vg.select(sample, 18, name, low=2, extend=tmp_path / "owned.jsonl")
    assert more.indices.tolist() == whole[12:].tolist()


@pytest.mark.parametrize("name", EXTENDED)
def test_what_is_owned_is_not_chosen_again(name, sample):
    owned = sample.take(np.arange(0, 150))
    chosen = vg.select(sample, 10, name, extend=owned, **KINDS, **OPTIONS.get(name, {}))
    texts = set(owned.texts("both").to_pylist())
    assert chosen.n == 10
    assert texts.isdisjoint(sample.take(chosen.indices).texts("both").to_pylist())


def test_repr_filter_and_semdedup_look_at_what_is_owned():
    x = RNG(6).normal(size=(60, 9))
    owned = x[:20] * 1.5
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    chosen = vg.select(x, 5, "repr_filter", threshold=0.5, extend=owned)
    assert (unit[chosen.indices] @ unit[:20].T).max() <= 0.5
    least = vg.select(x, 5, "semdedup", k=1, extend=owned).indices
    assert set(least.tolist()).isdisjoint(range(20))
    assert (unit[least] @ unit[:20].T).max() < np.sort((unit[20:] @ unit[:20].T).max(axis=1))[25]


def test_instag_does_not_look_for_owned_tags():
    from variegate.strategies.instag import instag

    tags = Tokens.from_lists([[1, 2, 3, 4], [1, 2, 3], [5, 6], [7], [1, 2, 3, 4, 5]])
    assert instag(tags, 2, seed=0, room=Room(5, 2, owned=np.array([4]))).rows.tolist() == [2, 3]


@pytest.mark.parametrize("name", [name for name in STRATEGIES if name not in EXTENDED])
def test_strategies_that_cannot_extend_say_so(name, sample):
    with pytest.raises(vg.ParameterError, match=f"'extend' parameter of {name} must be left out"):
        vg.select(sample, 5, name, extend=sample)


def test_room_is_used_up_by_cost_and_by_kind():
    room = Room(5, costs=np.array([4, 3, 9, 1, 2]), budget=8)
    assert room.open.tolist() == [True, True, False, True, True]
    assert room.size == 3
    assert room.fill([2, 0, 1, 3, 4]).tolist() == [0, 1, 3]
    assert (room.spent, room.full) == (8, True)
    room = Room(6, 3, kinds=np.array([0, 0, 1, 1, 2, 2]), quotas=np.array([1, 2, 0]))
    assert room.fill(range(6)).tolist() == [0, 2, 3]
    assert Room(4, owned=np.array([1, 3])).size == 2


def test_lengths_are_matched():
    rng = RNG(0)
    pool, target = rng.integers(1, 1000, size=5000), rng.integers(100, 300, size=800)
    matched = matched_lengths(pool, target, 400, "pool")
    assert matched.quotas.sum() == 400
    rows = Room(5000, 400, kinds=matched.kinds, quotas=matched.quotas).fill(rng.permutation(5000).tolist())
    # All but the tails, which belong to the outermost ranges, are within one range of the target.
    assert largest_gap(pool[rows], target) < 0.11
    assert largest_gap(pool[rng.permutation(5000)[:400]], target) > 0.5
    same = np.full(50, 7)
    assert matched_lengths(np.array([7] * 60 + [8] * 9), same, 50, "pool").quotas.tolist() == [50, 0]


def test_lengths_that_cannot_be_matched_say_what_can():
    with pytest.raises(
        vg.DataError, match=r"pool: has 3 rows with responses of 2 to 2 tokens.*10 rows need 5 of them. Choose 1 to 7 rows"
    ):
        matched_lengths(np.array([1] * 90 + [2] * 3), np.array([1, 2]), 10, "pool")
    with pytest.raises(vg.DataError, match="so it cannot match these lengths"):
        matched_lengths(np.array([5] * 9), np.array([1, 1, 9]), 4, "pool")


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_matches_lengths(name, sample):
    # The pool's own ranges, twenty of them, with two rows of each.
    chosen = vg.select(sample, 40, name, match_length="pool", **KINDS, **OPTIONS.get(name, {}))
    lengths = lengths_of(sample, np.arange(len(sample)), "response")
    assert chosen.n == 40
    assert chosen.params["length_gap"] == pytest.approx(largest_gap(lengths[chosen.indices], lengths))
    assert chosen.params["length_gap"] < 0.06
    if name == "token_coverage":
        free = vg.select(sample, 40, name, low=2).indices
        assert largest_gap(lengths[free], lengths) > 0.3


@pytest.mark.parametrize(("text", "low", "high"), [("20:60", 20, 60), (":60", 0, 60), ("60:", 60, 10**9)])
def test_only_rows_in_the_range_are_chosen(text, low, high, sample):
    assert range_of(text) == (low, None if high == 10**9 else high)
    chosen = vg.select(sample, 20, "k_center", length_range=text)
    lengths = lengths_of(sample, chosen.indices, "response")
    assert low <= lengths.min() <= lengths.max() <= high
    everything = lengths_of(sample, np.arange(len(sample)), "response")
    assert chosen.params["rows_in_range"] == ((everything >= low) & (everything <= high)).sum()


@pytest.mark.parametrize("share", [0, 0.5, 0.75])
def test_only_rows_with_enough_of_a_response_are_chosen(share, sample):
    every = np.arange(len(sample))
    shares = np.array([
        len(sample.take([row]).tokens("response").ids) / len(sample.take([row]).tokens("both").ids) for row in every
    ])  # fmt: skip
    assert 0 < (shares >= 0.75).sum() < (shares >= 0.5).sum() < len(every)
    chosen = vg.select(sample, 20, "random", response_share=share)
    assert shares[chosen.indices].min() >= share
    assert (chosen.params["response_share"], chosen.params["rows_with_share"]) == (share, (shares >= share).sum())
    # Both limits at once leave what each of them leaves.
    narrow = vg.select(sample, 9, "k_center", response_share=share, length_range="40:", budget_tokens=None)
    both = (shares >= share) & (lengths_of(sample, every, "response") >= 40)
    assert both[narrow.indices].all() and narrow.params["rows_with_share"] == both.sum()


def test_a_share_of_rows_without_responses():
    prompts = vg.load([{"prompt": f"row {one}"} for one in range(9)], columns={"instruction": "prompt"})
    with pytest.raises(vg.DataError, match=r"has no responses, so none has a share .* Leave out --response-share"):
        vg.select(prompts, 2, "random", side="instruction", response_share=0.5)


def test_a_first_row_is_one_of_the_pool(sample):
    lengths = lengths_of(sample, np.arange(len(sample)), "response")
    inside, outside = (int(np.flatnonzero(test)[-1]) for test in (lengths >= 40, lengths < 40))
    chosen = vg.select(sample, 5, "k_center", length_range="40:", first=inside)
    assert chosen.indices[0] == inside
    assert vg.select(sample, 5, length_range="40:", first=inside).params["first"] == inside
    with pytest.raises(vg.ParameterError, match=r"'first' parameter of select must be a row of .* that the lengths"):
        vg.select(sample, 5, "k_center", length_range="40:", first=outside)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "takes either a size"),
        ({"size": 5, "budget_tokens": 100}, "takes either a size"),
        ({"budget_tokens": 0}, "'budget_tokens' parameter of select must be an int of at least 1"),
        ({"budget_tokens": True}, "'budget_tokens' parameter"),
        ({"budget_tokens": 3}, r"a budget of 3 tokens cannot be spent: its rows have \d+ tokens at least and [\d,]+ in all"),
        ({"budget_tokens": 10**9}, "a budget of 1,000,000,000 tokens cannot be spent"),
        ({"budget_tokens": 100, "budget_side": "user"}, "'budget_side' parameter"),
        ({"budget_tokens": 100, "match_length": "pool"}, "Pass --size with --match-length"),
        ({"size": 5, "length_range": "20-30"}, r"takes LOW:HIGH in tokens of the response.*Got '20-30'"),
        ({"size": 5, "length_range": "30:20"}, "takes LOW:HIGH"),
        ({"size": 5, "length_range": "100000:"}, "0 of 400 rows have responses of 100000: tokens, fewer than the 5 asked for"),
        ({"size": 5, "response_share": 50}, r"'response_share' parameter of select must be a number in \[0, 1\]"),
        ({"size": 5, "response_share": True}, r"must be a number in \[0, 1\]"),
        ({"size": 399, "response_share": 0.9}, r"\d+ of 400 rows have a response of at least 0.9 of their tokens, fewer than the 399"),
        ({"size": 5, "strategy": "dpp", "extend": "sample", "first": 3}, "0 rows are not in .* already, fewer than the 5"),
        ({"budget_tokens": 100, "strategy": lambda x, size, seed: [0]}, "its function takes no parameter 'room'"),
        ({"budget_tokens": 70000, "strategy": "dpp"}, r"dpp can choose \d+ rows of [\d,]+ tokens of this pool, not the budget of 70,000"),
        ({"budget_tokens": 5000, "strategy": "repr_filter", "threshold": 0.01}, "rows of .* tokens are at most 0.01 alike, fewer than the budget"),
    ],
)  # fmt: skip
def test_limits_that_cannot_be(options, message, sample):
    given = {name: sample if value == "sample" else value for name, value in options.items()}
    with pytest.raises(vg.VariegateError, match=message):
        vg.select(sample, **given)


def test_vectors_have_no_tokens():
    with pytest.raises(vg.DataError, match="holds vectors only, so nothing that needs text"):
        vg.select(np.eye(9), budget_tokens=100)
    with pytest.raises(vg.ParameterError, match="'first' parameter of k_center must be left out where a data set is extended"):
        vg.select(np.eye(9), 2, "k_center", extend=np.eye(9)[:2] * 2, first=4)


def test_by_the_command_line(tmp_path):
    arguments = ["select", str(SAMPLE), "--quiet", "--strategy", "k_center"]
    one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    assert main([*arguments, "--budget-tokens", "3000", "--budget-side", "response", "-o", str(one)]) == 0
    record = json.loads((tmp_path / "one.jsonl.selection.json").read_text(encoding="utf-8"))
    assert record["params"]["tokens"]["response"] == record["params"]["tokens_spent"] <= 3000
    assert set(record["params"]["tokens"]) == {"instruction", "response", "both"}
    assert (
        main(
            [
                *arguments,
                "--size",
                "9",
                "--existing",
                str(one),
                "--length-range",
                "20:",
                "--response-share",
                "0.1",
                "-o",
                str(two),
            ]
        )
        == 0
    )
    rows = [{json.loads(line)["id"] for line in path.read_text(encoding="utf-8").splitlines()} for path in (one, two)]
    assert len(rows[1]) == 9
    assert not rows[0] & rows[1]
    assert main([*arguments, "--size", "9", "--match-length", str(one), "-o", str(two)]) == 0
    assert json.loads((tmp_path / "two.jsonl.selection.json").read_text(encoding="utf-8"))["params"]["match_length"].endswith(
        "one.jsonl"
    )
    assert main([*arguments, "--size", "9", "--match-length", "pool", "-o", str(two)]) == 0
    assert main([*arguments, "-o", str(two)]) == 2
    assert main([*arguments, "--size", "9", "--extend", str(two), "-o", str(two)]) == 2
