"""Runs that fail, values that are no numbers, places that cannot be."""

from __future__ import annotations

import json
import re

import pytest

from tests import pretend, study
from tests.pretend import failing
from tests.study import LOSS, RANDOM, begin, table
from variegate.errors import DataError, ParameterError
from variegate.study.conduct import plan_study
from variegate.study.evaluation.settings import HeldOutLoss
from variegate.study.folder import StudyFolder

pytestmark = pytest.mark.usefixtures("pretending")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (DataError("rows.parquet: no sample has a token of a response"), "rows.parquet: no sample has a token of a response"),
        (RuntimeError("CUDA out of memory.\nTried to allocate"), "RuntimeError: CUDA out of memory. (pretend.py, line"),
        (OSError(28, "No space left on device"), "OSError: [Errno 28] No space left on device"),
    ],
    ids=["data", "memory", "disk"],
)
def test_what_fails_is_named_and_tried_again(error, said, tmp_path, capsys, monkeypatch):
    file, folder = begin(tmp_path), tmp_path / "study"
    bad = plan_study(file).all_runs[1].id
    tried = failing(monkeypatch, error, lambda seed, place: place.name == bad)
    assert study.run(file, "--json", tmp_path / "found.json") == 1
    shown = capsys.readouterr()
    assert len(tried) == 6, "one that fails keeps none of the others from being done"
    assert f"failed: runs: random, both, 12 rows, seed 1, training seed 0: {said}" in shown.err
    assert "1 pieces of work failed. The same command tries these again." in shown.err
    assert bad not in [row["run"] for row in table(folder)]
    found = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert (found["runs"], found["runs_planned"], len(found["failures"])) == (5, 6, 1)
    assert found["failures"][0][0] == "runs: random, both, 12 rows, seed 1, training seed 0"
    assert bad not in json.dumps(found["findings"])
    tried = failing(monkeypatch, error, lambda seed, place: False)
    assert study.run(file, "--quiet") == 0
    assert tried == [bad]
    assert len(table(folder)) == 6


def test_a_setting_that_no_run_can_have_stops_the_study(tmp_path, capsys, monkeypatch):
    file = begin(tmp_path)
    tried = failing(monkeypatch, ParameterError("'train.max_length' must be at most 128, the positions that base has."))
    assert study.run(file) == 2
    assert len(tried) == 1
    assert "'train.max_length' must be at most 128" in capsys.readouterr().err
    assert not (tmp_path / "study" / "runs.parquet").exists()


def test_a_subset_that_cannot_be_had_leaves_the_rest(tmp_path, capsys):
    file = begin(tmp_path, subsets=[{**RANDOM, "seed": [0, 1]}, {"strategy": "random", "size": 500, "label": "too many"}])
    assert study.run(file) == 1
    said = capsys.readouterr().err
    assert (
        "failed: subsets: too many, both, 500 rows, seed 0: subset 'too many, both, 500 rows, seed 0': The 'size' parameter"
        in said
    )
    assert "note: 1 subsets are not chosen yet, and are not measured" in said
    assert "note: 1 runs have no subset yet, and are not trained" in said
    assert len(table(tmp_path / "study")) == 2


@pytest.mark.parametrize("value", [float("nan"), float("inf"), None, "0.5", True])
def test_what_is_no_number_is_no_evaluation(value, tmp_path, capsys, monkeypatch):
    def run(self, model, run, folder):
        return {
            "values": {"heldout": 1.0, "heldout/macro": value},
            "higher_is_better": {"heldout": False, "heldout/macro": False},
        }

    monkeypatch.setattr(HeldOutLoss, "run", run)
    assert study.run(begin(tmp_path)) == 1
    assert f"heldout gave {value!r} for heldout/macro, which is no measurement" in capsys.readouterr().err
    assert not (tmp_path / "study" / "runs.parquet").exists()
    assert not list((tmp_path / "study").glob("runs/*/evaluations/*"))
    # Models that were trained for it stay for the next call.
    assert len(list((tmp_path / "study").glob("runs/*/model"))) == 6


