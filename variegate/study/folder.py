"""The folder of a study: what lies where, and what is proof that a stage is done."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from variegate.errors import DataError
from variegate.storage import as_json, whole_file

__all__ = ["RunFolder", "StudyFolder", "SubsetFolder", "clear_leftovers", "leftovers", "read_json", "write_json"]

# A model on its way out; the ending is that of what a training clears away before it begins.
GONE = ".gone.model"
# What a write or a training that was killed leaves behind: the names of `variegate.storage`, and of a training's scratch.
LEFT = re.compile(r"\.\d+\.\w+\..+|\.scratch\..+\.model|\.gone\.model|\.job\.json|\.result\.json")


def leftovers(folder: Path) -> list[Path]:
    """Return what calls that were killed left in a folder and below it, and what calls at work are writing."""
    return [one for one in folder.rglob(".*") if LEFT.fullmatch(one.name)] if folder.is_dir() else []


def clear_leftovers(folder: Path) -> None:
    """Remove what calls that were killed left in a folder and below it; nobody else may be writing there."""
    for path in leftovers(folder):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write an object whole or not at all; a number that JSON has no word for is spelled, as in "inf"."""
    with whole_file(path) as temporary:
        temporary.write_text(as_json(value, indent=1), encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """Read an object that :func:`write_json` wrote.

    Raises:
        DataError: it is damaged.
    """
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error}). Remove it, and the study makes it once more.") from None
    return found


class StudyFolder:
    """The folder of a study.

    Attributes:
        path: where it is.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def make(self) -> None:
        """Create it, with its rooms."""
        if self.path.exists() and not self.path.is_dir():
            raise DataError(f"{self.path}: is a file. Name a folder for the study.")
        for room in ("subsets", "runs", "tables"):
            try:
                (self.path / room).mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise DataError(f"{self.path / room}: cannot be created ({error.strerror}).") from None

    def subset(self, name: str) -> SubsetFolder:
        """Return the folder of a subset."""
        return SubsetFolder(self.path / "subsets" / name)

    def run(self, name: str) -> RunFolder:
        """Return the folder of a run."""
        return RunFolder(self.path / "runs" / name)

    @property
    def tables(self) -> Path:
        """Where results lie."""
        return self.path / "tables"


class SubsetFolder:
    """The folder of a subset: its rows, how they were chosen, what was measured on them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = path / "rows.parquet"
        self.record = path / "subset.json"

    @property
    def done(self) -> bool:
        """Whether its rows are chosen."""
        return self.record.exists()

    def measures(self, name: str) -> Path:
        """Return where measurements lie."""
        return self.path / "measures" / f"{name}.json"


class RunFolder:
    """The folder of a run: its model, how it was trained, what was evaluated."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.settings = path / "settings.json"
        self.model = path / "model"
        self.training = path / "training.json"

    @property
    def trained(self) -> bool:
        """Whether the model is trained, and is still there."""
        return self.training.exists() and self.model.is_dir()

    def evaluation(self, name: str) -> Path:
        """Return where an evaluation lies."""
        return self.path / "evaluations" / f"{name}.json"

    def remove_model(self) -> None:
        """Remove the model: at once, so that a kill leaves no part of it, which would be taken for the model."""
        gone = self.path / GONE
        shutil.rmtree(gone, ignore_errors=True)
        if self.model.is_dir():
            self.model.rename(gone)
            shutil.rmtree(gone, ignore_errors=True)
