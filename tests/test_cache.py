"""The cache: resumes after a kill, mends damage, and is safe for two processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

import variegate as vg
from tests.conftest import ROOT, SAMPLE
from variegate.views import cache
from variegate.views.cache import CACHE_VARIABLE, cache_root, cached_arrays

SETTINGS = {"content": "abc", "model": "m"}
ALL = [(0, 10), (10, 20), (20, 25)]


@pytest.fixture(autouse=True)
def default_cache() -> Iterator[None]:
    """Forget what a test has set, whatever conftest.py does about it."""
    yield
    vg.use_cache(None)


class Counter:
    """Arrays whose rows are their own numbers, and a record of what was computed."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def __call__(self, start: int, stop: int) -> dict[str, np.ndarray]:
        self.asked.append((start, stop))
        rows = np.arange(start, stop)
        return {"x": rows[:, None] * np.ones((1, 3), np.float32), "flat": np.repeat(rows, 2)}


class Stops(Counter):
    """A run that ends before its last shard."""

    def __call__(self, start: int, stop: int) -> dict[str, np.ndarray]:
        if start == 20:
            raise KeyboardInterrupt
        return super().__call__(start, stop)


def build(compute, rows: int = 25, settings=SETTINGS, shard_rows: int = 10, kind: str = "vectors"):
    return cached_arrays(kind, settings, rows, shard_rows, compute, "test")


def stop_half_way() -> None:
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        build(Stops())


def folder() -> Path:
    root = cache_root()
    assert root is not None
    (found,) = (root / "vectors").iterdir()
    return found


def files() -> list[str]:
    return sorted(path.name for path in folder().iterdir())


WHOLE = ["flat.npy", "manifest.json", "settings.json", "x.npy"]


def check(arrays) -> None:
    np.testing.assert_array_equal(arrays["x"][:, 2], np.arange(25))
    np.testing.assert_array_equal(arrays["flat"], np.repeat(np.arange(25), 2))


def test_computed_once_then_memory_mapped():
    first = Counter()
    check(build(first))
    assert first.asked == ALL
    again = Counter()
    arrays = build(again)
    check(arrays)
    assert again.asked == []
    assert files() == WHOLE
    for array in arrays.values():
        assert isinstance(array, np.memmap)
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_vectors_and_tokens_of_a_corpus_are_read_only_maps():
    corpus = vg.load(SAMPLE)
    vectors = corpus.vectors()
    assert isinstance(vectors, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        vectors[0] = 0
    with pytest.raises(ValueError, match="read-only"):
        corpus.tokens().ids[0] = 0


def test_shards_give_the_same_bytes_whatever_their_size():
    whole = {name: array.tobytes() for name, array in build(Counter(), shard_rows=100).items()}
    for shard_rows in (1, 7, 25):
        arrays = build(Counter(), settings={**SETTINGS, "part": shard_rows}, shard_rows=shard_rows)
        assert {name: array.tobytes() for name, array in arrays.items()} == whole


def test_arrays_without_a_single_value():
    def compute(start: int, stop: int) -> dict[str, np.ndarray]:
        return {"ids": np.zeros(0, np.int32), "lengths": np.zeros(stop - start, np.int64)}

    for _ in range(2):
        arrays = build(compute)
        assert (arrays["ids"].shape, arrays["ids"].dtype, arrays["lengths"].shape) == ((0,), np.int32, (25,))


# --- where


def test_the_folder_is_the_one_set_then_the_variable_then_the_users(tmp_path, monkeypatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "variable"))
    vg.use_cache(str(tmp_path / "set"))
    assert cache_root() == tmp_path / "set"
    vg.use_cache(None)
    assert cache_root() == tmp_path / "variable"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv(CACHE_VARIABLE, "~/mine")
    assert cache_root() == tmp_path / "mine"
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: tmp_path / "users" / name)
    for nothing in ("", None):
        if nothing is None:
            monkeypatch.delenv(CACHE_VARIABLE)
        else:
            monkeypatch.setenv(CACHE_VARIABLE, nothing)
        assert cache_root() == tmp_path / "users" / "variegate"
    build(Counter())
    assert folder().parent == tmp_path / "users" / "variegate" / "vectors"


@pytest.mark.parametrize("how", ["use_cache", "variable"])
def test_off_keeps_nothing(how, tmp_path, monkeypatch):
    before = cache_root()
    assert before is not None
    if how == "use_cache":
        vg.use_cache("off")
    else:
        monkeypatch.setenv(CACHE_VARIABLE, "off")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: tmp_path / name)
    assert cache_root() is None
    for _ in range(2):
        counter = Counter()
        check(build(counter))
        assert counter.asked == ALL
    assert list(before.iterdir()) == []
    assert list(tmp_path.iterdir()) == []


def test_what_is_set_holds_in_every_thread(tmp_path):
    vg.use_cache(str(tmp_path))
    seen: list[Path | None] = []
    thread = threading.Thread(target=lambda: seen.append(cache_root()))
    thread.start()
    thread.join()
    assert seen == [tmp_path]


# --- keys


@pytest.mark.parametrize(
    "other",
    [{"model": "n"}, {"content": "abd"}, {"more": None}, {"more": 1}, {"more": 1.5}, {"more": True}, {"more": "1"}],
    ids=str,
)
def test_other_settings_are_another_key(other):
    build(Counter())
    again = Counter()
    build(again, settings={**SETTINGS, **other})
    assert again.asked == ALL
    root = cache_root()
    assert root is not None
    assert len(list((root / "vectors").iterdir())) == 2


