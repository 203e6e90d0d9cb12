"""What a study costs, told before it is done."""

from __future__ import annotations

import json

import pytest

from tests import study
from tests.study import begin
from variegate.study.conduct import plan_study
from variegate.study.cost import cost_of

pytestmark = pytest.mark.usefixtures("pretending")


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
