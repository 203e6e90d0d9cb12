"""Grids of data sets: all there, in order, resumable, and never mixed up with another grid."""

from __future__ import annotations

import json

import pytest

import variegate as vg
from tests.conftest import SAMPLE
from variegate.cli import main
from variegate.study import ladder as study
from variegate.study.ladder import ladder, ladder_levels

VIEWS = {"topics": "domain", "tags": "domain"}


def test_levels():
    assert ladder_levels(7) == [0.0, 16.67, 33.33, 50.0, 66.67, 83.33, 100.0]
    assert ladder_levels([100, 0, 50.0, 0]) == [0.0, 50.0, 100.0]


def test_a_grid_is_written_with_its_manifest(tmp_path):
    rows = ladder(
        SAMPLE, ["macro", "random"], tmp_path, sizes=[20, 40], levels=3, seeds=2, metrics=["topic_count", "token_types"], **VIEWS
    )
    assert len(rows) == 2 * 3 * 2 + 2 * 2
    assert [json.loads(line) for line in (tmp_path / "manifest.jsonl").read_text(encoding="utf-8").splitlines()] == rows
    for row in rows:
        data = vg.load(tmp_path / row["file"])
        assert len(data) == row["size"]
        record = json.loads((tmp_path / f"{row['file']}.selection.json").read_text(encoding="utf-8"))
        assert record["n"] == row["size"]
        assert {(one["metric"], one["side"]) for one in row["metrics"]} >= {("token_types", "response"), ("topic_count", "both")}
        if row["strategy"] == "macro":
            assert len(set(data.column("domain"))) == row["params"]["k_realised"]
        else:
            assert row["level"] is None
    macro = [row for row in rows if (row["strategy"], row["size"], row["seed"]) == ("macro", 40, 1)]
    assert [row["level"] for row in macro] == [0.0, 50.0, 100.0]
    realised = [row["params"]["k_realised"] for row in macro]
    assert realised == sorted(realised)
    assert realised[-1] > realised[0]


def test_a_second_call_goes_on_where_the_first_stopped(tmp_path, monkeypatch):
    arguments = {"sizes": [15], "levels": 4, "seeds": 2, **VIEWS}
    whole = ladder(SAMPLE, ["macro"], tmp_path / "whole", **arguments)
    climb, done = study._climb, []

    def stopping(*given):
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(given[1].name)
        return climb(*given)

    monkeypatch.setattr(study, "_climb", stopping)
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        ladder(SAMPLE, ["macro"], tmp_path / "cut", **arguments)
    # A file that has gone is made again.
    (tmp_path / "cut" / whole[0]["file"]).unlink()
    again = []
    monkeypatch.setattr(study, "_climb", lambda *given: again.append(given[1].name) or climb(*given))
    assert ladder(SAMPLE, ["macro"], tmp_path / "cut", **arguments) == whole
    assert again == [whole[0]["name"], *(row["name"] for row in whole[3:])]
    for row in whole:
        assert (tmp_path / "cut" / row["file"]).read_bytes() == (tmp_path / "whole" / row["file"]).read_bytes()


def test_a_grid_by_tokens(tmp_path):
    rows = ladder(SAMPLE, ["micro", "random"], tmp_path, sizes=[9], budgets=[2000, 4000], levels=2, **VIEWS)
    assert [row["budget_tokens"] for row in rows] == [None, None, 2000, 2000, 4000, 4000, None, 2000, 4000]
    for row in rows:
        part = vg.load(tmp_path / row["file"])
        tokens = {side: len(part.tokens(side, "llama2").ids) for side in ("instruction", "response", "both")}
        record = json.loads((tmp_path / f"{row['file']}.selection.json").read_text(encoding="utf-8"))
        assert tokens == row["params"]["tokens"] == record["params"]["tokens"]
        assert len(part) == row["size"] == record["n"]
        if row["budget_tokens"]:
            assert row["budget_tokens"] * 0.9 < tokens["both"] <= row["budget_tokens"]
            assert f"-tokens{row['budget_tokens']}-" in row["file"]


def test_another_grid_does_not_go_into_the_same_folder(tmp_path):
    ladder(SAMPLE, ["random"], tmp_path, sizes=[5], **VIEWS)
    ladder(SAMPLE, ["random", "macro"], tmp_path, sizes=[5, 6], levels=2, **VIEWS)
    with pytest.raises(vg.DataError, match="holds a ladder of another pool, or of other settings"):
        ladder(SAMPLE, ["random"], tmp_path, sizes=[5], topics="language", tags="domain")
    with pytest.raises(vg.DataError, match="holds a ladder of another pool"):
        ladder(vg.load(SAMPLE).take(range(50)).rows(), ["random"], tmp_path, sizes=[5], **VIEWS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strategies": ["makro"]}, "Unknown strategy 'makro'. Did you mean macro"),
        ({"strategies": []}, "at least one strategy"),
        ({"sizes": []}, "and one size or budget of tokens"),
        ({"budgets": [0]}, "'budget_tokens' parameter of ladder"),
        ({"sizes": [0]}, r"'size' parameter of ladder must be ints in \[1, 400\]"),
        ({"sizes": [401]}, "Got 401"),
        ({"levels": 1}, "'levels' parameter of ladder"),
        ({"levels": [0, 101]}, "'levels' parameter of ladder"),
        ({"seeds": 0}, "'seeds' parameter of ladder"),
        ({"metrics": ["novelsumm"]}, "Unknown metric 'novelsumm'"),
        ({"side": "left"}, "'side' parameter"),
        ({"ending": ".exe"}, "'.exe' is no known data file"),
    ],
)
def test_grids_that_cannot_be(options, message, tmp_path):
    given = {"strategies": ["random"], "sizes": [5], **options}
    with pytest.raises(vg.VariegateError, match=message):
        ladder(SAMPLE, given.pop("strategies"), tmp_path / "out", **given)
    assert not list(tmp_path.rglob("*.jsonl"))


def test_a_ladder_does_not_go_into_the_folder_that_is_read(tmp_path, capsys):
    (tmp_path / "pool.jsonl").write_bytes(SAMPLE.read_bytes())
    arguments = ["ladder", str(tmp_path), "--strategies", "random", "--size", "5", "-o", str(tmp_path / "out")]
    assert main(arguments) == 2
    assert "lies in the folder that is read" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["pool.jsonl"]


def test_by_the_command_line(tmp_path, capsys):
    arguments = ["ladder", str(SAMPLE), "--strategies", "macro,micro", "--levels", "0,100", "--size", "20", "--topics", "domain"]
    assert main([*arguments, "--side", "response", "--format", "parquet", "-o", str(tmp_path / "out")]) == 0
    out, err = capsys.readouterr()
    lines = [line.split() for line in out.splitlines() if line.strip().startswith(("macro", "micro"))]
    assert [line[:5] for line in lines] == [
        [name, "response", level, "20", "0"] for name in ("macro", "micro") for level in ("0", "100")
    ]
    assert "4 data sets in" in err
    assert len(list((tmp_path / "out").glob("*.parquet"))) == 4
    assert main([*arguments[:-4], "--size", "many", "-o", str(tmp_path / "out")]) == 2
    assert "--size takes numbers" in capsys.readouterr().err
