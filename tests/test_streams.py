"""Output that another encoding, a closed stream or a full disk takes: shown with stand-ins, or said in one line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

THINGS = ["数学", "物理", "城市", "音乐", "植物", "天空"]
ROWS = [{"instruction": f"说 {at} über Δ", "response": f"{THINGS[at % 6]} é 😀"} for at in range(30)]


@pytest.fixture
def pool(tmp_path):
    path = tmp_path / "夏.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS), encoding="utf-8")
    return path


def run(pool: Path, command: str, encoding: str = "utf-8", **streams: object) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, "-m", "variegate", *command.split()], cwd=pool.parent, env=environment, check=False,
        **(streams or {"capture_output": True}),
    )  # fmt: skip


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "gbk"])
def test_every_table_can_be_printed_in_any_encoding(pool, encoding):
    for command in (
        f"measure {pool.name} --metrics sequence_length",
        f"measure {pool.name} --metrics sequence_length --format markdown",
        f"diagnose {pool.name} --clusters 2",
        f"tag {pool.name} --tags keyphrases",
        f"measure {pool.name} --metrics no",
    ):
        done = run(pool, command, encoding)
        assert done.returncode == (2 if command.endswith("no") else 0), done.stderr
        assert "Error" not in done.stderr.decode(encoding)
        shown = pool.name.encode(encoding, "backslashreplace").decode(encoding)
        assert command.startswith("tag") or command.endswith("no") or shown in done.stdout.decode(encoding)


@pytest.mark.parametrize("encoding", ["ascii", "gbk", "utf-8"])
def test_json_is_json_in_any_encoding(pool, encoding):
    done = run(pool, f"tag {pool.name} --tags keyphrases --format json", encoding)
    found = [row["tag"] for row in json.loads(done.stdout.decode(encoding))["rows"]]
    assert found
    assert any("\u4e00" <= tag[0] <= "\u9fff" for tag in found)
    assert not any("\\" in tag for tag in found)


@pytest.mark.skipif(sys.platform == "win32", reason="streams are closed by a shell")
@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-", "<&-"])
def test_closed_streams(pool, closed):
    command = f"'{sys.executable}' -m variegate measure '{pool.name}' --metrics sequence_length {closed}"
    done = subprocess.run(
        ["sh", "-c", command], cwd=pool.parent, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert b"Error" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
def test_a_full_disk_is_said_in_one_line(pool):
    with Path("/dev/full").open("wb") as full:
        done = run(pool, "list metrics", stdout=full, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr.count(b"\n")) == (1, 1)
    assert b"no space is left where the output goes" in done.stderr
