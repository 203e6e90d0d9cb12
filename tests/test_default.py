"""What `select` does where no strategy is named: NovelSelect among the rows whose response has half of their tokens."""

import numpy as np
import pytest

import variegate as vg
from variegate.strategies.table import DEFAULT

FILLER = [
    "the",
    "quick",
    "brown",
    "fox",
    "jumps",
    "over",
    "a",
    "lazy",
    "dog",
    "near",
    "some",
    "quiet",
    "river",
    "bank",
    "while",
    "seven",
    "birds",
    "sing",
    "old",
    "songs",
    "of",
    "rain",
]


def row(prompt: int, response: int, number: int) -> dict[str, str]:
    """A row of so many words a side, unlike the others."""
    rng = np.random.default_rng(number)
    said = [" ".join(rng.choice(FILLER, count)) for count in (prompt, response)]
    return {"instruction": f"{said[0]} {number}", "output": f"{said[1]} {number}"}


def pool(rich: int, poor: int) -> vg.Corpus:
    rows = [row(5, 40, number) for number in range(rich)] + [row(40, 5, 1000 + number) for number in range(poor)]
    return vg.load(rows)


def test_default_chooses_among_rows_that_are_half_response() -> None:
    corpus = pool(rich=30, poor=30)
    chosen = vg.select(corpus, 10)
    assert chosen.strategy == DEFAULT
    assert set(chosen.indices.tolist()) <= set(range(30))
    assert chosen.params["response_share"] == 0.5
    assert chosen.params["rows_with_share"] == 30
    assert chosen.notes[0] == (
        "the choice was among 30 of 60 rows, whose response has at least 50% of their tokens. "
        "--response-share 0 chooses among all rows."
    )


def test_its_picks_are_those_of_novelselect_with_the_limit_asked_for() -> None:
    corpus = pool(rich=40, poor=20)
    asked = vg.select(corpus, 12, "novelselect", response_share=0.5, seed=3)
    assert vg.select(corpus, 12, seed=3).indices.tolist() == asked.indices.tolist()


def test_a_limit_that_is_asked_for_takes_its_place() -> None:
    corpus = pool(rich=30, poor=30)
    assert vg.select(corpus, 45, response_share=0.0).indices.tolist() == vg.select(corpus, 45, "novelselect").indices.tolist()
    # One that is asked for does not give way.
    with pytest.raises(vg.DataError, match=r"30 of 60 rows have a response of at least 0.5 of their tokens"):
        vg.select(corpus, 45, response_share=0.5)


@pytest.mark.parametrize("amount", [{"size": 20}, {"budget_tokens": 1100}])
def test_the_limit_gives_way_to_leave_twice_what_is_chosen(amount: dict[str, int]) -> None:
    corpus = pool(rich=25, poor=75)
    chosen = vg.select(corpus, **amount)
    left, share = chosen.params["rows_with_share"], chosen.params["response_share"]
    lengths = {side: corpus.tokens(side, "llama2").lengths for side in ("response", "both")}
    shares = lengths["response"] / lengths["both"]
    assert 0 < share < 0.5
    assert (shares >= share).sum() == left < 100
    costs = np.ones(100) if "size" in amount else lengths["both"]
    wanted = 2 * next(iter(amount.values()))
    # It leaves enough, and the next larger share would not.
    assert costs[shares >= share].sum() >= wanted > costs[shares > share].sum()
    assert chosen.notes[0].startswith(
        "too few rows have a response of 50% of their tokens to choose from, so the choice was among"
    )


def test_the_limit_falls_away_where_more_than_half_of_the_pool_is_chosen() -> None:
    corpus = pool(rich=5, poor=15)
    chosen = vg.select(corpus, 11)
    assert chosen.n == 11
    assert chosen.params["response_share"] == 0.0
    assert chosen.notes[0].endswith("so the choice was among all 20")


def test_no_limit_where_there_are_no_responses_or_lengths_are_matched() -> None:
    rows = [{"prompt": f"{' '.join(FILLER[:4])} {number}"} for number in range(12)]
    prompts = vg.load(rows, columns={"instruction": "prompt"})
    vectors = np.random.default_rng(0).normal(size=(30, 8))
    corpus = pool(rich=30, poor=30)
    for data, options in ((prompts, {}), (vectors, {}), (corpus, {"match_length": "pool"})):
        options |= {"side": "instruction"} if data is prompts else {}
        chosen = vg.select(data, 5, **options)
        assert chosen.indices.tolist() == vg.select(data, 5, "novelselect", **options).indices.tolist()
        assert "response_share" not in chosen.params


def test_vectors_of_the_whole_pool_serve(tmp_path) -> None:
    corpus = pool(rich=30, poor=20)
    with vg.use(cache=str(tmp_path)):
        corpus.vectors("both")
        made = sorted(path.name for path in (tmp_path / "vectors").iterdir())
        vg.select(pool(rich=30, poor=20), 10)
        assert sorted(path.name for path in (tmp_path / "vectors").iterdir()) == made


def test_owned_rows_do_not_count_as_choice() -> None:
    corpus = pool(rich=30, poor=10)
    owned = corpus.take(np.arange(20))
    chosen = vg.select(corpus, 5, extend=owned)
    assert set(chosen.indices.tolist()) <= set(range(20, 30))
    assert chosen.params["rows_with_share"] == 10
