"""The cache: what is kept, where, under which key, and what becomes of damage."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import variegate as vg
from tests.caching import ALL, SETTINGS, WHOLE, Counter, build, check, files, folder, stop_half_way
from tests.conftest import SAMPLE
from variegate.views import cache
from variegate.views.cache import CACHE_VARIABLE, cache_root


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
    vectors = corpus.vectors(embedder="static")
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
        vg.load(SAMPLE).vectors(embedder="static")


def test_a_folder_of_the_cache_that_cannot_be_written_says_so():
    stop_half_way()
    # Stands for any file that cannot be written: as root, permissions would not stop this test.
    (folder() / "settings.json").unlink()
    (folder() / "settings.json").mkdir()
    with pytest.raises(vg.DataError, match=r"cannot be written|cannot write here"):
        build(Counter())
