"""The command line as other programs and people rely on it."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys

import numpy as np
import pytest

import variegate as vg
from tests.conftest import SAMPLE, SHARED
from variegate import progress
from variegate.cli import VERBS, cli, main


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def test_measure_json_has_the_agreed_fields(capsys):
    assert run("measure", SAMPLE, "--metrics", "distsum_cosine,token_entropy", "--side", "all", "--json", "-") == 0
    out, err = capsys.readouterr()
    results = json.loads(out)
    assert [(one["side"], one["metric"]) for one in results] == [
        (side, metric) for side in ("instruction", "response", "both") for metric in ("distsum_cosine", "token_entropy")
    ]
    for one in results:
        assert set(one) == {"dataset", "metric", "side", "value", "n", "params", "version"}
        assert (one["dataset"], one["n"], one["version"]) == (str(SAMPLE), 400, vg.__version__)
    assert "400 rows, schema messages (detected)" in err
    assert "59 rows have several user turns" in err


def test_measure_with_seeds_has_an_interval(capsys):
    run("measure", SAMPLE, "--metrics", "vendi_score", "--size-matched", 50, "--seeds", 3, "--json", "-", "--quiet")
    (one,) = json.loads(capsys.readouterr().out)
    assert one["seeds"] == 3
    assert one["interval"][0] < one["value"] < one["interval"][1]
    assert one["n"] == 50


def test_measure_shows_data_sets_side_by_side(capsys, tmp_path):
    part = tmp_path / "part.jsonl"
    vg.load(SAMPLE).take(range(50)).write(part)
    assert run("measure", SAMPLE, part, "--metrics", "sequence_length,topic_count", "--topics", "domain") == 0
    out, err = capsys.readouterr()
    table = out[: out.index("Which is more diverse?")]
    header, _, samples, topics, length = [line for line in table.splitlines() if line.strip()]
    assert header.split() == ["metric", "side", str(SAMPLE), str(part)]
    assert samples.split() == ["samples", "400", "50"]
    assert length.split()[:2] == ["sequence_length", "both"]
    assert topics.split()[2] == "18"
    assert "the data sets differ in size" in err
    assert "--size-matched 50" in err


def test_metrics_of_a_group_that_do_not_fit_are_left_out_and_named(capsys, tmp_path):
    part = tmp_path / "part.jsonl"
    vg.load(SAMPLE).take(range(20)).write(part)
    assert run("measure", part, "--json", "-") == 0
    out, err = capsys.readouterr()
    assert "topic_entropy" not in {one["metric"] for one in json.loads(out)}
    (line,) = [line for line in err.splitlines() if line.startswith("left out: ") and "topic_entropy" in line]
    assert "topic_count" in line
    assert "100 clusters need at least 100 samples, but there are 20. Ask for fewer: --topics kmeans:K" in err
    assert run("measure", part, "--metrics", "topic_entropy") == 2


def test_options_reach_the_metric(capsys):
    arguments = ("measure", SAMPLE, "--reference", SAMPLE, "--metrics", "novelsum", "--json", "-", "--quiet")
    assert run(*arguments, "--set", "novelsum.alpha=2", "--set", "novelsum.density_of=other") == 0
    (one,) = json.loads(capsys.readouterr().out)
    x = vg.load(SAMPLE).vectors()
    (same,) = vg.measure(x, "novelsum", reference=x, params={"novelsum": {"alpha": 2, "density_of": "other"}})
    assert one["value"] == pytest.approx(same.value, rel=1e-6)
    assert one["params"]["reference"] == str(SAMPLE)


def test_per_sample_novelty_averages_to_novelsum(capsys, tmp_path):
    target = tmp_path / "novelty.csv"
    run("measure", SAMPLE, "--metrics", "novelsum", "--json", "-", "--per-sample", target)
    (one,) = json.loads(capsys.readouterr().out)
    rows = [line.split(",") for line in target.read_text(encoding="utf-8").splitlines()]
    assert rows[0][:2] == ["row", "novelty_both"]
    assert [int(row) for row, *_ in rows[1:]] == list(range(400))
    assert np.mean([float(value) for _, value, *_ in rows[1:]]) == pytest.approx(one["value"])


@pytest.mark.parametrize("strategy", ["novelselect", "k_center", "random"])
def test_select_writes_the_rows_as_they_came_and_the_record(strategy, tmp_path, capsys):
    target = tmp_path / "subset.jsonl"
    assert run("select", SAMPLE, "--size", 30, "--strategy", strategy, "--seed", 4, "-o", target) == 0
    record = json.loads((tmp_path / "subset.jsonl.selection.json").read_text(encoding="utf-8"))
    lines = SAMPLE.read_bytes().split(b"\n")
    assert target.read_bytes() == b"".join(lines[index] + b"\n" for index in record["indices"])
    assert {"indices", "gains", "strategy", "params", "seed", "n", "pool", "version"} <= set(record)
    assert (record["strategy"], record["seed"], record["n"], len(set(record["indices"]))) == (strategy, 4, 30, 30)
    assert record["pool"]["rows"] == 400
    assert record["pool"]["files"] == [str(SAMPLE)]
    sha256 = __import__("hashlib").sha256(SAMPLE.read_bytes()).hexdigest()
    assert record["pool"]["sha256"] == sha256
    assert sorted(path.name for path in tmp_path.iterdir()) == ["subset.jsonl", "subset.jsonl.selection.json"]
    assert capsys.readouterr().out == ""


def test_select_on_vectors_writes_the_record_alone(tmp_path, capsys):
    pool, target = tmp_path / "pool.npy", tmp_path / "picks.json"
    np.save(pool, np.random.default_rng(0).normal(size=(50, 4)))
    arguments = ("select", pool, "--size", 7, "--strategy", "k_center", "--set", "first=3", "--set", "metric=cosine")
    assert run(*arguments, "-o", target) == 0
    record = json.loads(target.read_text(encoding="utf-8"))
    assert record["indices"][0] == 3
    assert record["params"]["metric"] == "cosine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["picks.json", "pool.npy"]


def test_the_oracle_by_the_command_line(oracle, tmp_path):
    name = "novelselect on reference, first=0, alpha=2"
    pool = SHARED / "oracles" / "vectors" / "reference.npy"
    arguments = ("--strategy", "novelselect", "--set", "first=0", "--set", "alpha=2")
    assert run("select", pool, "--size", len(oracle[name]), *arguments, "-o", tmp_path / "out.json") == 0
    assert json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["indices"] == oracle[name]


def test_the_same_command_gives_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        assert run("select", SAMPLE, "--size", 40, "-o", tmp_path / name / "s.jsonl") == 0
    for file in ("s.jsonl", "s.jsonl.selection.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


@pytest.mark.parametrize("verb", ["embed", "tokenize"])
def test_filling_the_cache_ahead_of_time(verb, tmp_path, capsys):
    assert run(verb, SAMPLE, "--side", "all", "--cache", tmp_path / "cache") == 0
    assert "400 " in capsys.readouterr().err
    assert list((tmp_path / "cache" / "tokens").iterdir())
    assert run(verb, SAMPLE, "--cache", "off") == 2
    assert "no cache to fill" in capsys.readouterr().err


def test_list_as_json_names_everything(capsys):
    assert run("list", "--json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert [one["metric"] for one in listed["metrics"]] == [*vg.METRICS, "embedding_distance"]
    assert [one["strategy"] for one in listed["strategies"]] == list(vg.STRATEGIES)
    for what in ("metrics", "strategies", "embedders", "tokenizers", "topics", "schemas"):
        assert run("list", what) == 0
        assert capsys.readouterr().out.strip()


def test_failures_are_one_line_and_debug_shows_where(capsys, monkeypatch):
    def broken(*arguments: object, **options: object) -> None:
        raise RuntimeError("first line\nsecond line")

    monkeypatch.setattr("variegate.metrics.measure", broken)
    assert run("measure", SAMPLE, "--quiet") == 1
    assert capsys.readouterr().err == "variegate: failed: RuntimeError: first line (--debug shows where).\n"
    with pytest.raises(RuntimeError, match="second line"):
        run("measure", SAMPLE, "--quiet", "--debug")


def test_help_names_every_command_and_every_option(capsys):
    assert run("--help") == 0
    shown = capsys.readouterr().out
    assert set(re.findall(r"^  (\w+)  ", shown, flags=re.MULTILINE)) >= set(VERBS)
    assert run() == 0
    assert capsys.readouterr().out == shown
    for verb in VERBS:
        assert run(verb, "--help") == 0
        shown = capsys.readouterr().out
        assert shown.startswith(f"Usage: variegate {verb} ")
        options = [one for parameter in cli.get_command(None, verb).params for one in parameter.opts if one.startswith("--")]
        assert [one for one in options if one not in shown] == []


def test_the_version_is_shown(capsys):
    assert run("--version") == 0
    assert capsys.readouterr().out == f"variegate {vg.__version__}\n"


def test_heavy_packages_are_not_imported_before_they_are_needed():
    code = (
        "import sys, variegate.cli; variegate.cli.main(['--help']);"
        "heavy = {'numpy', 'pyarrow', 'sklearn', 'scipy', 'torch', 'transformers', 'datasets', 'rich', 'tokenizers'};"
        "print('imported:', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "imported: []"


class Screen(io.StringIO):
    """What stands in for stderr, as a terminal or as a file."""

    def __init__(self, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_goes_to_a_terminal_only(terminal, monkeypatch):
    screen = Screen(terminal)
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    # The library that draws would take anything for a terminal.
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert run("measure", SAMPLE, "--metrics", "novelsum", "--json", "-") == 0
    assert ("/400 rows" in screen.getvalue(), "\x1b" in screen.getvalue()) == (terminal, terminal)
    assert "400 rows, schema messages" in screen.getvalue()


def test_a_terminal_sees_rate_and_time_left(monkeypatch):
    screen = Screen(terminal=True)
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "160")
    with vg.use():
        progress.show_progress()
        with progress.track("counting", 4000) as advance:
            for _ in range(4):
                advance(1000)
    assert "counting" in screen.getvalue()
    assert "4,000/4,000 rows" in screen.getvalue()
