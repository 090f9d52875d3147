# /// script
# requires-python = ">=3.11"
# dependencies = ["nox>=2025.2.9"]
# ///
"""The project's jobs: `nox -s NAME -- ARGS`."""

from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["bench"]
nox.options.error_on_external_run = True

PROJECT = nox.project.load_toml("pyproject.toml")
GROUPS = PROJECT["dependency-groups"]
UNTYPED = ("keras", "memory-profiler", "mlxtend", "tensorflow")
CODE = ("bench", "models", "tests", "noxfile.py")


@nox.session
def bench(session: nox.Session) -> None:
    """Run a sweep on this machine; ARGS go to `aebench run`."""
    session.install("-e", ".")
    session.run(
        "aebench",
        "run",
        *session.posargs,
        env={"AEBENCH_COMMAND": "python3 -m nox -s bench --"},
        # Ctrl-C reaches the sweep too; nox would kill it within half a second, before it has written its report.
        interrupt_timeout=120.0,
        terminate_timeout=30.0,
    )


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests; ARGS go to pytest (`tests/unit` for those that need no TensorFlow)."""
    session.install("-e", ".", *GROUPS["tests"])
    session.run("pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, format and the direction of imports."""
    session.install(*GROUPS["lint"])
    session.run("ruff", "check", *CODE)
    session.run("ruff", "format", "--check", *CODE)
    session.run("lint-imports", env={"PYTHONPATH": "."})


@nox.session
def typecheck(session: nox.Session) -> None:
    """Check types, strictly; Keras and TensorFlow carry none and are not needed."""
    typed = [name for name in PROJECT["project"]["dependencies"] if not name.startswith(UNTYPED)]
    session.install(*typed, *GROUPS["tests"], *GROUPS["typecheck"])
    session.run("mypy", *session.posargs)


@nox.session
def micro(session: nox.Session) -> None:
    """Time single steps and the harness' own hot paths with pytest-benchmark; ARGS go to pytest."""
    session.install("-e", ".", *GROUPS["tests"])
    session.run("pytest", "tests/benchmarks", "--benchmark-only", "--benchmark-autosave", *session.posargs)


@nox.session
def validate(session: nox.Session) -> None:
    """Hold the measurements against known truth; ARGS name subjects: memory, time, bare, repeat."""
    session.install("-e", ".")
    session.run("python", "tests/validation", *session.posargs)


@nox.session
def columns(session: nox.Session) -> None:
    """Write reports/COLUMNS.md from the row types."""
    session.install("-e", ".")
    text = session.run("python", "-m", "bench.report.columns", silent=True)
    Path("reports/COLUMNS.md").write_text(str(text), encoding="utf-8")


if __name__ == "__main__":
    nox.main()
