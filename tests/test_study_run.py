"""A study as it is done: what is made, what is made anew, and what is never done twice."""

from __future__ import annotations

import json
import re
import shutil
import threading
import time

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests import pretend, study
from tests.conftest import SAMPLE, until
from variegate.errors import DataError, ParameterError
from variegate.loading import load
from variegate.progress import announce_by
from variegate.storage import alone_in
from variegate.study import conduct as conducting
from variegate.study import stages
from variegate.study.conduct import conduct, plan_study
from variegate.study.cost import cost_of
from variegate.study.evaluation.settings import HeldOutLoss
from variegate.study.execute import read_shard
from variegate.study.folder import RunFolder, StudyFolder, clear_leftovers, write_json
from variegate.study.halves import HALVES, half_of, in_half, lowest
from variegate.study.subsets import SubsetSettings, select_rows

LOSS = study.SMALL["evaluate"][0]
RANDOM = {"strategy": "random", "size": 12}


@pytest.fixture(autouse=True)
def pretending(monkeypatch):
    pretend.only_pretend(monkeypatch)


def begin(folder, **changes):
    """Write the small study, beside a model that is none."""
    (folder / "base").mkdir(exist_ok=True)
    (folder / "base" / "config.json").write_text("{}", encoding="utf-8")
    return study.write(folder / "study.yaml", study.small(**changes))


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


def table(folder):
    return pq.read_table(folder / "runs.parquet").to_pylist()


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


def test_stage_by_stage(tmp_path, capsys):
    file, folder = begin(tmp_path), tmp_path / "study"

    def there():
        names = ("subsets/*/subset.json", "subsets/*/measures/*", "runs/*/training.json", "runs/*/evaluations/*", "page.html")
        return [len(list(folder.glob(name))) for name in names]

    for stage, expected in {
        "correlate": [0, 0, 0, 0, 0], "measures": [0, 0, 0, 0, 0], "subsets": [6, 0, 0, 0, 0], "evaluate": [6, 0, 0, 0, 0],
        "train": [6, 0, 6, 0, 0], "measures again": [6, 12, 6, 0, 0], "evaluate again": [6, 12, 6, 6, 0],
        "correlate again": [6, 12, 6, 6, 1],
    }.items():  # fmt: skip
        assert study.run(file, "--only", stage.split()[0]) == 0
        assert there() == expected, stage
    said = capsys.readouterr()
    for note in (
        "note: there are no two subsets with finished runs that differ, so nothing can be compared yet",
        "note: 6 subsets are not chosen yet, and are not measured", "note: 6 runs have no model, and are not evaluated; `--only train`",
    ):  # fmt: skip
        assert note in said.err
    assert "6 of 6 runs are finished" in said.out
    assert study.run(file, "--only", "trian") == 2
    assert "Unknown stage 'trian'. Did you mean train?" in capsys.readouterr().err
    assert study.run(file, "--only", "page", "--dry-run") == 2


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


@pytest.mark.parametrize("share", ["0/2", "3/2", "1", "a/b", "1/2/3", "-1/2"])
def test_shares_that_there_are_not(share, tmp_path, capsys):
    with pytest.raises(ParameterError, match=f"--shard takes I/N with I from 1 to N, such as 1/8. Got '{share}'"):
        read_shard(share)
    assert study.run(begin(tmp_path), f"--shard={share}") == 2
    assert "--shard takes I/N" in capsys.readouterr().err


def test_overlapping_shares_do_each_run_once(tmp_path, monkeypatch):
    """One call for everything and one for a share of it, at once."""
    file, trained = begin(tmp_path), []

    def slowly(rows, folder, settings, *, seed):
        trained.append(folder.name)
        time.sleep(0.05)
        return pretend.fine_tune(rows, folder, settings, seed=seed)

    monkeypatch.setattr(stages, "fine_tune", slowly)
    shares = [(1, 1), (1, 2), (2, 2)]
    threads = [threading.Thread(target=conduct, args=(file,), kwargs={"shard": share}) for share in shares]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(trained) == sorted(run["run"] for run in study.ids(tmp_path / "study")["runs"])
    assert len(table(tmp_path / "study")) == 6


def test_the_call_that_ends_last_has_all_runs(tmp_path, monkeypatch):
    """A share that was overtaken while it made its tables leaves those of the other alone."""
    file = begin(tmp_path)
    analyse, waiting, overtaken = conducting.analyse, threading.Event(), threading.Event()

    def slowly(finished, analysis):
        if len(finished) == 3:
            waiting.set()
            # Longer than the other takes, were it not kept waiting.
            overtaken.wait(3)
        return analyse(finished, analysis)

    monkeypatch.setattr(conducting, "analyse", slowly)
    first = threading.Thread(target=conduct, args=(file,), kwargs={"shard": (1, 2)})
    first.start()
    waiting.wait(60)
    conduct(file, shard=(2, 2))
    overtaken.set()
    first.join()
    assert len(table(tmp_path / "study")) == 6
    found = json.loads((tmp_path / "study" / "tables" / "12_rows" / "heldout" / "findings.json").read_text(encoding="utf-8"))
    assert found["runs"] == 6
    assert "6 of 6 runs are finished" in (tmp_path / "study" / "page.html").read_text(encoding="utf-8")


