"""The page of a study: what it says, where it leads, and that no name in it does anything."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit
from xml.etree import ElementTree

import pytest

from tests import pretend, study
from tests.conftest import needs
from variegate.study import page as paging
from variegate.study.conduct import conduct

HOSTILE = '<script>alert("x")</script>'
LOSS = study.SMALL["evaluate"][0]


class Reader(HTMLParser):
    """Collects what a browser would act on."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.ids: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        self.ids += [value for name, value in attrs if name == "id"]

    @property
    def links(self) -> list[str]:
        return [value for name, value in self.attributes if name in ("href", "xlink:href", "src", "action", "data")]


def made(folder, **changes):
    folder.mkdir(exist_ok=True)
    (folder / "base").mkdir(exist_ok=True)
    (folder / "base" / "config.json").write_text("{}", encoding="utf-8")
    return conduct(study.write(folder / "study.yaml", study.small(**changes)))


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Return a study with ladders, matched lengths, two families, two training seeds, and names that mean harm."""
    patch = pytest.MonkeyPatch()
    patch.setenv("VARIEGATE_CACHE", str(tmp_path_factory.mktemp("cache")))
    pretend.only_pretend(patch)
    subsets = [
        *study.SMALL["subsets"], {"strategy": "micro", "side": "response", "level": [0, 50, 100], "size": 12},
        {"strategy": ["random", "k_center"], "size": 12, "seed": [5, 6], "match_length": "pool", "pool_sample": 150},
        {"strategy": "random", "size": 12, "seed": 9, "copies": 2, "label": f"{HOSTILE} & $\\frac{{ 随机 </svg>"},
    ]  # fmt: skip
    yield made(
        tmp_path_factory.mktemp("a study"), name=f"{HOSTILE} of rows", subsets=subsets, train={"seeds": [0, 1]},
        measures={"variants": [{"name": f"novelsum {HOSTILE} $x_$", "metric": "novelsum", "reference": False}]},
        evaluate=[LOSS, {**LOSS, "name": "other <b>", "most": 2}],
        analysis={"families": {HOSTILE: ["heldout/macro"], '"onload="x': ["other <b>/macro"]}},
    )  # fmt: skip
    patch.undo()


@pytest.fixture(scope="module")
def text(found):
    pytest.importorskip("matplotlib")
    return found.page.read_text(encoding="utf-8")


@needs("matplotlib")
def test_a_name_does_nothing(text):
    read = Reader(text)
    assert not {"script", "iframe", "object", "embed", "img", "b", "link", "form", "base"} & set(read.tags)
    assert not [name for name, _ in read.attributes if name.startswith("on")]
    assert "&lt;script&gt;alert(" in text and HOSTILE not in text
    # In pictures too, as text and not as a formula.
    pictures = re.findall(r"<svg .*?</svg>", text, flags=re.DOTALL)
    assert len(pictures) >= 3 * 3
    inside = "".join(pictures)
    assert "&lt;script&gt;" in inside and r"$\frac{ 随机" in inside and "$x_$" in inside
    for picture in pictures:
        ElementTree.fromstring(picture)


@needs("matplotlib")
def test_it_leads_nowhere_but_to_its_own_folder(found, text):
    read = Reader(text)
    assert len(read.links) > 100
    for link in read.links:
        parts = urlsplit(link)
        assert not parts.scheme and not parts.netloc, link
        if parts.path:
            assert (found.folder / unquote(parts.path)).exists(), link
        else:
            assert parts.fragment in read.ids, link
    assert not re.search(r"url\((?!#)", text)
    # Names of the languages that it is written in, and no address of anything that is fetched.
    assert set(re.findall(r"\w+://[^\s\"'<]+", text)) <= {"http://www.w3.org/1999/xlink", "http://www.w3.org/2000/svg"}
    assert "default-src 'none'" in text


@needs("matplotlib")
def test_every_run_has_a_row_that_leads_to_its_folder(found, text):
    for one in found.finished:
        assert f'href="./runs/{one.run.id}/"' in text
        assert f">{one.values['heldout/macro']:.4f}</td>" in text
    points = [link for link in Reader(text).links if link.endswith("subset.json")]
    assert {Path(link).parent.name for link in points} == {one.run.subset_id for one in found.finished}


@needs("matplotlib")
def test_what_it_says(found, text):
    assert f"{len(found.finished)} of {found.planned} runs are finished." in text
    assert '<h2 id="s3">12 rows, together</h2>' in text
    for what in (
        "Pool: sample.jsonl, design half. Model: base, fine-tuned for 1 epochs a run.", "lengths matched, nothing held",
        "lengths as chosen, mean_response_tokens held", "Slopes", "How much is luck", "Levels of diversity", "four copies",
    ):  # fmt: skip
        assert what in text, what
    # Less self-BLEU is more diverse: its axis runs the other way, so that a rising line means the same in every picture.
    assert len(re.findall(r"axis turned", text)) == 3
    assert found.findings[0].missing.keys() >= {"correlations, lengths matched, nothing held"}
    assert "correlations, lengths matched, nothing held:" in text


@needs("matplotlib")
def test_it_is_the_same_each_time_and_lies_where_it_is_asked_for(found, text, tmp_path):
    page = paging.write_page(found, tmp_path / "elsewhere.html")
    assert paging.write_page(found, tmp_path / "again.html").read_bytes() == page.read_bytes()
    paths = [urlsplit(link).path for link in Reader(page.read_text(encoding="utf-8")).links]
    assert len(set(paths)) > len(found.finished)
    assert [path for path in paths if path and not (tmp_path / unquote(path)).exists()] == []
    assert paging.write_page(found).read_text(encoding="utf-8") == text


def test_without_matplotlib_it_has_its_tables(found, monkeypatch, told, tmp_path):
    monkeypatch.setattr(paging, "find_spec", lambda name: None)
    text = paging.write_page(found, tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<svg" not in text
    assert "It has no pictures, since matplotlib is not installed: pip install &#39;variegate[plot]&#39;." in text
    assert told == ["note: the page has no pictures; pip install 'variegate[plot]' and `--only correlate` draw them"]
    assert text.count("<table>") > 10


def test_a_value_that_a_run_lacks_is_a_dash(tmp_path, monkeypatch):
    from variegate.study.evaluation.settings import HeldOutLoss

    pretend.only_pretend(monkeypatch)

    def run(self, model, run, folder):
        found = pretend.loss(self, model, run, folder)
        if pretend.number(run) < 0.3:
            del found["values"]["heldout/macro"]
        return found

    monkeypatch.setattr(HeldOutLoss, "run", run)
    monkeypatch.setattr(HeldOutLoss, "optional", ("heldout/macro",))
    found = made(tmp_path, train={"seeds": [0, 1]}, measures={"variants": None})
    lacking = [one for one in found.finished if "heldout/macro" not in one.values]
    assert lacking
    text = found.page.read_text(encoding="utf-8")
    assert text.count('<td class="number">-</td></tr>') == len(lacking)
    assert f"runs: {len(lacking)} runs have no value for this" in text


def test_findings_are_plain_json(found):
    paths = sorted(found.folder.rglob("findings.json"))
    assert len(paths) == len(found.findings)
    for path in paths:
        one = json.loads(path.read_text(encoding="utf-8"), parse_constant=pytest.fail)
        assert one["runs"] == 28 and one["subsets"] == 14
