"""The benchmarks run, at tiny sizes: what is promised is in the table, and what fails has no number."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ROOT, SAMPLE
from variegate.errors import DataError

BENCHMARKS = ROOT / "benchmarks"
PROMISED = {
    "NovelSelect, the picks": {"algorithm as published"},
    "NovelSelect with grouping and densities": set(),
    "NovelSum with densities": {"plain numpy"},
    "density, 10 neighbours": {"scikit-learn", "faiss-cpu"},
    "density, approximate": {"exact neighbours"},
    "knn_distance": {"scikit-learn"},
    "near-duplicates": {"plain numpy"},
    "vendi_score": {"vendi-score"},
    "log_det": {"numpy slogdet"},
    "distsum_cosine": {"scipy"},
    "distsum_l2": {"scipy"},
    "facility_location": {"apricot-select", "submodlib-py"},
    "k_center": {"plain farthest first"},
    "max_sum": {"pyversity"},
    "dpp": {"pyversity"},
    "k-means clusters": {"faiss-cpu", "scikit-learn"},
    "token_coverage": {"plain greedy", "apricot-select"},
    "self_bleu": {"nltk"},
    "mtld": {"lexicalrichness"},
    "hdd": {"lexicalrichness"},
    "vocd_d": {"lexicalrichness"},
    "token_entropy": {"scipy"},
    "tokens and static vectors of texts": set(),
}


def run(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(BENCHMARKS / script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.fixture
def script(monkeypatch):
    """Import scripts as they import each other, and forget them afterwards: their names are those of anything."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if Path(getattr(sys.modules[name], "__file__", None) or "/").parent == BENCHMARKS:
            del sys.modules[name]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    np.save(path := tmp_path_factory.mktemp("vectors") / "x.npy", np.random.default_rng(0).normal(size=(400, 16)))
    sizes = ["--rows", 300, "--picks", 9, "--small-rows", 120, "--small-picks", 7]
    done = run("table.py", "--vectors", path, *sizes)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_table_has_the_lines_that_are_promised(table):
    about, empty, header, rule, *lines = table.splitlines()
    assert re.match(r"\d+ cores \(\w+\), Python 3\.\S+, numpy \S+, .* with \d+ threads; vectors of x.npy, drawn tokens$", about)
    names = [cell.strip() for cell in header.strip("|").split("|")]
    assert empty == "" and set(rule) == set("|- ") and names[:4] == ["what", "n", "d", "k"]
    found: dict[str, set[str]] = {}
    for line in lines:
        cells = dict(zip(names, (cell.strip() for cell in line[1:-1].split("|")), strict=True))
        own = found.setdefault(cells["what"], set())
        if not cells["our seconds"]:
            # Only what itself needs a package that is not there.
            assert "is not installed: pip install -r benchmarks/requirements.txt" in cells["same result?"]
            own |= PROMISED[cells["what"]]
            continue
        ours = float(cells["our seconds"])
        assert ours > 0
        if cells["bare product, s"]:
            assert (
                re.fullmatch(r"\S+ \((n x n|n x k|d x d)\)", cells["bare product, s"])
                and float(cells["ratio to it"].replace(",", "")) >= 0
            )
        if cells["peer"]:
            own.add(next(name for name in PROMISED[cells["what"]] if cells["peer"].startswith(name)))
        if cells["peer's seconds"]:
            # Both are rounded to two digits.
            assert float(cells["times faster"].replace(",", "")) == pytest.approx(
                float(cells["peer's seconds"]) / ours, rel=0.15, abs=0.06
            )
            assert cells["same result?"]
        elif cells["peer"]:
            assert cells["times faster"] == "" and cells["same result?"] != ""
    assert found == PROMISED


def test_the_plain_computations_agree_with_ours(table):
    def agreement(start: str, peer: str) -> str:
        return next(line for line in table.splitlines() if line.startswith(f"| {start} |") and f"| {peer} " in line)

    assert "| 7 of 7 picks |" in agreement("NovelSelect, the picks", "algorithm as published")
    assert "| 9 of 9 picks |" in agreement("k_center", "plain farthest first")
    assert "| 7 of 7 picks |" in agreement("token_coverage", "plain greedy")
    assert "| 120 of 120 rows; 6 near-duplicates |" in agreement("near-duplicates", "plain numpy")
    for what, peer in (
        ("NovelSum with densities", "plain numpy"),
        ("log_det", "numpy slogdet"),
        ("knn_distance", "scikit-learn"),
    ):
        differs = re.search(r"differs by (\S+) \|$", agreement(what, peer))
        assert differs and float(differs[1]) < 1e-6


def test_a_peer_that_fails_or_is_missing_has_no_number(script):
    table = script("table")

    def fail() -> int:
        raise MemoryError("too much | of it\nall")

    peers = [
        table.Peer("one", fail, table.same_value),
        table.Peer("another", lambda: 1, table.same_value, "no_such_module"),
        table.Peer("a third", lambda: 2.0, table.same_value),
    ]
    failed, missing, well = table.lines_of(table.Task("sum", (5, None, 2), lambda: 4.0, "n x k", peers), 0.5)
    assert failed[:4] == ["sum", "5", "", "2"] and failed[6:8] == ["", ""] and failed[-1] == "MemoryError: too much / of it all"
    assert missing[6:8] == ["", ""] and missing[-1] == "not installed: pip install -r benchmarks/requirements.txt"
    assert well[-1] == "differs by 1e+00" and float(well[6]) > 0
    needs = table.Task("sum", (5, None, 2), fail, needs="no_such_module")
    (line,) = table.lines_of(needs, None)
    assert line[4:-1] == [""] * 6 and line[-1].startswith("no_such_module is not installed")