def test_a_second_call_waits_for_the_first_and_says_so(tmp_path):
    file = begin(tmp_path)
    room = tmp_path / "study" / ".shard-1-of-1"
    room.mkdir(parents=True)
    said: list[str] = []

    def second():
        announce_by(said.append)
        conduct(file, only="correlate")

    with alone_in(room):
        waiting = threading.Thread(target=second)
        waiting.start()
        until(lambda: bool(said))
        assert waiting.is_alive()
    waiting.join()
    assert said[0] == f"note: another process works in {room}; this one goes on when that has ended"


def test_the_plan_and_its_cost(tmp_path, capsys):
    file = begin(tmp_path, train={"seeds": [0, 1], "budget": {"epochs": 2}})
    assert study.run(file, "--dry-run") == 0
    said = capsys.readouterr().out
    for line in (
        "6 subsets (0 are chosen).", "12 measures of them (0 done).", "12 runs of training and evaluation (0 done).",
        "How long it takes is known when the first run is finished", "0 of 2", "four copies",
    ):  # fmt: skip
        assert line in said
    assert "page" not in [path.name for path in tmp_path.iterdir()]
    assert not (tmp_path / "study").exists(), "a dry run makes nothing"
    cost = cost_of(plan_study(file))
    mean = cost.tokens[1] / (12 * 2 * 12)
    whole = plan_study(file).pool.corpus
    from variegate.strategies import tokens_by_side

    assert mean == pytest.approx(tokens_by_side(whole, "llama2")["both"] / len(whole), rel=0.01)
    assert cost.estimated
    assert (cost.seconds_left, cost.timed_runs) == (None, 0)
    # Tokens of subsets that are chosen are known; two of their runs are done, at 3 s for 1,200 tokens.
    assert study.run(file, "--only", "subsets", "--quiet") == 0
    study.run(file, "--shard", "1/6", "--quiet")
    capsys.readouterr()
    assert study.run(file, "--dry-run", "--json", "-") == 0
    found = json.loads(capsys.readouterr().out)["cost"]
    assert (found["subsets"], found["measures"], found["runs"], found["timed_runs"]) == ([6, 6], [2, 12], [2, 12], 2)
    counts = {
        run["subset"]: json.loads((tmp_path / "study" / "subsets" / run["subset"] / "subset.json").read_text(encoding="utf-8"))["counts"]
        for run in study.ids(tmp_path / "study")["runs"]
    }  # fmt: skip
    planned = [2 * counts[run["subset"]]["tokens"] for run in study.ids(tmp_path / "study")["runs"]]
    # In the model's own tokens, by the runs that are done.
    scale = 2_400 / (planned[0] + planned[6])
    left = round(scale * (sum(planned) - planned[0] - planned[6]))
    assert found["tokens"] == [2_400, 2_400 + left]
    assert found["seconds_left"] == pytest.approx((6 + 0.0) / 2_400 * left, rel=0.2)
    assert not found["estimated"]
    study.run(file, "--dry-run")
    said = capsys.readouterr().out
    assert "of training and evaluation are left, by the 2 runs that are finished" in said
    assert study.run(file, "--quiet") == 0
    study.run(file, "--dry-run")
    assert "Every run is done." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("budget", "a_run"), [({"tokens": 500}, 500), ({"response_tokens": 300}, 600)], ids=["tokens", "response tokens"]
)
def test_the_cost_of_equal_budgets(budget, a_run, tmp_path):
    cost = cost_of(plan_study(begin(tmp_path, train={"budget": {"epochs": None, **budget}})))
    assert cost.tokens == (0, 6 * a_run)


def test_the_cost_of_a_command_and_of_a_judge(tmp_path, capsys):
    study.rows(
        tmp_path / "prompts.jsonl", [{"id": str(at), "prompt": f"Say {at}.", "references": {"gpt4": "Yes."}} for at in range(5)]
    )
    judge = {
        "name": "alpaca",
        "kind": "judge",
        "prompts": "prompts.jsonl",
        "reference": "gpt4",
        "judge": "llm:judge@http://127.0.0.1:1/v1",
    }
    file = begin(tmp_path, evaluate=[judge])
    pytest.importorskip("openai")
    wanted = study.small(evaluate=[judge])
    wanted["train"] = {"model": "base", "command": "true {config}"}
    study.write(file, wanted)
    assert study.run(file, "--dry-run") == 0
    said = capsys.readouterr().out
    assert "How many tokens a run sees is up to the command that trains." in said
    assert "At most 60 requests to judges: each prompt in both orders, for each run that is left." in said


def failing(monkeypatch, error, when=lambda seed, folder: True):
    """Have some trainings fail, and return a list of those that were tried."""
    tried = []

    def fine_tune(rows, folder, settings, *, seed):
        tried.append(folder.name)
        if when(seed, folder):
            raise error
        return pretend.fine_tune(rows, folder, settings, seed=seed)

    monkeypatch.setattr(stages, "fine_tune", fine_tune)
    return tried


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (DataError("rows.parquet: no sample has a token of a response"), "rows.parquet: no sample has a token of a response"),
        (RuntimeError("CUDA out of memory.\nTried to allocate"), "RuntimeError: CUDA out of memory. (test_study_run.py, line"),
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
