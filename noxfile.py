# /// script
# requires-python = ">=3.11"
# dependencies = ["nox>=2025.2.9"]
# ///
"""The project's jobs: `nox -s NAME -- ARGS`."""

import json
import os
import re
import tomllib
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["bench"]
nox.options.error_on_external_run = True

PROJECT = nox.project.load_toml("pyproject.toml")
GROUPS = PROJECT["dependency-groups"]
LOCK = ".ci/requirements.txt"
"""Pinned versions and hashes of all that CI's sessions install; `nox -s lock` renews it."""
TOOLS = ".ci/tools.txt"
"""The same of what runs the sessions."""
LOCKED_EXTRAS = ("tensorflow", "jax")
LOCKED_GROUPS = ("build", "lint", "tests", "typecheck")
BACKENDS = ("tensorflow", "jax", "torch")
"""Keras backends, each an extra of the same name."""
UNTYPED = ("keras", "memory-profiler", "mlxtend")
CODE = ("bench", "models", "tests", "noxfile.py")


def wanted_backends(arguments: Sequence[str]) -> tuple[str, ...]:
    """The backends that `aebench run` needs for these arguments: those of the flag, else of the sweep that is resumed,
    else of the profile, else TensorFlow; none where nothing is run.

    What cannot be read names none: `aebench run` says what is wrong with it, and need not wait for an installation.
    """
    if {"--plan", "--help"} & set(arguments):
        return ()
    named = _option(arguments, "--backends")
    names = named.split(",") if named is not None else _of_the_sweep(arguments)
    return tuple(name for name in BACKENDS if name in [name.strip() for name in names])


def _option(arguments: Sequence[str], flag: str) -> str | None:
    """What stands last for a flag, as `--flag VALUE` or `--flag=VALUE`."""
    words = [part for word in arguments for part in (word.split("=", 1) if word.startswith(f"{flag}=") else [word])]
    return next((value for word, value in reversed(list(pairwise(words))) if word == flag), None)


def _of_the_sweep(arguments: Sequence[str]) -> Sequence[str]:
    profile, out = _option(arguments, "--profile"), _option(arguments, "--out")
    try:
        if "--resume" in arguments and profile is None and out is not None:
            with Path(out, "journal.jsonl").open("rb") as journal:
                fields: dict[str, Any] = json.loads(journal.readline(1 << 26))["profile"]
        else:
            file = profile or "quick"
            path = Path(file) if file.endswith(".toml") else Path("bench/plan/profiles") / f"{file}.toml"
            fields = tomllib.loads(path.read_text(encoding="utf-8"))
        return [str(name) for name in fields.get("backends", BACKENDS[:1])]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ()


def _with(*extras: str) -> str:
    """The project with those extras, for pip."""
    return f".[{','.join(extras)}]" if extras else "."


def install(session: nox.Session, *packages: str, extras: Sequence[str] | None = None) -> None:
    """Install packages, and the project with those extras unless None.

    With AEBENCH_LOCKED set, as CI sets it, nothing but the lock's versions is installed, each file held against its
    hash; the project itself is then built with the lock's tools.
    """
    if not os.environ.get("AEBENCH_LOCKED"):
        session.install(*([] if extras is None else ["-e", _with(*extras)]), *packages)
        return
    optional = PROJECT["project"]["optional-dependencies"]
    of_extras = [each for extra in extras or () for each in optional[extra]]
    own = [] if extras is None else [*PROJECT["project"]["dependencies"], *of_extras, *GROUPS["build"]]
    session.install("--require-hashes", "--constraint", LOCK, *locked([*own, *packages]))
    if extras is not None:
        session.install("--no-deps", "--no-build-isolation", "-e", ".")


def locked(packages: Sequence[str]) -> list[str]:
    """The lock's requirements for those packages, in its own words; raises KeyError where it has none for one."""
    pins: dict[str, list[str]] = {}
    for line in Path(LOCK).read_text(encoding="utf-8").splitlines():
        if "==" in line and not line.startswith((" ", "#")):
            pins.setdefault(_name(line), []).append(line.removesuffix("\\").strip())
    return [pin for name in dict.fromkeys(map(_name, packages)) for pin in pins[name]]


def _name(requirement: str) -> str:
    """A requirement's package, as indexes spell it."""
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    return re.sub(r"[-_.]+", "-", found[0]).lower() if found else requirement


@nox.session
def bench(session: nox.Session) -> None:
    """Run a sweep on this machine; ARGS go to `aebench run`, and the backends that they name are installed."""
    install(session, extras=wanted_backends(session.posargs))
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
def compare(session: nox.Session) -> None:
    """Compare machines from their reports; ARGS go to `aebench compare`."""
    install(session, extras=())
    session.run("aebench", "compare", *session.posargs)