def test_short_work_is_timed_more_than_once(script):
    calls: list[int] = []
    _, seconds = script("common").timed(lambda: calls.append(0))
    assert len(calls) == 5 and seconds < 0.1


def test_a_process_that_fails_says_so(script):
    with pytest.raises(ChildProcessError, match="ValueError: invalid literal for int"):
        script("common").in_own_process(int, "x")


CSV = """what,n,d,k,seconds,cpu_seconds,memory_mib
k_center,1000,16,100,0.5,0.5,4.0
k_center,2000,16,100,1.0,1.0,8.0
k_center,2000,16,200,2.0,2.0,0.0
"""


def test_scaling_is_drawn_from_a_csv(tmp_path):
    pytest.importorskip("matplotlib")
    (tmp_path / "points.csv").write_text(
        CSV + "near-duplicates,1000,16,100,3.0,3.0,9.0\nnear-duplicates,2000,16,100,12,12,18\n", encoding="utf-8"
    )
    pictures = []
    for name in ("one.svg", "two.svg"):
        done = run("scaling.py", "--from", tmp_path / "points.csv", "--figure", tmp_path / name)
        assert done.returncode == 0, done.stderr
        pictures.append((tmp_path / name).read_text(encoding="utf-8"))
    assert pictures[0] == pictures[1]
    texts = re.findall(r"<text [^>]*>([^<]*)</text>", pictures[0])
    assert {"k_center", "near-duplicates", "k = 100, d = 16", "n = 2,000, d = 16", "1,000", "2,000", "n²", "k²"} <= set(texts)
    assert "NovelSelect, whole" not in texts
    assert "<dc:date>" not in pictures[0] and str(tmp_path) not in pictures[0] and str(ROOT) not in pictures[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("what,n", "what,m"), "the columns must be those that scaling.py writes"),
        (("1000,16", "many,16"), "points.csv, line 2: a number is missing or is none"),
        (("k_center,1000", "magic,1000"), "points.csv, line 2: nothing is known of 'magic'"),
    ],
)
def test_a_csv_of_something_else(change, message, script, tmp_path):
    path = tmp_path / "points.csv"
    path.write_text(CSV.replace(*change), encoding="utf-8")
    with pytest.raises(DataError, match=re.escape(message)):
        script("scaling").read(path)


def test_scaling_measures(tmp_path):
    pytest.importorskip("matplotlib")
    sizes = ["--rows", "300,600", "--at-rows", 600, "--picks", 20, "--at-picks", 20, "--dimensions", 8]
    done = run("scaling.py", *sizes, "--only", "k_center", "--csv", tmp_path / "found.csv")
    assert done.returncode == 0, done.stderr
    header, *rows = (tmp_path / "found.csv").read_text(encoding="utf-8").splitlines()
    assert header == CSV.splitlines()[0]
    assert [row.split(",")[:4] for row in rows] == [["k_center", "300", "8", "20"], ["k_center", "600", "8", "20"]]
    assert all(float(row.split(",")[4]) > 0 and float(row.split(",")[6]) >= 0 for row in rows)
    assert "<svg" in (tmp_path / "found.svg").read_text(encoding="utf-8")


def test_more_picks_than_rows(tmp_path):
    done = run("scaling.py", "--rows", 100, "--at-rows", 100, "--csv", tmp_path / "none.csv")
    assert done.returncode == 2 and "1,000 picks from 100 rows cannot be" in done.stderr


def test_embedders_are_compared():
    options = ["--label=domain", "--rows=120", "--sides=both", "--neighbours=3", "--few-rows=5", "--set=TURNS=4,LEFT=0.5"]
    done = run("embedders.py", SAMPLE, "--few", SAMPLE, *options)
    assert done.returncode == 0, done.stderr
    lines = [[cell.strip() for cell in line[1:-1].split("|")] for line in done.stdout.splitlines()]
    header, _, chance, static, lsa = lines
    assert {len(line) for line in lines} == {len(header)}
    assert header[3] == "of a row's 3 nearest, of its domain" and float(chance[3]) < 0.2
    name = "sample.jsonl and 5 of sample.jsonl"
    assert [line[:3] for line in (static, lsa)] == [[name, "both", "static"], [name, "both", "lsa, fitted on the data"]]
    for found in (static, lsa):
        row = dict(zip(header, found, strict=False))
        assert float(chance[3]) < float(found[3]) <= 1
        assert all(float(row[f"one word changed: {what}"].rstrip("%")) > 80 for what in ("nearest", "grouped"))
        assert int(row["of them unlike"]) <= int(row["rows grouped"]) and int(row["of the few: grouped"]) <= 5
