"""Vectors in float16: kept apart in the cache, refused where they do not fit, and the same results as of the same values in float32."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import variegate as vg
import variegate.geometry as geometry
from tests.conftest import SAMPLE
from tests.test_same_picks import CASES, OPTIONS, RNG, bags, crowd
from variegate.cli import main
from variegate.metrics import METRICS, sample_scores
from variegate.strategies import STRATEGIES
from variegate.strategies.room import Room
from variegate.views.cache import cache_root
from variegate.views.density_clusters import _different
from variegate.views.precision import in_half_precision
from variegate.views.topics import cluster_labels

HALF = np.float16
OF_VECTORS = ("vectors", "vectors+tokens", "topics", "tag graph")


def halved(n: int, d: int, seed: int) -> np.ndarray:
    """Rows of their own, copies and near copies, of values that float16 holds."""
    return crowd(n, d, seed).astype(HALF)


def same(left: Any, right: Any) -> None:
    """Assert that two results are the same to the last bit, however they are nested."""
    if isinstance(left, list | tuple):
        assert len(left) == len(right)
        for one, other in zip(left, right, strict=True):
            same(one, other)
    elif isinstance(left, dict):
        assert left.keys() == right.keys()
        same(list(left.values()), list(right.values()))
    elif isinstance(left, np.ndarray):
        np.testing.assert_array_equal(left, right)
    elif hasattr(left, "__dict__"):
        same(vars(left), vars(right))
    else:
        assert left == right


# --- the same results as of the same values in float32


@pytest.mark.parametrize(("name", "limit", "at"), [case for case in CASES if STRATEGIES[case[0]].view in OF_VECTORS])
def test_every_strategy(name, limit, at):
    spec, options = STRATEGIES[name], dict(OPTIONS[name][at])
    n = 208
    x, tokens, tags = halved(n, 40, 0), bags(n, 300, 1), bags(n, 80, 2)
    size = options.pop("size", 30 if name == "dpp" else 100)
    if options.get("quality"):
        options["quality"] = RNG(5).integers(0, 4, size=n) / 4

    def picks(vectors: np.ndarray) -> Any:
        if limit == "tokens":
            options["room"] = Room(n, costs=RNG(6).integers(3, 60, size=n), budget=25 * size)
        elif limit == "extend":
            options["room"] = Room(n, size, owned=np.sort(RNG(7).choice(n, 8, replace=False)))
        view: Any = vectors
        if spec.view == "topics":
            view = cluster_labels("kmeans:20", vectors, vectors, lambda: "")
        elif spec.view == "vectors+tokens":
            view = vectors, tokens
        elif spec.view == "tag graph":
            view = tags, vectors[: len(tags.type_counts[0])]
        return spec.function(view, size, seed=0, **options)

    same(picks(x), picks(x.astype(np.float32)))


@pytest.mark.parametrize("name", [name for name, spec in METRICS.items() if spec.view == "vectors"])
def test_every_metric(name):
    x, pool = halved(160, 40, 4), halved(256, 40, 5)
    options = {"k": 12} if name in ("cluster_inertia", "partition_entropy") else {}
    function = METRICS[name].function
    if METRICS[name].takes_reference:
        expected = function(x.astype(np.float32), reference=pool.astype(np.float32), **options)
        # Nor does it matter whether the reference is kept in the same way.
        for against in (pool, pool.astype(np.float32)):
            assert function(x, reference=against, **options) == expected
    else:
        assert function(x, **options) == function(x.astype(np.float32), **options)


GEOMETRY = {
    "centre_of": lambda x: geometry.centre_of(x),
    "centred_on": lambda x: geometry.centred_on(x, np.full(40, 0.1)),
    "coarse_unit_rows": lambda x: geometry.coarse_unit_rows(x),
    "copies": lambda x: geometry.copies(x),
    "cosine_distance_rows": lambda x: [np.array(block) for _, block in geometry.cosine_distance_rows(x, 1 << 16)],
    "cosine_spectrum": lambda x: geometry.cosine_spectrum(x),
    "density": lambda x: geometry.density(x, np.unique(x, axis=0)),
    "distinct_rows": lambda x: geometry.distinct_rows(x),
    "exact_novelty": lambda x: geometry.exact_novelty(x, np.arange(9), np.ones(len(x)), alpha=1.0),
    "coarse_products": lambda x: geometry.coarse_products(x, np.linspace(-1, 1, 40)),
    "exact_products": lambda x: geometry.exact_products(x, np.linspace(-1, 1, 40)),
    "exact_squared_distances": lambda x: geometry.exact_squared_distances(x, x, np.arange(99), np.arange(9, 108)),
    "faulty_rows": lambda x: geometry.faulty_rows(np.where(np.arange(len(x))[:, None] % 7, x, x.dtype.type(np.inf))),
    "kmeans": lambda x: geometry.kmeans(x, 9),
    "assign": lambda x: geometry.assign(x, geometry.kmeans(x[:99], 9)),
    "largest_cosine": lambda x: geometry.largest_cosine(x, x[:50]),
    "near_duplicates": lambda x: geometry.near_duplicates(x),
    "nearest": lambda x: geometry.nearest(x, x, 12, beyond=0.01),
    "nearest, points among the queries": lambda x: geometry.nearest(x, x, 12, points_at=np.arange(len(x))),
    "row_blocks": lambda x: geometry.row_blocks(x),
    "row_lengths": lambda x: geometry.row_lengths(x),
    "similar_pairs": lambda x: list(geometry.similar_pairs(x, 0.3)),
    "typical_neighbour_distance": lambda x: geometry.typical_neighbour_distance(x),
    "unit_rows": lambda x: geometry.unit_rows(x),
    "UnitRows": lambda x: geometry.UnitRows(x)[10:20],
    "MeanL2": lambda x: over(x, geometry.MeanL2(x)),
    "NearestOthers": lambda x: over(x, geometry.NearestOthers(x, 7)),
    "Novelty": lambda x: over(x, geometry.Novelty(len(x), None, alpha=1.0, density_of="self", include_self=True)),
}
# What takes no vectors, or is what others return or are made of.
WITHOUT_VECTORS = {
    "KMeans", "NearDuplicates", "PairStatistic", "bytes_a_block", "entries_allowed", "memory_allowed", "over_pairs",
    "proximity_weights", "same_rows", "shared", "sharing", "use_device", "use_memory", "Search", "asked_for", "collecting", "recorded",
    "use_neighbours", "Held", "active_device", "kernels_run", "held", "to_device",
}  # fmt: skip


def over(x: np.ndarray, statistic: geometry.PairStatistic) -> float:
    geometry.over_pairs(x, [statistic])
    return statistic.value()


def test_no_function_of_geometry_is_forgotten():
    assert set(geometry.__all__) == {name.partition(",")[0] for name in GEOMETRY} | WITHOUT_VECTORS
    assert not GEOMETRY.keys() & WITHOUT_VECTORS


@pytest.mark.parametrize("name", GEOMETRY)
def test_every_function_of_geometry(name):
    x = halved(208, 40, 0)
    same(GEOMETRY[name](x), GEOMETRY[name](x.astype(np.float32)))


def test_what_topics_by_density_are_made_of():
    x = halved(208, 40, 0)
    first, copy_of, unit = _different(x)
    assert 100 < len(first) < 208
    np.testing.assert_array_equal(unit[copy_of], geometry.coarse_unit_rows(x))
    same((first, copy_of, unit), _different(x.astype(np.float32)))


# --- files and arrays of float16


def test_files_of_float16_are_taken_as_they_are(tmp_path):
    x = halved(120, 16, 3)
    np.save(tmp_path / "half.npy", x)
    np.save(tmp_path / "whole.npy", x.astype(np.float32))
    half, whole = (vg.load(tmp_path / f"{name}.npy") for name in ("half", "whole"))
    assert half.vectors().dtype == HALF
    # Still the file, not a copy of it.
    assert np.shares_memory(half.vectors(), half.given_vectors)
    assert isinstance(half.given_vectors.base, np.memmap) or isinstance(half.given_vectors, np.memmap)
    found = vg.select(half, 20, "k_center")
    assert found.indices.tolist() == vg.select(whole, 20, "k_center").indices.tolist()
    assert found.params["vector_storage"] == "float16"
    assert "vector_storage" not in vg.select(whole, 20, "k_center").params
    (value,), (other,) = (vg.measure(one, "novelsum", reference=x) for one in (half, whole))
    assert (value.value, value.params["vector_storage"]) == (other.value, "float16")
    assert vg.select(half, 10, "k_center", extend=x[:5].astype(np.float64)).params["extended_rows"] == 5


def test_the_hash_of_vectors_is_that_of_their_bytes(monkeypatch):
    import hashlib

    monkeypatch.setattr("variegate.views.checked.CHUNK", 7)
    for x in (halved(48, 6, 0), np.asfortranarray(halved(48, 6, 0).astype(np.float32))):
        corpus = vg.Corpus.from_vectors(x)
        assert corpus.sha256 == hashlib.sha256(np.ascontiguousarray(x).tobytes()).hexdigest()
        digest = hashlib.sha256(f"{x.shape} {x.dtype}".encode() + np.ascontiguousarray(x).tobytes()).hexdigest()
        assert corpus.vector_digest("both", "static") == digest


@pytest.mark.parametrize(("value", "message"), [(0.0, "are zero"), (np.inf, "not finite"), (np.nan, "not finite")])
def test_float16_that_is_no_vector(value, message):
    x = halved(40, 6, 0)
    x[7] = value
    with pytest.raises(vg.DataError, match=f"the vectors of row 8 .*{message}"):
        vg.measure(x, "radius")


# --- kept in float16


def folders() -> list[Path]:
    """Folders of vectors in the cache, those of float32 first."""
    root = cache_root()
    assert root is not None
    return sorted(
        (root / "vectors").iterdir(), key=lambda path: "float16" in (path / "settings.json").read_text(encoding="utf-8")
    )


def test_the_cache_keeps_the_two_apart():
    whole = vg.load(SAMPLE).vectors()
    half = vg.load(SAMPLE, vector_storage="float16").vectors()
    assert (whole.dtype, half.dtype) == (np.float32, HALF)
    np.testing.assert_array_equal(half, whole.astype(HALF))
    first, second = folders()
    sizes = [(one / "vectors.npy").stat().st_size - 128 for one in (first, second)]
    assert sizes == [400 * 256 * 4, 400 * 256 * 2]
    assert "storage" not in json.loads((first / "settings.json").read_text(encoding="utf-8"))
    assert json.loads((second / "settings.json").read_text(encoding="utf-8"))["storage"] == "float16"
    # A second time both are read, and each finds its own.
    for storage, expected in (("float32", whole), ("float16", half)):
        again = vg.load(SAMPLE, vector_storage=storage).vectors()
        assert isinstance(again, np.memmap)
        np.testing.assert_array_equal(again, expected)
        assert again.dtype == expected.dtype
    assert len(folders()) == 2


@pytest.mark.parametrize("cached", [True, False])
def test_a_corpus_is_of_one_storage_all_through(cached, tmp_path):
    if not cached:
        vg.use_cache("off")
    corpus = vg.load(SAMPLE, vector_storage="float16")
    part = corpus.take(np.arange(50))
    assert part.vectors(embedder="static").dtype == HALF
    corpus.vectors(embedder="static")
    assert corpus.take(np.arange(50)).vectors(embedder="static").dtype == HALF
    np.testing.assert_array_equal(part.vectors(embedder="static"), corpus.vectors(embedder="static")[:50])
    assert corpus.converted("sharegpt").vectors(embedder="static").dtype == HALF
    found = vg.select(corpus, 30, "max_sum", extend=vg.load(SAMPLE).take(np.arange(300, 340)))
    assert found.params["vector_storage"] == "float16"
    # Topics are clusters of the rounded vectors.
    (topics,) = vg.measure(corpus, "topic_entropy", topics="kmeans:9")
    assert topics.params["vector_storage"] == "float16"
    scores = sample_scores(corpus, "both")
    same(scores["nearest_row"], sample_scores(vg.Corpus.from_vectors(corpus.vectors()), "both")["nearest_row"])


def test_results_are_those_of_the_rounded_vectors():
    half = vg.load(SAMPLE, vector_storage="float16")
    given = half.vectors().astype(np.float32)
    for name in ("novelselect", "facility_location", "dpp", "semdedup"):
        assert vg.select(half, 40, name).indices.tolist() == vg.select(given, 40, name).indices.tolist()
    names = [name for name, spec in METRICS.items() if spec.view == "vectors"]
    values = [[one.value for one in vg.measure(one, names, reference=one)] for one in (half, given)]
    assert values[0] == values[1]


# --- what float16 cannot hold


def test_the_row_that_does_not_fit_is_named():
    vectors = np.ones((5, 3), np.float32)
    vectors[2, 1] = -65504
    np.testing.assert_array_equal(in_half_precision(vectors, str), vectors.astype(HALF))
    vectors[3, 2] = -1e5
    with pytest.raises(vg.DataError, match=r"^3: its vector holds -100000, and float16 ends at 65504\. Leave"):
        in_half_precision(vectors, str)
    vectors[3] = 1e-9
    with pytest.raises(
        vg.DataError, match=r"^3: the values of its vector are so small \(1e-09 at most\) that float16 makes them"
    ):
        in_half_precision(vectors, str)
    # What is zero or not finite already is told by who asks for a direction.
    vectors[3], vectors[4] = 0, np.inf
    np.testing.assert_array_equal(in_half_precision(vectors, str), vectors.astype(HALF))


@pytest.mark.parametrize(("scale", "message"), [(1e6, "float16 ends at 65504"), (1e-9, "makes them all zero")])
def test_the_line_of_the_file_is_named(scale, message, tmp_path, monkeypatch):
    from variegate.views import embed

    lines = [json.dumps({"text": f"text number {at}"}) for at in range(9)]
    (tmp_path / "a.jsonl").write_text("\n".join([*lines[:2], "{", *lines[2:]]) + "\n", encoding="utf-8")
    monkeypatch.setattr(embed, "_mean_pooled", lambda tokens, table, start, stop: scaled(stop - start, scale))
    corpus = vg.load(tmp_path / "a.jsonl", on_bad_row="skip", vector_storage="float16")
    # The bad line is counted.
    with pytest.raises(vg.DataError, match=rf"a\.jsonl, line 6: .*{message}"):
        corpus.vectors(embedder="static")


def scaled(n: int, scale: float) -> np.ndarray:
    vectors = np.ones((n, 4), np.float32)
    vectors[4] *= scale
    return vectors


def test_vectors_that_are_given_are_not_stored(tmp_path):
    np.save(tmp_path / "x.npy", np.ones((400, 3), np.float32))
    message = "holds vectors already, which are taken as they are, so there is nothing to store in float16"
    for data in (tmp_path / "x.npy", np.ones((4, 3))):
        with pytest.raises(vg.ParameterError, match=f"{'x.npy' if isinstance(data, Path) else 'vectors'}: {message}"):
            vg.load(data, vector_storage="float16")
    for embedder in (str(tmp_path / "x.npy"), "column:id"):
        with pytest.raises(vg.ParameterError, match=message):
            vg.load(SAMPLE, vector_storage="float16").vectors(embedder=embedder)
    with pytest.raises(
        vg.ParameterError, match=r"'vector_storage' parameter of load must be 'float32' or 'float16'\. Got 'half'"
    ):
        vg.load(SAMPLE, vector_storage="half")


def test_by_the_command_line(tmp_path, capsys):
    half = ["--vector-storage", "float16"]
    assert main(["embed", str(SAMPLE), "--side", "both", *half]) == 0
    assert "400 vectors of 256 dimensions, float16, in " in capsys.readouterr().err
    assert len(folders()) == 1
    target = tmp_path / "a.jsonl"
    choose = ["select", str(SAMPLE), "--size", "40", "--strategy", "novelselect", "-o", str(target)]
    assert main([*choose, *half, "--quiet"]) == 0
    record = json.loads((tmp_path / "a.jsonl.selection.json").read_text(encoding="utf-8"))
    assert record["params"]["vector_storage"] == "float16"
    expected = vg.select(vg.load(SAMPLE, vector_storage="float16"), 40, "novelselect")
    assert record["indices"] == expected.indices.tolist()
    assert main(["measure", str(SAMPLE), "--side", "both", "--metrics", "radius", *half, "--json", str(tmp_path / "m.json")]) == 0
    assert json.loads((tmp_path / "m.json").read_text(encoding="utf-8"))[0]["params"]["vector_storage"] == "float16"
    assert main(["diagnose", str(SAMPLE), *half, "--quiet"]) == 0
    assert len(folders()) == 1
    ladder = ["ladder", str(SAMPLE), "--strategies", "k_center", "--size", "20", "--side", "both", "-o", str(tmp_path / "l")]
    assert main([*ladder, *half, "--quiet"]) == 0
    capsys.readouterr()
    assert main([*ladder, "--quiet"]) == 2
    assert "holds a ladder of another pool, or of other settings" in capsys.readouterr().err
