"""Latent semantic analysis: what it is fitted on, and fits in files."""

from __future__ import annotations

import gc
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import variegate as vg
from tests.fits import forget_fits, made_up
from variegate.cli import main
from variegate.export.folder import figures
from variegate.metrics import sample_scores
from variegate.study.identity import known_by, located_view
from variegate.study.ladder import ladder
from variegate.viewing import Views
from variegate.views import embed
from variegate.views.lsa import fit as lsa_fit
from variegate.views.lsa import names as lsa
from variegate.views.lsa.fit import load_fit
from variegate.views.lsa.names import fit_lsa
from variegate.views.tokens import Tokens


@pytest.fixture(autouse=True)
def no_fits() -> Iterator[None]:
    """Begin and end without fits in memory."""
    forget_fits()
    yield
    forget_fits()


# --- what it is fitted on


def never(*_: Any) -> None:
    raise AssertionError("fitted")


@pytest.fixture
def sets() -> tuple[vg.Corpus, vg.Corpus]:
    return vg.load(made_up(60, 1), name="one"), vg.load(made_up(50, 2), name="two")


def test_neither_order_nor_copies_change_a_fit(sets):
    one, two = sets
    expected = fit_lsa([one, two]).hash
    mixed = vg.load([*two.rows(), *one.rows(), *two.rows()[:7]], name="mixed").take(np.random.default_rng(0).permutation(117))
    assert fit_lsa([two, one]).hash == fit_lsa(mixed).hash == fit_lsa([one, mixed]).hash == expected
    assert fit_lsa(one).hash != expected


def test_a_measurement_is_fitted_on_the_reference_or_on_all_sets(sets):
    one, two = sets
    hashes = {name: fit_lsa(which).hash for name, which in (("one", one), ("two", two), ("union", [one, two]))}

    def fits(*args: Any, **options: Any) -> set[str]:
        found = vg.measure(*args, ["knn_distance", "topic_count"], embedder="lsa", side="all", topics="kmeans:4", **options)
        return {result.params["lsa_fit"] for result in found}

    assert fits(one) == {hashes["one"]}
    assert fits(one, reference=two) == {hashes["two"]}
    assert fits([one, two]) == fits([two, one], size_matched=40, seeds=2) == {hashes["union"]}
    result = vg.measure(one, "knn_distance", embedder="lsa:7", reference=two)[0]
    about = {key: value for key, value in result.params.items() if key.startswith("lsa") or key == "embedder"}
    assert about == {"embedder": "lsa", "lsa_dim": 7, "lsa_fit": fit_lsa(two, 7).hash, "lsa_rows": 50}
    # With what is drawn the fit stays that of the whole sets, and so do the vectors.
    drawn = vg.rarefaction([one, two], "knn_distance", sizes=[20, 40], seeds=2, embedder="lsa")
    assert {result.params["lsa_fit"] for result in drawn} == {hashes["union"]}


def test_sets_of_vectors_are_no_part_of_a_fit(sets):
    vectors = vg.load(np.random.default_rng(0).normal(size=(30, 4)))
    own, given = (vg.measure([one], "knn_distance", embedder="lsa")[0] for one in (sets[0], vectors))
    both = vg.measure([sets[0], vectors], "knn_distance", embedder="lsa")
    assert [result.value for result in both] == [own.value, given.value]
    assert given.params["embedder"] == "given vectors"
    with pytest.raises(vg.DataError, match="vectors: holds vectors only, so lsa cannot be fitted on it"):
        fit_lsa([sets[0], vectors])


def test_a_selection_is_fitted_on_the_pool_or_on_the_reference(sets):
    one, two = sets
    fitted = [fit_lsa(which).hash for which in (one, two)]
    for strategy in ("novelselect", "macro"):
        chosen = vg.select(one, 10, strategy, embedder="lsa", topics="kmeans:4", length_range="1:60")
        assert chosen.params["lsa_fit"] == fitted[0]
    assert vg.select(one, 10, "novelselect", embedder="lsa", reference=two).params["lsa_fit"] == fitted[1]
    assert vg.select(one, 10, "k_center", embedder="lsa", extend=two).params["lsa_fit"] == fitted[0]


def test_other_verbs_settle_on_one_fit(sets, tmp_path, monkeypatch):
    one, two = sets
    made = []
    real = lsa_fit.fit_tokens
    monkeypatch.setattr(lsa_fit, "fit_tokens", lambda tokens, *more: made.append(len(tokens)) or real(tokens, *more))
    vg.use_cache("off")
    vg.diagnose(one, reference=two, embedder="lsa", clusters=3)
    sample_scores(one, "both", reference=two, embedder="lsa")
    assert made == [50]
    rows = ladder(one, ["k_center"], tmp_path / "ladder", sizes=[10, 20], side="both", metrics=["novelsum"], embedder="lsa")
    shown = figures(one, rows[0]["params"].get("rows", np.arange(10)), ["novelsum"], Views(embedder="lsa"))
    assert shown.failures == [] and made == [50, 60]
    assert (
        json.loads((tmp_path / "ladder" / "ladder.json").read_text(encoding="utf-8"))["lsa_fit"] == rows[0]["params"]["lsa_fit"]
    )


