"""Rules of the house that a machine can keep: who imports whom, sizes, docs, the sample."""

from __future__ import annotations

import ast
import collections
import graphlib
import json
import re
import subprocess
import sys

import pytest
import yaml

import variegate as vg
from tests.conftest import ROOT, SAMPLE

MODULES = sorted((ROOT / "variegate").rglob("*.py"))
CODE = sorted(
    path for folder in ("variegate", "tests", "docs", "benchmarks", "examples") for path in (ROOT / folder).rglob("*.py")
)

# A layer may import those to its right, and itself. `errors`, `storage` and `progress` are below everything.
LAYERS = [
    "cli",
    "study",
    "report export",
    "diagnosing",
    "metrics strategies",
    "loading using viewing",
    "corpus",
    "views",
    "data",
    "geometry",
    "storage",
    "progress",
    "choices ragged",
    "errors _version",
]


def layer_of(module: str) -> int:
    name = module.split(".")[1] if "." in module else ""
    return next(at for at, names in enumerate(LAYERS) if name in names.split())


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "variegate":
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.split(".")[0] == "variegate")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_layers(path):
    own = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    if own in ("variegate.__init__", "variegate.__main__"):
        return
    for other in imports_of(path):
        assert other != "variegate", "nothing imports the package root"
        assert layer_of(own) <= layer_of(other), f"{own} must not import {other}"
        pair = {own.split(".")[1], other.split(".")[1]}
        assert pair != {"metrics", "strategies"}, "metrics and strategies never import each other"


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_stay_small(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_functions_stay_small(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno is not None
            docstring = ast.get_docstring(node)
            length = node.end_lineno - node.lineno + 1 - len((docstring or "").splitlines())
            assert length <= 75, f"{node.name} has {length} lines"


def test_the_package_says_that_it_is_typed():
    assert (ROOT / "variegate" / "py.typed").is_file()


def test_workflows_run_what_there_is():
    """Sessions of nox, targets of make, scripts and Pythons that exist."""
    sessions = set(re.findall(r"^def (\w+)\(session", (ROOT / "noxfile.py").read_text(encoding="utf-8"), flags=re.MULTILINE)) - {
        "tests"
    }
    noxfile = (ROOT / "noxfile.py").read_text(encoding="utf-8")
    pythons = re.search(r"PYTHONS = \[(.*?)\]", noxfile)
    assert pythons
    known = sessions | {f"newest-{python}" for python in re.findall(r"[\d.]+", pythons[1])}
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    workflows = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    assert {path.stem for path in workflows} >= {"release"}
    for path in workflows:
        workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert workflow["permissions"] == {"contents": "read"}, path.name
        for job in workflow["jobs"].values():
            assert job["timeout-minutes"] <= 90
            matrix = job.get("strategy", {}).get("matrix", {})
            for row in matrix.get("include", []):
                assert row["session"] in known, row
            for python in matrix.get("python", []):
                assert f"newest-{python}" in known
            for step in job["steps"]:
                for target in re.findall(r"\bmake ([\w-]+)", step.get("run", "")):
                    assert target in targets
    declared = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert {f"newest-{python}" for python in declared} == known - sessions


def opens_text(call: ast.Call) -> bool:
    """Whether a call opens text, of a file or of a stream of bytes."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name == "open":
        modes = [one.value for one in [*call.args, *(word.value for word in call.keywords)] if isinstance(one, ast.Constant)]
        of = call.func.value if isinstance(call.func, ast.Attribute) else None
        return getattr(of, "id", "") != "os" and not any(re.fullmatch("[rwax](b[+]?|[+]b)", str(mode)) for mode in modes)
    return name in ("read_text", "write_text", "TextIOWrapper")


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(ROOT)))
def test_text_is_opened_in_an_encoding_that_is_named(path):
    """Without one, it is the machine's: a page with an umlaut then cannot be read where that is ASCII."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and opens_text(node):
            assert "encoding" in {word.arg for word in node.keywords}, f"line {node.lineno}"


@pytest.mark.parametrize("path", sorted((ROOT / "tests").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_an_error_that_is_expected_is_told_from_others_by_its_text(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.raises":
            assert "match" in {word.arg for word in node.keywords}, f"line {node.lineno}"


def test_public_names_are_few_and_real():
    assert len(vg.__all__) - 1 <= 20, "besides __version__"
    for name in vg.__all__:
        assert getattr(vg, name) is not None
        # A module of that name would take its place in the package, as soon as anybody imports it.
        assert not list((ROOT / "variegate").glob(f"{name}.py")), name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        vg.nothing  # noqa: B018


def test_docs_are_up_to_date():
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "refresh.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_readme_runs():
    block = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    assert block
    scope: dict[str, object] = {}
    exec(block[1].replace('"pool.jsonl"', repr(str(SAMPLE))).replace("1000", "100"), scope)


def test_the_sample_is_what_the_readme_says():
    rows = [json.loads(line) for line in SAMPLE.read_text(encoding="utf-8").splitlines()]
    assert len({row["id"] for row in rows}) == len(rows) == 400
    assert len({row["domain"] for row in rows}) >= 12
    assert len({row["language"] for row in rows}) >= 10
    assert sum(len(row["messages"]) > 3 for row in rows) >= 40
    planted = collections.Counter(row["planted"].split(" of ")[0] for row in rows if "planted" in row)
    assert planted == {"exact copy": 8, "one-word variant": 16, "redundant cluster": 28}


def test_the_default_selection_keeps_no_copy_of_a_row_that_it_has():
    corpus = vg.load(SAMPLE)
    rows = corpus.rows()
    chosen = {rows[index]["id"]: rows[index] for index in vg.select(corpus, 100).indices}
    copies = [
        row for row in chosen.values() if " copy of " in f" {row.get('planted', '')}" or "variant of" in row.get("planted", "")
    ]
    assert all(row["planted"].rsplit(" ", 1)[1] not in chosen for row in copies)
    assert sum(row.get("planted") == "redundant cluster" for row in chosen.values()) < 10


def test_the_page_about_metrics_has_a_word_on_each():
    page = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    by_metric = page[page.index("## Metric by metric") :]
    for name in [*vg.METRICS, "embedding_distance"]:
        assert re.search(rf"`{name}`", by_metric), name


@pytest.mark.parametrize(
    "page",
    [
        "CONTRIBUTING.md",
        "SECURITY.md",
        "README.md",
        "CHANGELOG.md",
        *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
    ],
)
def test_pointers_lead_somewhere(page):
    """Files that a page names in backquotes with a folder before them, and files that it links to."""
    text = re.sub(r"```.*?```", "", (ROOT / page).read_text(encoding="utf-8"), flags=re.DOTALL)
    named = re.findall(r"`((?:variegate|tests|docs|examples|benchmarks)/[\w/.-]+\.(?:py|md|yaml|yml|jsonl|csv|svg))`", text)
    for name in named:
        assert (ROOT / name).exists(), f"{page} names {name}, which is not there"
    for link in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", text):
        assert ((ROOT / page).parent / link).exists(), f"{page} links to {link}, which is not there"


def test_no_file_imports_itself_by_way_of_others():
    """Imports inside functions count: they only hide a circle."""
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in MODULES}
    imports: dict[str, set[str]] = {name: set() for name in names}
    for name, path in names.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module in names:
                parts = {f"{node.module}.{one.name}" for one in node.names}
                found = {part if part in names else node.module for part in parts}
                imports[name] |= found - {name}
    order = graphlib.TopologicalSorter(imports)
    try:
        order.prepare()
    except graphlib.CycleError as error:
        pytest.fail(f"a circle of imports: {' -> '.join(error.args[1])}")