def test_the_order_of_settings_does_not_count_but_the_kind_does():
    build(Counter())
    same, other = Counter(), Counter()
    build(same, settings=dict(reversed(SETTINGS.items())))
    build(other, kind="tokens")
    assert (same.asked, other.asked) == ([], ALL)
    assert json.loads((folder() / "settings.json").read_text(encoding="utf-8")) == SETTINGS


def test_shards_of_another_size_are_not_mixed_in():
    stop_half_way()
    check(build(Counter(), shard_rows=5))


# --- damage


def test_a_failure_half_way_keeps_the_shards_that_are_done():
    stop_half_way()
    assert not (folder() / "manifest.json").exists()
    rest = Counter()
    check(build(rest))
    assert rest.asked == ALL[2:]
    assert files() == WHOLE


@pytest.mark.parametrize("kept", [0, 1, 100, -1])
def test_a_shard_that_is_cut_off_is_computed_again(kept):
    stop_half_way()
    shard = folder() / "000001.npz"
    shard.write_bytes(shard.read_bytes()[:kept])
    mended = Counter()
    check(build(mended))
    assert mended.asked == ALL[1:]


def test_a_shard_with_any_byte_changed_is_computed_again_or_still_right():
    def compute(start: int, stop: int) -> dict[str, np.ndarray]:
        if start == 2:
            raise KeyboardInterrupt
        return {"x": np.arange(start, stop)}

    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        build(compute, rows=3, shard_rows=1)
    shard = folder() / "000001.npz"
    good = shard.read_bytes()
    wrong: list[tuple[int, int, str]] = []
    for at in range(len(good)):
        for flip in (0x01, 0xFF):
            shard.write_bytes(good[:at] + bytes([good[at] ^ flip]) + good[at + 1 :])
            try:
                part = cache._read_shard(shard)
                if part is not None and (list(part) != ["x"] or part["x"].tolist() != [1]):
                    wrong.append((at, flip, str(part)))
            except Exception as error:
                wrong.append((at, flip, repr(error)))
    assert wrong == []


# Damage to a finished folder, as (file, what becomes of its bytes or None where it is removed).
DAMAGE: dict[str, tuple[str, Callable[[bytes], bytes] | None]] = {
    "array cut off": ("x.npy", lambda content: content[:-50]),
    "array cut off by a byte": ("flat.npy", lambda content: content[:-1]),
    "array cut off in its header": ("x.npy", lambda content: content[:40]),
    "array empty": ("x.npy", lambda content: b""),
    "array gone": ("flat.npy", None),
    "array of another type": ("x.npy", lambda content: content.replace(b"<f8", b"<i8")),
    "array of another shape": ("x.npy", lambda content: content.replace(b"(25, 3)", b"(24, 3)")),
    "header without its end": ("x.npy", lambda content: content.replace(b"}", b" ")),
    "header with a bad number": ("x.npy", lambda content: content.replace(b"(25, 3)", b"(25, &)")),
    "header with a negative number": ("x.npy", lambda content: content.replace(b"(25, 3)", b"(-5, 3)")),
    "manifest gone": ("manifest.json", None),
    "manifest cut off": ("manifest.json", lambda content: content[:10]),
    "manifest empty": ("manifest.json", lambda content: b""),
    "manifest null": ("manifest.json", lambda content: b"null"),
    "manifest a number": ("manifest.json", lambda content: b"3"),
    "manifest without arrays": ("manifest.json", lambda content: b"{}"),
    "manifest a list": ("manifest.json", lambda content: b"[]"),
    "manifest of another form": ("manifest.json", lambda content: b'{"x": 3, "flat": 4}'),
    "manifest without shapes": ("manifest.json", lambda content: b'{"x": {}, "flat": {}}'),
    "manifest of another shape": ("manifest.json", lambda content: content.replace(b"[25, 3]", b"[20, 3]")),
    "manifest not text": ("manifest.json", lambda content: b"\xff\xfe"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_folder_is_built_anew(damage):
    build(Counter())
    name, change = DAMAGE[damage]
    path = folder() / name
    if change is None:
        path.unlink()
    else:
        content = path.read_bytes()
        assert change(content) != content
        path.write_bytes(change(content))
    mended = Counter()
    check(build(mended))
    assert mended.asked == ALL
    assert files() == WHOLE
    again = Counter()
    check(build(again))
    assert again.asked == []


# With the cache off nothing is kept that could be read wrongly, so there types may differ.
@pytest.mark.parametrize(("what", "kept"), [("columns", "cache"), ("type", "cache"), ("columns", "off")])
def test_shards_that_do_not_fit_together_are_an_error(what, kept):
    def compute(start: int, stop: int) -> dict[str, np.ndarray]:
        late = start == 20
        columns, kind = (2, np.float32) if what == "columns" and late else (3, np.float64 if late else np.float32)
        return {"x": np.ones((stop - start, columns), kind)}

    if kept == "off":
        vg.use_cache("off")
    with pytest.raises(vg.DataError, match=r"Did the model change half-way|differ"):
        build(compute)


# --- places that cannot be written


def test_a_cache_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    vg.use_cache(str(tmp_path / "file"))
    with pytest.raises(vg.DataError, match=r"the cache cannot be written here .* --cache"):
        build(Counter())
    with pytest.raises(vg.DataError, match=r"the cache cannot be written here .* --cache off"):
        vg.load(SAMPLE).vectors()


def test_a_folder_of_the_cache_that_cannot_be_written_says_so():
    stop_half_way()
    # Stands for any file that cannot be written: as root, permissions would not stop this test.
    (folder() / "settings.json").unlink()
    (folder() / "settings.json").mkdir()
    with pytest.raises(vg.DataError, match=r"cannot be written|cannot write here"):
        build(Counter())


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
    np.save(sys.argv[3], vg.load("pool.jsonl").vectors())
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
