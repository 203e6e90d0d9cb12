"""What a call of a study has come to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from variegate.study.analyse import Findings
from variegate.study.plan import Study
from variegate.study.results import Finished

__all__ = ["Conducted"]


@dataclass(frozen=True)
class Conducted:
    """What a call of :func:`conduct` has come to.

    Attributes:
        study: as its file says.
        folder: where everything lies.
        finished: runs that are done, of this call and earlier ones.
        planned: runs in all.
        findings: by amount of data and family of tests; empty before there is something to compare.
        failures: what failed, and why; it is tried again by the next call.
        page: where the page is; None without findings.
    """

    study: Study
    folder: Path
    finished: Sequence[Finished]
    planned: int
    findings: Sequence[Findings] = ()
    failures: Sequence[tuple[str, str]] = field(default=())
    page: Path | None = None
