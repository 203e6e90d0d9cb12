"""A study as it is done: what is made, what is made anew, and what is never done twice."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from tests import study
from tests.conftest import SAMPLE
from tests.pretend import failing
from tests.study import LOSS, RANDOM, begin, table
from variegate.errors import DataError
from variegate.loading import load
from variegate.study.conduct import plan_study
from variegate.study.folder import RunFolder, clear_leftovers, write_json
from variegate.study.halves import in_half

pytestmark = pytest.mark.usefixtures("pretending")


@pytest.fixture
def done(tmp_path):
    """Return the folder of a study that is done, its file beside it."""
    assert study.run(begin(tmp_path, train={"keep_models": True}), "--quiet") == 0
    return tmp_path / "study"


def again(done, **changes):
    """Do the study once more, changed; return the kinds of records that were written, and which there are by kind."""
    before = study.stamps(done)
    begin(done.parent, **{**changes, "train": {"keep_models": True, **changes.get("train", {})}})
    assert study.run(done.parent / "study.yaml", "--quiet") == 0
    after = study.stamps(done)
    written = [name for name in after if after[name] != before.get(name)]
    assert before.keys() <= after.keys()
    kinds = ("subset.json", "measures/", "training.json", "evaluations/")
    return {kind: sum(kind in name for name in written) for kind in kinds if any(kind in name for name in written)}


def test_what_lies_where(done):
    planned = study.ids(done)
    assert [run["name"] for run in planned["runs"]][::5] == [
        "random, both, 12 rows, seed 0", "four copies, both, 12 rows, seed 0",
    ]  # fmt: skip
    for run in planned["runs"]:
        subset = json.loads((done / "subsets" / run["subset"] / "subset.json").read_text(encoding="utf-8"))
        rows = load(done / "subsets" / run["subset"] / "rows.parquet")
        assert len(rows) == len(subset["rows"]) == subset["counts"]["rows"] == 12
        # Rows of the half, by their numbers in the file.
        texts = load(SAMPLE).texts("both").to_pylist()
        assert [texts[row] for row in subset["file_rows"]] == rows.texts("both").to_pylist()
        assert all(in_half(text, "design") for text in rows.texts("both").to_pylist())
        folder = RunFolder(done / "runs" / run["run"])
        assert folder.trained
        settings = json.loads(folder.settings.read_text(encoding="utf-8"))
        assert (settings["subset"], settings["seed"]) == (run["subset"], run["seed"])
        assert len(list((folder.path / "evaluations").iterdir())) == 1
    assert {path.name for path in (done / "tables" / "12_rows" / "heldout").iterdir()} >= {
        "correlations.md", "correlations.csv", "correlations.tex", "correlations_held.md", "against_baseline.csv", "ranking.tex",
        "ceilings.md", "findings.json",
    }  # fmt: skip
    rows = table(done)
    assert [row["run"] for row in rows] == [run["run"] for run in planned["runs"]]
    assert {row["arm"] for row in rows} == {"random", "k_center", "four copies"}
    assert {"metric:novelsum|response|static", "metric:novelsum alone|response|static", "metric:self_bleu|response|"} <= set(
        rows[0]
    )
    assert {"evaluation:heldout", "evaluation:heldout/macro", "tokens_seen", "mean_response_tokens", "distinct_rows"} <= set(
        rows[0]
    )
    assert [row["distinct_rows"] for row in rows][-1] == 3


def test_nothing_is_done_twice(done):
    tables = study.contents(done)
    assert again(done) == {}
    assert again(done, name="Another", analysis={"resamples": 200}) == {}
    assert study.contents(done) != tables
    assert again(done) == {}
    assert study.contents(done) == tables


@pytest.mark.parametrize(
    ("changes", "anew"),
    [
        ({"evaluate": [{**LOSS, "most": 2}]}, {"evaluations/": 6}),
        ({"evaluate": [LOSS, {**LOSS, "name": "more", "most": 2}]}, {"evaluations/": 6}),
        # All metrics by the first embedder, those of vectors by the others: novelsum, and its variant.
        ({"measures": {"embedders": ["static", "lsa:8"]}}, {"measures/": 12}),
        ({"measures": {"variants": None}}, {}),
        ({"measures": {"sides": ["both"]}}, {"measures/": 12}),
        ({"train": {"learning_rate": 2e-2}}, {"training.json": 6, "evaluations/": 6}),
        ({"train": {"seeds": [0, 1]}}, {"training.json": 6, "evaluations/": 6}),
        (
            {"subsets": [*study.SMALL["subsets"], {**RANDOM, "seed": 7}]},
            {"subset.json": 1, "measures/": 2, "training.json": 1, "evaluations/": 1},
        ),
    ],
    ids=["evaluation", "one more evaluation", "embedder", "variant gone", "side", "rate", "training seed", "subset"],
)
def test_a_change_redoes_what_depends_on_it(changes, anew, done):
    assert again(done, **changes) == anew
    # And back: all of it is still there.
    assert again(done) == {}


def test_models_are_removed_when_they_are_evaluated_and_made_again_for_another_evaluation(tmp_path):
    file = begin(tmp_path)
    assert study.run(file, "--quiet") == 0
    folder = tmp_path / "study"
    assert not list(folder.glob("runs/*/model")) and not list(folder.rglob(".gone*"))
    first = table(folder)
    begin(tmp_path, evaluate=[LOSS, {**LOSS, "name": "more", "most": 2}])
    assert study.run(file, "--quiet", "--only", "evaluate") == 0
    assert len(table(folder)[0]) == len(first[0]), "there are no models to evaluate, and nothing is finished by the new plan"
    assert study.run(file, "--quiet") == 0
    rows = table(folder)
    assert [row["evaluation:heldout"] for row in rows] == [row["evaluation:heldout"] for row in first]
    assert len({row["evaluation:more"] for row in rows}) == 6


def test_shares_together_make_what_one_call_makes(done, tmp_path, capsys):
    file = begin(tmp_path, train={"keep_models": True})
    counts = []
    for share in ("2/2", "1/2"):
        assert study.run(file, "-o", tmp_path / "shares", "--shard", share) == 0
        counts.append(len(list((tmp_path / "shares" / "runs").iterdir())))
    assert counts == [3, 6]
    assert "note: 3 of 6 runs are finished; the tables are made of these" in capsys.readouterr().err
    assert study.contents(tmp_path / "shares") == study.contents(done)
    assert study.stamps(tmp_path / "shares").keys() == study.stamps(done).keys()


def test_amounts_are_not_compared_with_each_other(tmp_path):
    file = begin(
        tmp_path, subsets=[{"strategy": ["random", "k_center"], "size": [10, 12]}, {"strategy": "random", "budget_tokens": 3000}]
    )
    assert study.run(file, "--quiet") == 0
    tables = tmp_path / "study" / "tables"
    assert sorted(path.name for path in tables.iterdir()) == ["10_rows", "12_rows"], "of one subset nothing can be said"
    rows = (tables / "10_rows" / "heldout" / "against_baseline.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 2 and rows[1].startswith("k_center,both,,10,")


def test_tables_of_what_is_gone_are_removed(done, tmp_path, capsys):
    begin(tmp_path, evaluate=[{**LOSS, "name": "renamed"}], train={"keep_models": True})
    assert study.run(tmp_path / "study.yaml", "--quiet") == 0
    assert [path.name for path in (done / "tables" / "12_rows").iterdir()] == ["renamed"]
    # Where nothing can be compared, what lies there is said to be old.
    begin(tmp_path, train={"learning_rate": 1.0})
    capsys.readouterr()
    assert study.run(tmp_path / "study.yaml", "--only", "correlate") == 0
    assert "was found by an earlier call, of other settings" in capsys.readouterr().err


def test_what_a_kill_leaves_is_removed(done, tmp_path):
    run = next((done / "runs").iterdir())
    left = [
        run / ".4711.abcd1234.training.json", run / "evaluations" / ".4711.abcd1234.x.json", done / ".4711.abcd1234.runs.parquet",
        done / "tables" / ".4711.abcd1234.ranking.md", next((done / "subsets").iterdir()) / "measures" / ".4711.abcd1234.x.json",
    ]  # fmt: skip
    for path in left:
        path.write_text("{", encoding="utf-8")
    for name in (".4711.abcd1234.model", ".scratch.x.model", ".gone.model"):
        (run / name).mkdir()
        (run / name / "config.json").write_text("{}", encoding="utf-8")
    assert again(done) == {}
    assert not [path for path in done.rglob(".*") if not path.name.startswith(".shard")]


def test_a_model_is_removed_at_once(tmp_path, monkeypatch):
    """A kill while it is removed must leave no part that looks like a model."""
    folder = RunFolder(tmp_path)
    folder.model.mkdir()
    (folder.model / "weights").write_text("x", encoding="utf-8")
    write_json(folder.training, {})
    monkeypatch.setattr(shutil, "rmtree", lambda *_, **__: None)
    folder.remove_model()
    assert not folder.trained
    monkeypatch.undo()
    clear_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["training.json"]


def test_a_model_that_is_made_again_has_no_old_record(tmp_path, monkeypatch):
    """Between a model and its record there may be a kill."""
    file = begin(tmp_path)
    assert study.run(file, "--quiet") == 0
    begin(tmp_path, evaluate=[{**LOSS, "most": 2}])
    (run, *_) = plan_study(file).all_runs
    folder = RunFolder(tmp_path / "study" / "runs" / run.id)
    seen = []
    failing(monkeypatch, DataError("no"), lambda seed, place: seen.append((place / "training.json").exists()))
    assert study.run(file, "--quiet") == 0
    assert seen == [False] * 6
    assert folder.training.exists()


def test_a_record_that_is_damaged_is_named(done, tmp_path, capsys):
    path = next(done.glob("runs/*/evaluations/*.json"))
    path.write_text("{", encoding="utf-8")
    assert study.run(tmp_path / "study.yaml") == 2
    assert f"{path}: cannot be read" in capsys.readouterr().err
    path.unlink()
    assert study.run(tmp_path / "study.yaml") == 0


def test_quiet_is_quiet_and_json_is_all_of_stdout(tmp_path, capsys):
    file = begin(tmp_path)
    assert study.run(file, "--quiet", "--json", "-") == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    found = json.loads(shown.out)
    assert (found["study"], found["runs"], found["failures"]) == ("Small", 6, [])
    (one,) = found["findings"]
    assert (one["amount"], one["family"], one["runs"], one["subsets"]) == ("12 rows", "heldout", 6, 6)
    assert set(one["performance"]) == {run["run"] for run in study.ids(tmp_path / "study")["runs"]}
    assert np.mean(list(one["performance"].values())) == pytest.approx(0, abs=1e-12)
    assert found["page"] == str(tmp_path / "study" / "page.html")
    assert study.run(file, "--quiet", "--json", "-", "--only", "subsets") == 0
    assert json.loads(capsys.readouterr().out)["page"] is None


def test_the_starter_is_written(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert study.run("init") == 0
    assert "study.yaml is written. Fill it in, then: variegate study study.yaml --dry-run" in capsys.readouterr().err
    assert study.run("init", "own.yaml") == 0
    assert (tmp_path / "own.yaml").read_text(encoding="utf-8") == (tmp_path / "study.yaml").read_text(encoding="utf-8")
    assert study.run("init") == 2
