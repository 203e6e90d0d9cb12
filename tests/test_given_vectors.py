"""Vectors made elsewhere: in columns, in files, and faulty."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import variegate as vg
from tests.embedding import TEXTS


@pytest.fixture
def pool(tmp_path, monkeypatch) -> np.ndarray:
    """Write five rows with vectors in columns and beside them, and return the vectors."""
    monkeypatch.chdir(tmp_path)
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    rows = [
        {"text": text, "vec": vector.tolist(), "json": json.dumps(vector.tolist())} for text, vector in zip(TEXTS, x, strict=True)
    ]
    Path("pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    np.save("x.npy", x)
    np.save("doubles.npy", x.astype(np.float64))
    return x


ELSEWHERE = ["column:vec", "column:json", "x.npy", "doubles.npy"]


@pytest.mark.parametrize("embedder", ELSEWHERE)
def test_vectors_made_elsewhere(embedder, pool):
    np.testing.assert_array_equal(vg.load("pool.jsonl").vectors(embedder=embedder), pool)
    vg.load("pool.jsonl").write("pool.parquet")
    np.testing.assert_array_equal(vg.load("pool.parquet").vectors(embedder=embedder), pool)


@pytest.mark.parametrize("order", [[4, 3, 2, 1, 0], [0, 0, 1, 1, 2], [3, 1], [0, 1, 2, 3, 4], [2]], ids=str)
@pytest.mark.parametrize("embedder", ELSEWHERE)
def test_vectors_made_elsewhere_follow_their_rows(embedder, order, pool):
    np.testing.assert_array_equal(vg.load("pool.jsonl").take(order).vectors(embedder=embedder), pool[order])
    whole = vg.load("pool.jsonl")
    whole.vectors(embedder=embedder)
    np.testing.assert_array_equal(whole.take(order).vectors(embedder=embedder), pool[order])


def test_vectors_of_several_files_stand_one_after_the_other(pool):
    both = vg.load(["pool.jsonl", "pool.jsonl"])
    np.save("two.npy", np.concatenate([pool, -pool]))
    np.testing.assert_array_equal(both.vectors(embedder="two.npy"), np.concatenate([pool, -pool]))
    np.testing.assert_array_equal(both.take([7, 0]).vectors(embedder="two.npy"), [-pool[2], pool[0]])


def test_vectors_follow_their_rows_where_bad_ones_are_left_out(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [{"text": "a", "vec": [1, 0]}, {"text": "", "vec": [2, 0]}, {"text": "c", "vec": [3, 0]}]
    Path("pool.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    np.save("x.npy", np.array([[1.0, 0], [2, 0], [3, 0]]))
    corpus = vg.load("pool.jsonl", on_bad_row="skip")
    assert corpus.vectors(embedder="x.npy").tolist() == [[1, 0], [3, 0]]
    assert corpus.vectors(embedder="column:vec").tolist() == [[1, 0], [3, 0]]


@pytest.mark.parametrize("rows", [0, 1, 4, 6])
def test_a_file_with_another_number_of_vectors(rows, pool):
    np.save("other.npy", np.ones((rows, 3)))
    wrong = rf"other\.npy: holds {rows} vectors, but pool\.jsonl has 5 rows" if rows else r"other\.npy: must hold floats of shape"
    with pytest.raises(vg.DataError, match=wrong):
        vg.load("pool.jsonl").vectors(embedder="other.npy")
    with pytest.raises(vg.DataError, match=r"none\.npy: no such file"):
        vg.load("pool.jsonl").vectors(embedder="none.npy")


@pytest.mark.parametrize(
    ("values", "row"),
    [
        ([[1, 2], [1]], 2),
        ([[1, 2], None], 2),
        ([[1, 2], ["a", "b"]], 2),
        (["[1, 2]", "[1, 2"], 2),
        ([[1, 2], {"x": 1}], 2),
        ([[1, 2], []], 2),
        ([1, 2], 1),
        ([[[1, 2]], [[3, 4]]], 1),
    ],
    ids=str,
)
def test_a_column_that_holds_no_vectors(values, row, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("pool.jsonl").write_text("".join(json.dumps({"text": "a", "vec": value}) + "\n" for value in values), encoding="utf-8")
    with pytest.raises(vg.DataError, match=rf"pool\.jsonl, row {row}: field 'vec' (is no vector|has \d numbers)"):
        vg.load("pool.jsonl").vectors(embedder="column:vec")


def test_a_column_that_a_row_lacks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("pool.jsonl").write_text('{"text": "a", "vec": [1]}\n\n{"text": "b", "n": 1}\n', encoding="utf-8")
    with pytest.raises(vg.DataError, match=r"pool\.jsonl, line 3: lacks the field 'vec'\. It has: text, n\."):
        vg.load("pool.jsonl").vectors(embedder="column:vec")


@pytest.mark.parametrize("how", ["column", "npy", "corpus"])
@pytest.mark.parametrize(
    ("value", "message"),
    [(0.0, "rows 2, 4 are zero"), (np.nan, "rows 2, 4 hold values that are not finite"), (-np.inf, "not finite")],
)
def test_faulty_vectors_name_their_rows(how, value, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x = np.ones((5, 3), np.float32)
    x[[1, 3]] = value
    # Python writes and reads these values in JSON, though the standard knows none of them.
    Path("pool.jsonl").write_text(
        "".join(json.dumps({"text": "a", "vec": vector.tolist()}) + "\n" for vector in x), encoding="utf-8"
    )
    np.save("x.npy", x)
    corpus = vg.Corpus.from_vectors(x) if how == "corpus" else vg.load("pool.jsonl")
    with pytest.raises(vg.DataError, match=f"the vectors of .*{message}"):
        corpus.vectors(embedder={"column": "column:vec", "npy": "x.npy", "corpus": "static"}[how])
    # Counted among all the rows of the data, not among those kept.
    with pytest.raises(vg.DataError, match="the vectors of row 4 "):
        corpus.take([0, 2, 3]).vectors(embedder={"column": "column:vec", "npy": "x.npy", "corpus": "static"}[how])