@nox.session
def regress(session: nox.Session) -> None:
    """Hold this code against another revision, in turns; ARGS go to `aebench regress`."""
    install(session, extras=("tensorflow",))
    session.run("aebench", "regress", *session.posargs, interrupt_timeout=120.0, terminate_timeout=30.0)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests; ARGS go to pytest (`tests/unit` for those that need no TensorFlow)."""
    install(session, *GROUPS["tests"], extras=("tensorflow", "jax"))
    session.run("pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style, format and the direction of imports."""
    install(session, *GROUPS["lint"])
    session.run("ruff", "check", *CODE)
    session.run("ruff", "format", "--check", *CODE)
    session.run("lint-imports", env={"PYTHONPATH": "."})


@nox.session
def typecheck(session: nox.Session) -> None:
    """Check types, strictly; Keras and its backends carry none and are not needed."""
    typed = [name for name in PROJECT["project"]["dependencies"] if not name.startswith(UNTYPED)]
    install(session, *typed, *GROUPS["tests"], *GROUPS["typecheck"])
    session.run("mypy", *session.posargs)


@nox.session
def micro(session: nox.Session) -> None:
    """Time single steps and the harness' own hot paths with pytest-benchmark; ARGS go to pytest."""
    install(session, *GROUPS["tests"], extras=("tensorflow",))
    session.run("pytest", "tests/benchmarks", "--benchmark-only", "--benchmark-autosave", *session.posargs)


@nox.session
def validate(session: nox.Session) -> None:
    """Hold the measurements against known truth; ARGS name subjects: memory, time, bare, repeat, loops, gate."""
    install(session, extras=("tensorflow",))
    session.run("python", "tests/validation", *session.posargs)


@nox.session
def faults(session: nox.Session) -> None:
    """Disturb sweeps for some ten minutes: kills at random instants, full disks, broken files; ARGS go to pytest."""
    install(session, *GROUPS["tests"], extras=("tensorflow",))
    many = {"AEBENCH_EXAMPLES": "10000"}
    session.run("pytest", "tests/faults", "-m", "long or not long", *session.posargs, env=many)


@nox.session
def columns(session: nox.Session) -> None:
    """Write reports/COLUMNS.md from the row types."""
    install(session, extras=())
    text = session.run("python", "-m", "bench.results.data_dictionary", silent=True)
    Path("reports/COLUMNS.md").write_text(str(text), encoding="utf-8")


@nox.session
def fuzz(session: nox.Session) -> None:
    """Search the readers of strangers' files for crashes, guided by coverage; ARGS: seconds for each, or readers."""
    install(session, extras=())
    session.install(*GROUPS["tests"], *GROUPS["fuzz"])  # atheris has wheels for Linux alone
    session.run("python", "tests/faults/fuzz", *session.posargs)


@nox.session
def lock(session: nox.Session) -> None:
    """Renew the locks: the newest versions that fit together, with the hashes of their files."""
    session.install(*GROUPS["tools"])
    how = ("--universal", "--python-version", "3.11", "--generate-hashes", "--upgrade", "--quiet")
    bare = ("--no-emit-index-url", "--no-emit-find-links", "--no-annotate", "--no-header")
    extras = [word for extra in LOCKED_EXTRAS for word in ("--extra", extra)]
    groups = [word for group in LOCKED_GROUPS for word in ("--group", group)]
    for file, what in ((LOCK, ("pyproject.toml", *extras, *groups)), (TOOLS, ("--group", "tools"))):
        session.run("uv", "pip", "compile", *what, *how, *bare, "--output-file", file)


@nox.session
def audit(session: nox.Session) -> None:
    """Ask PyPI's advisories about every package of the lock; fails where one is vulnerable or none could be asked."""
    session.install(*GROUPS["audit"])
    told = Path(session.create_tmp(), "audit.json").resolve()
    told.unlink(missing_ok=True)
    asked = ("--disable-pip", "--require-hashes", "--requirement", LOCK, "--progress-spinner", "off")
    session.run("pip-audit", *asked, "--format", "json", "--output", str(told), success_codes=[0, 1])
    if not told.exists():
        session.error("pip-audit got no answer: nothing was audited. Is its vulnerability service reachable?")
    packages = json.loads(told.read_text(encoding="utf-8"))["dependencies"]
    unknown = [package["name"] for package in packages if "skip_reason" in package]
    vulnerable = [f"{package['name']} {package['version']}" for package in packages if package.get("vulns")]
    session.log(f"{len(packages) - len(unknown)} of {len(packages)} packages were audited")
    if vulnerable:
        session.error(f"known vulnerabilities in {', '.join(vulnerable)}; {told} has them")
    if unknown:
        named = "any package" if len(unknown) == len(packages) else ", ".join(unknown)
        session.error(f"no advisories could be had for {named}; the index in use may carry none")


if __name__ == "__main__":
    nox.main()