def test_a_part_is_fitted_on_itself_when_asked_alone(sets):
    part = sets[0].take(np.arange(20))
    sets[0].vectors("both", "lsa")
    assert part.made_by("lsa")["lsa_fit"] == fit_lsa(part).hash != fit_lsa(sets[0]).hash


def test_nothing_is_fitted_for_metrics_without_vectors(sets, monkeypatch):
    monkeypatch.setattr(lsa_fit, "fit_tokens", never)
    found = vg.measure(sets[0], ["ttr", "tag_count"], embedder="lsa")
    assert [("lsa_fit" in result.params) for result in found] == [False, False]
    vg.select(sets[0], 5, "token_coverage", embedder="lsa")


def test_the_cache_holds_the_fit(sets, monkeypatch):
    first = fit_lsa(sets[0]).hash
    forget_fits()
    monkeypatch.setattr(lsa_fit, "fit_tokens", never)
    assert fit_lsa(vg.load(made_up(60, 1))).hash == first


def test_a_sample_is_fitted_above_a_number_of_texts(sets, told, monkeypatch):
    monkeypatch.setattr(lsa, "FITTED_ROWS", 40)
    one, two = sets
    params = vg.measure([one, two], "knn_distance", embedder="lsa")[0].params
    assert (params["lsa_rows"], params["lsa_sample_of"]) == (40, 110)
    assert "note: lsa was fitted on 40 of 110 distinct texts, a sample by their content" in told
    forget_fits()
    assert fit_lsa([two, one]).hash == params["lsa_fit"]
    vectors = vg.load(made_up(60, 1)).vectors("both", "lsa")
    assert np.isfinite(vectors).all() and len(vectors) == 60


def test_few_texts_have_as_many_dimensions(told):
    few = vg.load([{"text": text} for text in ("one two", "two three", "three four", "one two")])
    assert few.vectors("both", "lsa").shape == (4, 256)
    # Three texts have three directions, which leave nothing of them.
    assert np.abs(few.vectors("both", "lsa")[:, 3:]).max() < 1e-6
    assert few.made_by("lsa")["lsa_dim"] == 256 and told == []
    single = vg.load([{"text": "one"}]).vectors("both", "lsa:2")
    np.testing.assert_allclose(single, [[1, 0]], atol=1e-6)


def test_what_the_fit_does_not_know_is_told_each_time_and_of_all_texts(sets, tmp_path, told, monkeypatch):
    fit_lsa(list(sets)).save(tmp_path / "fit.lsa")
    # A tenth of the tokens are unknown, all of them at the end.
    mixed = [{"text": row["instruction"]} for row in sets[0].rows()] + [{"text": "停车场里汽车 请把王之涣的"}] * 5
    monkeypatch.setattr(embed, "LSA_SHARD_ROWS", 8)
    told.clear()
    for _ in range(2):
        vg.load(mixed).vectors("both", f"lsa:{tmp_path / 'fit.lsa'}")
    assert len(told) == 2 and told[0] == told[1] and 0.06 < float(told[0].split("%")[0].split()[-1]) / 100 < 0.5


# --- files


def test_a_saved_fit_makes_the_same_vectors(sets, tmp_path, monkeypatch):
    fit_lsa(list(sets), 12).save(tmp_path / "fit.lsa")
    with monkeypatch.context() as later:
        # How a fit was found is no part of what it is.
        later.setattr(lsa_fit, "TURNS", 5)
        load_fit(tmp_path / "fit.lsa")
    loaded, made = load_fit(tmp_path / "fit.lsa"), fit_lsa(list(sets), 12)
    assert (loaded.hash, loaded.rows, loaded.of_rows) == (made.hash, 110, 110)
    other = vg.load(made_up(30, 3))
    name = lsa.settled("lsa:12", sets)
    assert other.vectors("both", f"lsa:{tmp_path / 'fit.lsa'}").tobytes() == other.vectors("both", name).tobytes()
    found = vg.measure(other, "knn_distance", embedder=f"lsa:{tmp_path / 'fit.lsa'}", reference=sets[0])[0]
    assert found.params["lsa_fit"] == made.hash


def test_a_file_that_changes_is_read_again(sets, tmp_path):
    path = tmp_path / "fit.lsa"
    for one in sets:
        fit_lsa(one).save(path)
        # Vectors and what records say of them, of one corpus that has seen both files.
        assert sets[0].made_by(f"lsa:{path}")["lsa_fit"] == fit_lsa(one).hash
        name = lsa.settled("lsa", [one])
        np.testing.assert_array_equal(sets[0].vectors("both", f"lsa:{path}"), sets[0].vectors("both", name))