def test_a_value_that_counts_and_is_not_there_stops_at_the_first_run(tmp_path, capsys):
    file = begin(tmp_path, analysis={"families": {"a": ["heldout/by_domain/nothing"]}})
    assert study.run(file) == 2
    assert "'analysis.families' counts 'heldout/by_domain/nothing' for 'a'" in capsys.readouterr().err
    assert len(list((tmp_path / "study").glob("runs/*/evaluations/*"))) == 1
    # What was evaluated is kept, so that the corrected file takes it.
    assert study.run(begin(tmp_path), "--quiet") == 0
    assert study.run(begin(tmp_path, analysis={"families": {"a": ["heldout/by_domain/nothing"]}})) == 2
    assert "and no run has it. The first has: heldout, heldout/macro" in capsys.readouterr().err


def test_runs_that_lack_a_value_are_left_out_of_its_family(tmp_path, capsys, monkeypatch):
    """As a win rate with length held is lacking where the answers do not differ in length."""
    file = begin(tmp_path, evaluate=[LOSS, {**LOSS, "name": "other", "most": 2}])
    lacking = plan_study(file).all_runs[2].id

    def run(self, model, run, folder):
        found = pretend.loss(self, model, run, folder)
        if self.name == "other" and run == lacking:
            del found["values"]["other/macro"]
        return found

    monkeypatch.setattr(HeldOutLoss, "run", run)
    monkeypatch.setattr(HeldOutLoss, "optional", property(lambda self: self.headline))
    assert study.run(file) == 0
    said = capsys.readouterr().err
    assert f"note: 12 rows, other: 1 runs have no value for this, {lacking} the first; they are left out" in said
    tables = tmp_path / "study" / "tables" / "12_rows"
    counts = {path.name: json.loads((path / "findings.json").read_text(encoding="utf-8"))["runs"] for path in tables.iterdir()}
    assert counts == {"heldout": 6, "other": 5, "together": 5}
    assert table(tmp_path / "study")[2]["evaluation:other/macro"] is None


def test_what_cannot_be_measured_is_said_and_is_no_number(tmp_path, capsys):
    file = begin(tmp_path, measures={"metrics": ["token_entropy", "partition_entropy", "tag_entropy"], "tags": "language"})
    study.rows(tmp_path / "pool.jsonl", [{key: row[key] for key in ("messages", "domain")} for row in study.sample()])
    begin(tmp_path, pool={"data": "pool.jsonl"}, measures={"metrics": ["token_entropy", "tag_entropy"], "tags": "language"})
    assert study.run(file) == 0
    said = capsys.readouterr().err
    assert re.search(r"note: tag_entropy, response side of .* could not be measured 6 times, .* lacks the field 'language'", said)
    (row, *_) = table(tmp_path / "study")
    assert "metric:token_entropy|response|" in row
    assert not [name for name in row if "tag_entropy" in name]


def test_places_that_cannot_be(tmp_path, capsys):
    file = begin(tmp_path)
    (tmp_path / "taken").write_text("", encoding="utf-8")
    for arguments, said in (
        (["-o", tmp_path / "taken"], "taken: is a file. Name a folder for the study"),
        (["-o", "/proc/study"], "/proc/study/subsets: cannot be created"),
        (["--report", tmp_path / "none" / "page.html"], "none: no such folder"),
        (["--json", file], "study.yaml: is the data that was read; writing here would destroy it"),
        (["more.yaml"], "Got unexpected extra argument (more.yaml)"),
    ):
        assert study.run(file, *arguments) == 2
        assert said in capsys.readouterr().err
    with pytest.raises(DataError, match="is a file"):
        StudyFolder(tmp_path / "taken").make()


def test_a_pool_that_is_not_there(tmp_path, capsys):
    assert study.run(begin(tmp_path, pool={"data": "nowhere.jsonl"}), "--dry-run") == 2
    assert "nowhere.jsonl" in capsys.readouterr().err
    assert study.run(begin(tmp_path, pool={"rows": 5000}), "--dry-run") == 2
    assert "'pool.rows' asks for 5,000 rows, and there are" in capsys.readouterr().err
