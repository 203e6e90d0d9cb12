"""The matrix of versions: every Python, the newest and the oldest dependencies, and a plain install without extras.

`make test-matrix` runs what is installed here; `nox --list` shows the sessions, `nox -s oldest` runs one. Interpreters
that are missing are passed over, and named.
"""

from __future__ import annotations

from pathlib import Path

import nox

PYTHONS = ["3.10", "3.11", "3.12", "3.13", "3.14"]
# The oldest of everything runs on the oldest Python alone: later ones have no builds of it.
OLDEST, USUAL = PYTHONS[0], "3.11"
EXTRAS = nox.project.load_toml("pyproject.toml")["project"]["optional-dependencies"]

nox.options.sessions = ["newest", "oldest", "plain"]


def tests(session: nox.Session) -> None:
    """Run all tests; what a session leaves out is skipped by the tests that need it."""
    session.run("python", "-m", "pip", "list", silent=False)
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session(python=PYTHONS)
def newest(session: nox.Session) -> None:
    """The newest version of every dependency, all extras."""
    session.install("--upgrade", "-c", "constraints.txt", "-r", "requirements-dev.txt", "-e", ".")
    tests(session)


@nox.session(python=OLDEST)
def oldest(session: nox.Session) -> None:
    """The oldest version of every dependency that pyproject.toml and requirements-dev.txt admit, all extras."""
    session.install("uv")
    versions = Path(session.create_tmp()) / "oldest.txt"
    extras = [word for extra in EXTRAS for word in ("--extra", extra)]
    session.run(
        *("uv", "pip", "compile", "--quiet", "--resolution", "lowest-direct", "--python-version", OLDEST, *extras),
        *("pyproject.toml", "requirements-dev.txt", "-o", str(versions)),
    )
    session.install("-r", str(versions))
    session.install("--no-deps", "-e", ".")
    # Old packages warn of what newer ones beside them have deprecated; here it counts that they work.
    session.env["PYTEST_ADDOPTS"] = "-W default"
    tests(session)


@nox.session(python=USUAL)
def plain(session: nox.Session) -> None:
    """What `pip install variegate` brings, and pytest: tests that need an extra skip, saying so."""
    session.install("--upgrade", "-e", ".", "pytest")
    tests(session)
