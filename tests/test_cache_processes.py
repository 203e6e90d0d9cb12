"""The cache among processes: killed at any moment, and several at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import variegate as vg
from tests.caching import WHOLE, Counter, build, check, files
from tests.conftest import ROOT, SAMPLE
from variegate.views import cache

# --- kills

KILLED = """
    import os, signal, sys
    from pathlib import Path
    import numpy as np
    from variegate.views.cache import cached_arrays, use_cache

    where, deadly = sys.argv[1:]
    real = Path.replace

    def replace(self, target):
        # The last moment before a file gets its name: its bytes are all there, under the temporary one.
        if target.name == deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(self, target)

    def compute(start, stop):
        print(start // 10, flush=True)
        rows = np.arange(start, stop)
        return {"x": rows[:, None] * np.ones((1, 3), np.float32), "flat": np.repeat(rows, 2)}

    Path.replace = replace
    use_cache(where)
    arrays = cached_arrays("vectors", {"content": "abc"}, 95, 10, compute, "test")
    np.savez(Path(where) / "out.npz", **arrays)
"""


def python(code: str, *arguments: object, cwd: Path = ROOT) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(code), *map(str, arguments)]
    paths = {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)}
    return subprocess.Popen(command, cwd=cwd, stdout=subprocess.PIPE, text=True, env={**os.environ, **paths})


@pytest.mark.parametrize(
    ("deadly", "left"),
    [
        ("000000.npz", range(10)),
        ("000004.npz", range(4, 10)),
        ("000009.npz", range(9, 10)),
        ("x.npy", ()),
        ("flat.npy", ()),
        ("manifest.json", ()),
    ],
)
def test_a_run_killed_at_any_file_goes_on_where_it_stopped(deadly, left, tmp_path):
    killed = python(KILLED, tmp_path / "cache", deadly)
    assert killed.communicate()[0].split() == [str(shard) for shard in range(left[0] + 1 if left else 10)]
    assert killed.returncode == -signal.SIGKILL
    resumed = python(KILLED, tmp_path / "cache", "none")
    assert resumed.communicate()[0].split() == [str(shard) for shard in left]
    assert resumed.returncode == 0
    with np.load(tmp_path / "cache" / "out.npz") as out:
        np.testing.assert_array_equal(out["x"], np.arange(95)[:, None] * np.ones((1, 3), np.float32))
        np.testing.assert_array_equal(out["flat"], np.repeat(np.arange(95), 2))
    (found,) = (tmp_path / "cache" / "vectors").iterdir()
    # The file in the works when the run was killed may stay under its temporary name, which begins with a dot.
    assert sorted(path.name for path in found.iterdir() if not path.name.startswith(".")) == WHOLE


SLOW = """
    import sys, time
    import numpy as np
    import variegate as vg
    from variegate.views import embed

    real = embed._mean_pooled
    embed.STATIC_SHARD_ROWS = int(sys.argv[4])

    def slow(*arguments):
        time.sleep(float(sys.argv[2]))
        print("shard", flush=True)
        return real(*arguments)

    embed._mean_pooled = slow
    vg.use_cache(sys.argv[1])
    np.save(sys.argv[3], vg.load("pool.jsonl").vectors(embedder="static"))
"""


@pytest.fixture
def slow_embedding(tmp_path: Path):
    """Start a process that embeds 2,400 rows shard by shard, slowly."""
    (tmp_path / "pool.jsonl").write_bytes(SAMPLE.read_bytes() * 6)
    running = []

    def start(where: str, seconds: float, out: str, shard_rows: int = 100) -> subprocess.Popen[str]:
        running.append(python(SLOW, where, seconds, out, shard_rows, cwd=tmp_path))
        return running[-1]

    yield start, tmp_path
    for process in running:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def test_a_killed_run_goes_on_and_gives_the_same_vectors(slow_embedding):
    start, where = slow_embedding
    killed = start("cache", 0.1, "none.npy")
    assert killed.stdout is not None
    for _ in range(12):
        assert killed.stdout.readline() == "shard\n"
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert not (where / "none.npy").exists()
    done = len(list((where / "cache" / "vectors").glob("*/[0-9]*.npz")))
    # The twelfth shard was in the works when the run was killed; on a busy machine the kill may come some shards later.
    assert 11 <= done < 24
    resumed = start("cache", 0, "resumed.npy")
    shards, _ = resumed.communicate()
    assert resumed.returncode == 0
    assert shards.count("shard") == 24 - done
    undisturbed = start("other", 0, "undisturbed.npy")
    assert undisturbed.communicate()[0].count("shard") == 24
    assert (where / "resumed.npy").read_bytes() == (where / "undisturbed.npy").read_bytes()
    assert not list((where / "cache").rglob("[0-9]*.npz"))


# --- several processes


@pytest.mark.parametrize("at", [0, 10, 20])
def test_another_process_that_finishes_during_a_computation(at):
    other = Counter()

    class Overtaken(Counter):
        def __call__(self, start: int, stop: int) -> dict[str, np.ndarray]:
            if start == at:
                check(build(other))
            return super().__call__(start, stop)

    slow = Overtaken()
    check(build(slow))
    assert len(slow.asked) + len(other.asked) == 4, "only the shard in the works is computed twice"
    assert files() == WHOLE


@pytest.mark.parametrize("reading", range(9))
def test_another_process_that_finishes_while_this_one_joins(reading, monkeypatch):
    real, count = cache._shard_of, 0

    # Three shards are read for their shapes, then again for each of the two arrays.
    def overtaken(*arguments):
        nonlocal count
        count += 1
        if count == reading + 1:
            check(build(Counter()))
        return real(*arguments)

    monkeypatch.setattr(cache, "_shard_of", overtaken)
    check(build(Counter()))
    assert count >= reading
    assert files() == WHOLE
    again = Counter()
    check(build(again))
    assert again.asked == [], "what the other process had finished must not be overwritten"


RACE = """
    import random, sys, time
    from pathlib import Path
    import numpy as np
    from variegate.views.cache import cached_arrays, use_cache

    where, seed, rounds = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    use_cache(str(where))
    dice = random.Random(seed)

    def compute(start, stop):
        time.sleep(dice.choice([0, 0, 0.001, 0.003]))
        return {"x": np.arange(start, stop)[:, None] * np.ones((1, 3), np.float32), "flat": np.repeat(np.arange(start, stop), 2)}

    print("ready", flush=True)
    while not (where / "go").exists():
        time.sleep(0.001)
    for at in range(rounds):
        arrays = cached_arrays("vectors", {"round": at}, 25, 2, compute, "test")
        assert (arrays["x"][:, 2] == np.arange(25)).all() and (arrays["flat"] == np.repeat(np.arange(25), 2)).all()
"""


def test_three_processes_that_race_through_many_keys(tmp_path):
    rounds = 12
    racing = [python(RACE, tmp_path, seed, rounds) for seed in range(3)]
    for process in racing:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    (tmp_path / "go").touch()
    for process in racing:
        process.communicate()
    assert [process.returncode for process in racing] == [0, 0, 0]
    found = list((tmp_path / "vectors").iterdir())
    assert len(found) == rounds
    for one in found:
        assert sorted(path.name for path in one.iterdir()) == WHOLE
    vg.use_cache(str(tmp_path))
    for at in range(rounds):
        counter = Counter()
        check(build(counter, settings={"round": at}, shard_rows=2))
        assert counter.asked == []


def test_two_processes_at_once_embed_the_same(slow_embedding):
    start, where = slow_embedding
    both = [start("cache", 0.02, f"{name}.npy") for name in ("one", "two")]
    for process in both:
        process.communicate()
        assert process.returncode == 0
    assert (where / "one.npy").read_bytes() == (where / "two.npy").read_bytes()
    left = [path.name for path in (where / "cache" / "vectors").rglob("*") if path.is_file()]
    assert sorted(left) == ["manifest.json", "settings.json", "vectors.npy"]
