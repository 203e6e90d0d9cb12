"""The study in small, as a newcomer runs it."""

from __future__ import annotations

import string
import subprocess
import sys

import pyarrow.parquet as pq
import pytest

from tests import tiny
from tests.conftest import ROOT, SAMPLE
from variegate.cli import main
from variegate.study.plan import read_study

MINI = ROOT / "examples" / "mini_study"


def test_the_smoke_study(tmp_path):
    tiny.need_training()
    pytest.importorskip("matplotlib", reason="pictures of the page need matplotlib")
    command = [sys.executable, str(MINI / "mini_study.py"), "--scale", "smoke", "--out", str(tmp_path / "smoke")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "smoke" / "study"
    runs = pq.read_table(folder / "runs.parquet")
    assert runs.num_rows == 26 and len(set(runs["subset"].to_pylist())) == 13
    # Each row of the study came from the pool's half, and each was trained on once.
    assert set(runs["epochs"].to_pylist()) == {1.0}
    assert "26 of 26 runs are finished" in done.stdout
    page = (folder / "page.html").read_text(encoding="utf-8")
    assert page.count("<svg ") >= 8
    assert (
        (folder / "tables" / "30_rows" / "heldout" / "correlations.tex")
        .read_text(encoding="utf-8")
        .startswith(r"\begin{tabular}")
    )
    # Nothing is done again.
    again = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert again.returncode == 0 and "training seed" not in again.stderr


@pytest.mark.parametrize("scale", ["laptop", "design", "gpu"])
def test_grids_of_the_other_scales_are_good(scale, tmp_path):
    tiny.need_training()
    places = {"pool": SAMPLE, "heldout": SAMPLE, "prompts": "prompts.jsonl", "base": "base", "half": "test", "rate": 1e-3}
    text = string.Template((MINI / f"{scale}.yaml").read_text(encoding="utf-8")).substitute(
        **places, device="cpu", minilm="sentence-transformers/all-MiniLM-L6-v2"
    )
    (tmp_path / "study.yaml").write_text(text, encoding="utf-8")
    found = read_study(tmp_path / "study.yaml")
    fewest = {"laptop": (40, 2), "design": (140, 1), "gpu": (80, 3)}[scale]
    assert (len(found.subsets) >= fewest[0], len(found.training_seeds)) == (True, fewest[1])
    assert list(found.analysis.families) == ["held-out rows", "reference answers"]


def test_the_study_of_a_real_model_is_good(tmp_path, capsys):
    tiny.need_training()
    pytest.importorskip("lm_eval", reason="its tasks are lm-eval's")
    file = ROOT / "examples" / "study_8b.yaml"
    found = read_study(file)
    runs = len(found.subsets) * len(found.training_seeds)
    assert runs > 150
    # Nothing is downloaded here: the bundled sample stands for the pool, and amounts are its own.
    text = file.read_text(encoding="utf-8").replace("allenai/tulu-3-sft-mixture", str(SAMPLE)).replace("by: source", "by: domain")
    for real, small in (("15000000", "30000"), ("5000000", "10000"), ("100000", "150"), ("size: 10000", "size: 90")):
        assert real in text
        text = text.replace(real, small)
    (tmp_path / "study.yaml").write_text(text, encoding="utf-8")
    assert main(["study", str(tmp_path / "study.yaml"), "--dry-run"]) == 0
    assert f"{runs} runs of training" in capsys.readouterr().out
