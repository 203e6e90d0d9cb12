"""Kinds of view: what the table says of each is so, and nothing but the table has to know of a new one."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

import variegate as vg
from variegate.metrics.table import GROUPS
from variegate.viewing import KINDS, Kind, Views, kind_of

WORDS = [
    "river",
    "bread",
    "sky",
    "poem",
    "rain",
    "sum",
    "loop",
    "garden",
    "metal",
    "cloud",
    "paper",
    "stone",
    "light",
    "music",
    "water",
    "forest",
    "engine",
    "castle",
]
VIEWS = Views("response", "static", topics="kmeans:3")
OTHER = {"embedder": "no:embedder", "tokenizer": "no:tokenizer", "topics": "kmeans:none", "tags": "normalized:"}


def rows(seed: int, n: int) -> list[dict[str, str]]:
    rng = np.random.default_rng(seed)
    return [{key: " ".join(rng.choice(WORDS, 6)) for key in ("instruction", "response")} for _ in range(n)]


def corpus(seed: int, n: int, name: str) -> vg.Corpus:
    return vg.load(rows(seed, n), name=name)


def plain(view: object) -> object:
    """Return a view as lists, to compare: tags by name, so that it does not count where a name comes from."""
    if isinstance(view, tuple):
        return [plain(one) for one in view]
    if hasattr(view, "names"):
        return [[view.names[tag] for tag in view[row].tolist()] for row in range(len(view))]
    if hasattr(view, "offsets"):
        return [view[row].tolist() for row in range(len(view))]
    return view if isinstance(view, int) else view.to_pylist() if isinstance(view, pa.ChunkedArray) else view.tolist()


def test_each_kind_that_a_table_names_is_there():
    for spec in vg.METRICS.values():
        assert spec.name in GROUPS[kind_of(spec.view).group]
    for spec in vg.STRATEGIES.values():
        assert kind_of(spec.view).join is not None or not spec.extends, spec.name


@pytest.mark.parametrize("kind", KINDS)
def test_some_rows_of_a_view_are_the_view_of_some_rows(kind):
    whole, at = corpus(0, 40, "whole"), np.array([31, 4, 4, 17, 9])
    taken = kind_of(kind).take(VIEWS.build(kind, whole), at)
    # Loaded by itself, so that it takes no share of what the whole has.
    part = vg.load([rows(0, 40)[row] for row in at], name="part")
    assert plain(taken) == plain(VIEWS.build(kind, part, whole))
    assert plain(VIEWS.build(kind, whole.take(at), whole)) == plain(taken)


@pytest.mark.parametrize("kind", [kind for kind, row in KINDS.items() if row.join is not None])
def test_two_views_joined_are_the_view_of_both(kind):
    first, second, reference = corpus(0, 30, "first"), corpus(1, 20, "second"), corpus(2, 50, "reference")
    both = vg.load(rows(0, 30) + rows(1, 20), name="both")
    joined = kind_of(kind).join(VIEWS.build(kind, first, reference), VIEWS.build(kind, second, reference))
    assert plain(joined) == plain(VIEWS.build(kind, both, reference))


@pytest.mark.parametrize("kind", KINDS)
def test_a_view_looks_at_no_setting_but_those_that_it_says(kind):
    whole = corpus(3, 30, "whole")
    needs = VIEWS.needs(kind)
    assert set(needs) <= set(VIEWS.as_options())
    spared = replace(VIEWS, **{name: other for name, other in OTHER.items() if name not in needs})
    assert plain(VIEWS.build(kind, whole)) == plain(spared.build(kind, corpus(3, 30, "again")))
    assert spared.record(kind, whole) == VIEWS.record(kind, whole)
    assert list(VIEWS.record(kind, whole)) == [name for name in ("tokenizer", "topics", "tags", "embedder") if name in needs]
    for name in set(OTHER) & set(needs):
        with pytest.raises(vg.VariegateError, match=re.escape(OTHER[name])):
            replace(VIEWS, **{name: OTHER[name]}).build(kind, corpus(3, 30, "again"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_view_that_is_not_fitted_does_not_depend_on_a_reference(kind):
    whole, reference = corpus(4, 30, "whole"), corpus(5, 60, "reference")
    same = plain(VIEWS.build(kind, whole, reference)) == plain(VIEWS.build(kind, corpus(4, 30, "whole")))
    assert same is not VIEWS.is_fitted(kind)


def test_a_column_of_topics_needs_no_vectors():
    named = replace(VIEWS, topics="kind")
    assert named.needs("topics") == ("side", "topics")
    assert not named.is_fitted("topics")
    kind_of("topics").prepare(replace(named, embedder="no:embedder"), corpus(0, 5, "whole"))


def test_what_is_built_is_built_once_and_shared(monkeypatch):
    whole = corpus(6, 30, "whole")
    for kind in KINDS:
        VIEWS.build(kind, whole)

    def never(*arguments, **options):
        raise AssertionError("it was there")

    for name in ("embed.embed_texts", "tokens.tokenize_texts", "topics.cluster_labels", "tags.keyphrases.keyphrase_tags"):
        monkeypatch.setattr(f"variegate.views.{name}", never)
    for kind in set(KINDS) - {"tag graph"}:
        VIEWS.build(kind, whole.take([3, 1]).take([1]), whole)


def test_an_unknown_kind_is_refused():
    with pytest.raises(vg.ParameterError, match=r"Unknown kind of view 'smells'\. Known kinds: vectors, tokens, "):
        VIEWS.build("smells", corpus(0, 5, "whole"))
    with pytest.raises(vg.ParameterError, match="Unknown kind of view 'smells'"):
        vg.measure(np.eye(3), vg.MetricSpec("strong", lambda view: 1.0, "smells", *[""] * 5))


def lengths() -> Kind:
    """Say what a kind of view is that the package does not have: numbers of letters."""
    return Kind(
        build=lambda views, corpus, _: np.array([len(text.as_py()) for text in corpus.texts(views.side)]),
        take=lambda view, at: view[at],
        join=lambda view, other: np.concatenate([view, other]),
        record=lambda views, corpus: {"letters": "all"},
        needs=lambda views: ("side",),
    )


def test_a_new_kind_is_one_row_of_the_table(monkeypatch):
    monkeypatch.setitem(KINDS, "lengths", lengths())
    pool, owned = corpus(7, 40, "pool"), corpus(8, 10, "owned")
    letters = np.array([len(row["response"]) for row in rows(7, 40)])

    def mean(view, *, reference=None):
        return float(view.mean() - (0 if reference is None else reference.mean()))

    spec = vg.MetricSpec("letters", mean, "lengths", *[""] * 5)
    (found,) = vg.measure(pool, spec, side="response")
    assert found.value == pytest.approx(letters.mean())
    assert found.params == {"letters": "all", "reference": None}
    (drawn,) = vg.measure(pool, spec, side="response", reference=owned, size_matched=5, seeds=2)
    assert drawn.n == 5
    assert drawn.params["reference"] == "owned"

    def longest(view, size, *, seed=0, room=None):
        assert len(view) == 40 + (room is not None) * 10
        return np.argsort(-view[:40], kind="stable")[:size]

    strategy = vg.StrategySpec("longest", longest, "lengths", "", "", "", "", extends=True)
    for extend in (None, owned):
        chosen = vg.select(pool, 6, strategy, side="response", extend=extend)
        assert chosen.indices.tolist() == np.argsort(-letters, kind="stable")[:6].tolist()
        assert (chosen.params["side"], chosen.params["letters"]) == ("response", "all")


def test_what_cannot_be_joined_is_not_extended(monkeypatch):
    monkeypatch.setitem(KINDS, "lengths", replace(lengths(), join=None))
    strategy = vg.StrategySpec("any", lambda view, size, *, seed=0, room=None: range(size), "lengths", *[""] * 4, extends=True)
    with pytest.raises(vg.ParameterError, match="'extend' parameter of any must be left out"):
        vg.select(corpus(7, 40, "pool"), 6, strategy, extend=corpus(8, 10, "owned"))
