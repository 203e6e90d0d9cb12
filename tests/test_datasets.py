"""Data sets of the package datasets, in memory, on disk and from the Hub."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import variegate as vg
from tests.conftest import needs
from tests.sources import PAIRS, put

pytestmark = pytest.mark.usefixtures("here")


@needs("datasets")
class TestDatasets:
    def test_what_holds_several_sets_or_has_no_end_is_refused(self):
        import datasets

        one = datasets.Dataset.from_list(PAIRS)
        with pytest.raises(vg.ParameterError, match=r"several data sets \(train, test\)"):
            vg.load(datasets.DatasetDict({"train": one, "test": one}))
        with pytest.raises(vg.ParameterError, match="has no length"):
            vg.load(one.to_iterable_dataset())

    def test_a_dataset_in_and_out(self):
        import datasets

        whole = datasets.Dataset.from_list(PAIRS)
        pool = vg.load(whole.select([4, 2, 0]))
        assert pool.rows() == [PAIRS[4], PAIRS[2], PAIRS[0]]
        out = pool.take([1]).to_dataset()
        assert isinstance(out, datasets.Dataset)
        assert out.to_list() == [PAIRS[2]]
        assert vg.select(whole, 3, "k_center", first=1).indices[0] == 1

    def test_a_dataset_keeps_its_features(self):
        import datasets

        features = datasets.Features(
            {
                "text": datasets.Value("string"),
                "label": datasets.ClassLabel(names=["no", "yes"]),
                "n": datasets.Value("int16"),
                "tags": datasets.Sequence(datasets.Value("string")),
            }
        )
        rows = [{"text": f"t{at}", "label": at % 2, "n": at, "tags": ["x"] * at} for at in range(4)]
        whole = datasets.Dataset.from_list(rows, features=features)
        pool = vg.load(whole)
        assert pool.take([3, 1]).to_dataset().to_list() == [rows[3], rows[1]]
        assert pool.to_dataset().features == features
        pool.take([2]).write("a.parquet")
        assert datasets.Dataset.from_parquet("a.parquet", cache_dir="cache").features == features

    def test_a_dataset_has_every_column_that_any_row_has(self):
        rows = [{"text": "a"}, {"text": "b", "id": 7}, {"text": "c", "by": {"who": "x"}}]
        out = vg.load(put("a.jsonl", rows)).to_dataset()
        assert out.column_names == ["text", "id", "by"]
        assert [{key: value for key, value in row.items() if value is not None} for row in out.to_list()] == rows

    def test_a_dataset_of_mixed_types_is_refused(self):
        pool = vg.load(put("a.jsonl", [{"text": "a", "n": 1}, {"text": "b", "n": "two"}]))
        with pytest.raises(vg.DataError, match="mixed types"):
            pool.to_dataset()

    def test_a_dataset_without_rows_is_refused(self):
        import datasets

        with pytest.raises(vg.DataError, match="dataset: has no rows"):
            vg.load(datasets.Dataset.from_list(PAIRS).select([]))

    def test_a_folder_that_datasets_has_saved(self):
        import datasets

        rows = datasets.Dataset.from_list(PAIRS)
        # Its bar goes to stderr and has no part in this.
        datasets.disable_progress_bars()
        try:
            rows.save_to_disk("one", num_shards=2)
            datasets.DatasetDict({"train": rows, "test": rows.select([0])}).save_to_disk("splits")
        finally:
            datasets.enable_progress_bars()
        assert vg.load("one").rows() == PAIRS
        assert vg.load("splits/train").rows() == PAIRS
        assert len(vg.load("splits")) == 8

    @pytest.mark.parametrize(
        ("name", "asked"),
        [
            ("lab/set", ("lab/set", None, None)),
            ("lab/set:en", ("lab/set", "en", None)),
            ("lab/set:en@test[:5]", ("lab/set", "en", "test[:5]")),
            ("lab/set@test", ("lab/set", None, "test")),
            ("lab-1/set_2.v3", ("lab-1/set_2.v3", None, None)),
            ("lab/set:en-US.v2@train+test", ("lab/set", "en-US.v2", "train+test")),
            ("lab/set@train[10%:20%]", ("lab/set", None, "train[10%:20%]")),
        ],
    )
    def test_a_hub_id(self, name, asked, monkeypatch):
        import datasets

        calls = []

        def stand_in(repository, config, split):
            calls.append((repository, config, split))
            rows = datasets.Dataset.from_list(PAIRS)
            return rows if split else datasets.DatasetDict({"train": rows, "test": rows.select([0])})

        monkeypatch.setattr(datasets, "load_dataset", stand_in)
        pool = vg.load(name)
        assert (pool.rows(), pool.name, calls) == (PAIRS, name, [asked])
        assert [vg.load([name, put("a.jsonl", PAIRS[:1])]).rows(), len(calls)] == [PAIRS + PAIRS[:1], 2]

    def test_a_hub_id_whose_split_must_be_said(self, monkeypatch):
        import datasets

        rows = datasets.Dataset.from_list(PAIRS)
        monkeypatch.setattr(datasets, "load_dataset", lambda *arguments, split: datasets.DatasetDict({"dev": rows, "test": rows}))
        with pytest.raises(vg.DataError, match=r"lab/set: has the splits dev, test\. Say which with lab/set@dev"):
            vg.load("lab/set")
        with pytest.raises(vg.DataError, match=r"lab/set:en: has the splits dev, test\. Say which with lab/set:en@dev"):
            vg.load("lab/set:en")

    def test_a_hub_id_with_one_split_only(self, monkeypatch):
        import datasets

        rows = datasets.Dataset.from_list(PAIRS)
        monkeypatch.setattr(datasets, "load_dataset", lambda *arguments, split: datasets.DatasetDict({"validation": rows}))
        assert vg.load("lab/set").rows() == PAIRS

    @pytest.mark.parametrize("name", ["lab/set.jsonl", "./lab/set", "/lab/set", "here/set", "set", "a/b/c"])
    def test_a_path_that_is_not_there_is_not_asked_of_the_hub(self, name, monkeypatch):
        import datasets

        Path("here").mkdir()
        monkeypatch.setattr(datasets, "load_dataset", None)
        with pytest.raises(vg.DataError, match=rf"^{name}: no such file or folder\.$"):
            vg.load(name)

    def test_a_hub_id_that_cannot_be_had(self, monkeypatch):
        import datasets

        def fails(*arguments, split):
            raise ConnectionError("no way there")

        monkeypatch.setattr(datasets, "load_dataset", fails)
        with pytest.raises(
            vg.DataError, match=r"lab/set: no such file or folder, and not to be had from the Hugging Face Hub .*no way there"
        ):
            vg.load("lab/set")

    def test_without_the_package_the_command_that_installs_it(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "datasets", None)
        with pytest.raises(vg.MissingExtraError, match=r"pip install 'variegate\[hub\]'"):
            vg.load("lab/set")