def test_a_file_that_changes_while_it_is_used(sets, tmp_path):
    path = tmp_path / "fit.lsa"
    fit_lsa(sets[0]).save(path)
    name = lsa.settled(f"lsa:{path}", [])
    fit_lsa(sets[1]).save(path)
    with pytest.raises(vg.DataError, match=r"fit\.lsa: was overwritten by another fit while it was in use"):
        sets[0].vectors("both", name)


def test_a_fit_is_saved_as_the_same_bytes(sets, tmp_path):
    for at in range(6):
        fit_lsa(sets[0], 4).save(tmp_path / f"{at}.lsa")
    assert len({(tmp_path / f"{at}.lsa").read_bytes() for at in range(6)}) == 1


def test_a_study_tells_fits_of_one_name_apart(sets, tmp_path):
    (tmp_path / "7").mkdir()
    fit_lsa(sets[0]).save(tmp_path / "fit.lsa")
    name = located_view("lsa:fit.lsa", tmp_path)
    assert name == f"lsa:{tmp_path / 'fit.lsa'}" and located_view("lsa:7", tmp_path) == "lsa:7"
    before = known_by(name)
    fit_lsa(sets[1]).save(tmp_path / "fit.lsa")
    assert known_by(name) != before
    assert (known_by("lsa:7"), known_by("static")) == ("lsa:7", "static")


def _damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)


def _foreign(path: Path) -> None:
    header = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"\0\0\0\0")


def _other_tokenizer(path: Path) -> None:
    fit = load_fit(path)
    lsa_fit.replace(fit, tokenizer="0" * 16).save(path)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_damage, r"fit\.lsa: is damaged: its content is not what was saved"),
        (lambda path: path.write_bytes(path.read_bytes()[:-100]), r"fit\.lsa: is no fit of lsa, or is damaged"),
        (lambda path: path.write_bytes(b"PK not this"), r"fit\.lsa: is no fit of lsa, or is damaged"),
        (lambda path: path.write_bytes(b""), r"fit\.lsa: is no fit of lsa, or is damaged"),
        (_foreign, r"fit\.lsa: is no fit of lsa that this version reads"),
        (_other_tokenizer, r"fit\.lsa: was fitted on the tokens of another version of wordllama"),
        (Path.unlink, r"fit\.lsa: no such file.*DIM is a whole number"),
    ],
)
def test_a_file_that_is_no_fit(spoil, message, sets, tmp_path):
    path = tmp_path / "fit.lsa"
    fit_lsa(sets[0]).save(path)
    spoil(path)
    with pytest.raises(vg.DataError, match=message):
        sets[0].vectors("both", f"lsa:{path}")


@pytest.mark.parametrize("number", [0, -3, 2049])
def test_dimensions_that_cannot_be(number, sets):
    with pytest.raises(vg.ParameterError, match=rf"'DIM' parameter.*whole number in \[1, 2,048\]\. Got {number} instead"):
        vg.measure(sets[0], "knn_distance", embedder=f"lsa:{number}")


def test_nothing_to_fit_on():
    no_text = Tokens.from_lists([[], []])
    with pytest.raises(vg.DataError, match="None of the texts holds a token, so there is nothing that lsa could be fitted on"):
        lsa_fit.fit_tokens(no_text, 4, 2)


def test_a_settled_name_holds_as_long_as_anybody_has_its_texts(sets):
    name = lsa.settled("lsa", sets)
    again = vg.load(made_up(60, 1))
    assert lsa.settled("lsa", [sets[1], again]) == name
    del again
    gc.collect()
    assert lsa.fit_of(name).hash == fit_lsa(list(sets)).hash


def test_what_was_to_be_fitted_on_is_gone(sets):
    name = lsa.settled("lsa", [vg.load(made_up(5, 9))])
    with pytest.raises(vg.DataError, match=rf"The data that {name} was to be fitted on is gone"):
        sets[0].vectors("both", name)


def test_the_command_saves_a_fit(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in made_up(60, 1)), encoding="utf-8")
    assert main(["embed", "pool.jsonl", "--embedder", "lsa:9", "--save-fit", "pool.lsa", "--side", "both"]) == 0
    fit = load_fit("pool.lsa")
    assert f"fit {fit.hash} of 60 texts saved in pool.lsa" in capsys.readouterr().err and fit.dimensions == 9
    assert main(["measure", "pool.jsonl", "--metrics", "knn_distance", "--embedder", "lsa:pool.lsa", "--json", "r.json"]) == 0
    assert {one["params"]["lsa_fit"] for one in json.loads(Path("r.json").read_text(encoding="utf-8"))} == {fit.hash}
    for arguments, message in (
        ("--save-fit pool.lsa --embedder static", "--save-fit goes with --embedder lsa: 'static' is not fitted"),
        ("--save-fit pool.jsonl --embedder lsa", "pool.jsonl: is the data that was read"),
        ("--save-fit nowhere/pool.lsa --embedder lsa", "nowhere: no such folder"),
    ):
        assert main(["embed", "pool.jsonl", *arguments.split()]) == 2
        assert message in capsys.readouterr().err
