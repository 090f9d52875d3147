# /// script
# requires-python = ">=3.11"
# dependencies = ["nox>=2025.2.9"]
# ///
"""The project's jobs: `nox -s NAME -- ARGS`."""

import json
import os
import re
import shlex
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

ROOT = Path(__file__).resolve().parent
"""Where nox runs every session, wherever the person stands."""
PROJECT = nox.project.load_toml("pyproject.toml")
GROUPS = PROJECT["dependency-groups"]
EXTRAS = PROJECT["project"]["optional-dependencies"]
"""Each Keras backend is an extra of the same name; `fleet` is Dask."""
SIZES = {
    "keras": "aebench with Keras and what draws its report, 0.1 GB to download and 0.5 GB on the disk",
    "tensorflow": "TensorFlow, 0.6 GB to download and 2 GB on the disk",
    "jax": "JAX, 0.1 GB to download and 0.4 GB on the disk",
    "torch": "PyTorch, several GB on Linux, where CUDA comes with it",
}
"""What is installed, by the package that shows whether it was, on x86-64 Linux."""
LOCK = ".ci/requirements.txt"
"""Pinned versions and hashes of all that CI's sessions install; `nox -s lock` renews it."""
TOOLS = ".ci/tools.txt"
"""The same of what runs the sessions."""
LOCKED_EXTRAS = ("tensorflow", "jax", "fleet")
LOCKED_GROUPS = ("build", "lint", "tests", "typecheck")
UNTYPED = ("keras", "memory-profiler", "mlxtend")
TAKES_NO_PATH = ("-k", "-m", "-n", "-W", "-p")
"""Flags of pytest and mypy before a word that may be called like a folder, and is none."""
IN_PARALLEL = ("-n", "2", "--dist", "loadfile", "--no-loadscope-reorder")
"""Most tests wait for imports, which take one core. A file stays with one process: its fixtures are costly."""
CODE = ("aebench", "bench", "models", "tests", "noxfile.py")


def wanted_backends(arguments: Sequence[str]) -> tuple[str, ...]:
    """The backends that `aebench run` needs for these arguments; none where nothing is run.

    They are those of the flag, else of the sweep that is resumed, else of the profile, else TensorFlow. A file that
    cannot be read names none: `aebench run` says what is wrong with it, and need not wait for an installation.
    """
    if {"--plan", "--help", "-h"} & set(arguments):
        return ()
    flag = _option(arguments, "--backends")
    names = _profile_backends(arguments) if flag is None else [name.strip() for name in flag.split(",")]
    return tuple(name for name in EXTRAS if name in names)


def _option(arguments: Sequence[str], flag: str) -> str | None:
    """The last value of a flag, given as `--flag VALUE` or `--flag=VALUE`."""
    words = [part for word in arguments for part in (word.split("=", 1) if word.startswith(f"{flag}=") else [word])]
    return next((value for word, value in reversed(list(pairwise(words))) if word == flag), None)


def _profile_backends(arguments: Sequence[str]) -> Sequence[str]:
    profile, out = _option(arguments, "--profile"), _option(arguments, "--out")
    try:
        if "--resume" in arguments and profile is None and out is not None:
            with Path(out, "journal.jsonl").open("rb") as journal:
                fields: dict[str, Any] = json.loads(journal.readline(1 << 26))["profile"]
        else:
            file = profile or "quick"
            path = Path(file) if file.endswith(".toml") else ROOT / "bench/plan/profiles" / f"{file}.toml"
            fields = tomllib.loads(path.read_text(encoding="utf-8"))
        return [str(name) for name in fields.get("backends", ["tensorflow"])]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ()


def _with(*extras: str) -> str:
    """The project with those extras, for pip."""
    return f".[{','.join(extras)}]" if extras else "."


def install(session: nox.Session, *packages: str, extras: Sequence[str] | None = None) -> None:
    """Install packages, and the project with those extras unless None.

    With AEBENCH_LOCKED set, as CI sets it, only the lock's versions are installed, and only files with the lock's
    hashes; the project itself is then built with the lock's tools.
    """
    if extras is not None:
        announce(session, extras)
    if not os.environ.get("AEBENCH_LOCKED"):
        session.install(*([] if extras is None else ["-e", _with(*extras)]), *packages)
        return
    of_extras = [each for extra in extras or () for each in EXTRAS[extra]]
    own = [] if extras is None else [*PROJECT["project"]["dependencies"], *of_extras, *GROUPS["build"]]
    session.install("--require-hashes", "--constraint", LOCK, *locked([*own, *packages]))
    if extras is not None:
        session.install("--no-deps", "--no-build-isolation", "-e", ".")


def announce(session: nox.Session, extras: Sequence[str]) -> None:
    """Say what will be installed and how large it is, where it is not there yet: pip says nothing for minutes."""
    place = getattr(session.virtualenv, "location", None)  # none with --no-venv
    missing = find_missing(Path(place), extras) if place else []
    if missing:
        sizes = "; ".join(SIZES[each] for each in missing)
        session.log(f"Installing once into {place}, which takes minutes: {sizes}.")


def find_missing(environment: Path, extras: Sequence[str]) -> list[str]:
    """Of Keras and the backends, those that are wanted and that an environment does not have."""
    folders = [*environment.glob("lib/python*/site-packages"), *environment.glob("Lib/site-packages")]
    wanted = ["keras", *(extra for extra in extras if extra in SIZES)]
    return [name for name in wanted if not any((folder / name).is_dir() for folder in folders)]


def locked(packages: Sequence[str]) -> list[str]:
    """The lock's lines for those packages; raises KeyError for a package that it does not have."""
    pins: dict[str, list[str]] = {}
    for line in Path(LOCK).read_text(encoding="utf-8").splitlines():
        if "==" in line and not line.startswith((" ", "#")):
            pins.setdefault(_name(line), []).append(line.removesuffix("\\").strip())
    return [pin for name in dict.fromkeys(map(_name, packages)) for pin in pins[name]]


def _name(requirement: str) -> str:
    """A requirement's package, in the normalised spelling."""
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    return re.sub(r"[-_.]+", "-", found[0]).lower() if found else requirement


def run_aebench(session: nox.Session, command: str, **options: Any) -> None:
    """Run a command of aebench with ARGS, from where the person stands, so that paths mean what they mean there."""
    with session.chdir(session.invoked_from):
        session.run("aebench", command, *session.posargs, **options)


def resolve(session: nox.Session) -> list[str]:
    """ARGS for a tool that runs at the root: what is a file or a folder where the person stands is named in full."""
    here = Path(session.invoked_from)
    if here == ROOT:
        return session.posargs
    return [
        word if before in TAKES_NO_PATH else name_in_full(word, here)
        for before, word in pairwise(["", *session.posargs])
    ]


def name_in_full(word: str, here: Path) -> str:
    """A word for a tool, with the file or folder that it names from ``here`` (`x`, `x::test`, `--flag=x`) in full."""
    flag, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
    file, colons, test = value.partition("::")
    place = f"{here / file}" if file and (here / file).exists() else file
    return f"{flag}{equals}{place}{colons}{test}"


@nox.session
def bench(session: nox.Session) -> None:
    """Run a sweep on this machine; ARGS go to `aebench run`, and the backends that they name are installed."""
    measure(session, "run")


@nox.session
def advise(session: nox.Session) -> None:
    """Find what to add to a script to train faster here; ARGS go to `aebench advise`."""
    measure(session, "advise")


def measure(session: nox.Session, command: str) -> None:
    """Run a command that runs a sweep, with the backends that ARGS name."""
    with session.chdir(session.invoked_from):
        backends = wanted_backends(session.posargs)
    install(session, extras=backends)
    elsewhere = "" if Path(session.invoked_from) == ROOT else f"-f {shlex.quote(str(ROOT / 'noxfile.py'))} "
    run_aebench(
        session,
        command,
        env={"AEBENCH_COMMAND": f"python3 -m nox {elsewhere}-s bench --"},
        # Ctrl-C reaches the sweep too; nox would kill it within half a second, before it has written its report.
        interrupt_timeout=120.0,
        terminate_timeout=30.0,
    )


@nox.session
def compare(session: nox.Session) -> None:
    """Compare machines from their reports; ARGS go to `aebench compare`."""
    install(session, extras=())
    run_aebench(session, "compare")


@nox.session
def regress(session: nox.Session) -> None:
    """Compare this code with another revision, both training in turns; ARGS go to `aebench regress`."""
    install(session, extras=("tensorflow",))
    run_aebench(session, "regress", interrupt_timeout=120.0, terminate_timeout=30.0)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests; ARGS go to pytest (`tests/unit` for those that need no TensorFlow)."""
    install(session, *GROUPS["tests"], *GROUPS["build"], extras=("tensorflow", "jax", "fleet"))
    session.run("pytest", *IN_PARALLEL, *resolve(session))


@nox.session
def long(session: nox.Session) -> None:
    """Run all tests, those that take minutes too, and try 10,000 broken files per reader; ARGS go to pytest."""
    install(session, *GROUPS["tests"], *GROUPS["build"], extras=("tensorflow", "jax", "fleet"))
    session.run("pytest", "-m", "long or not long", *resolve(session), env={"AEBENCH_EXAMPLES": "10000"})


@nox.session(python="3.11")
def lowest(session: nox.Session) -> None:
    """Run the unit tests on the oldest Python and the oldest packages that pyproject.toml allows; ARGS go to pytest."""
    session.install("uv")  # pip takes the newest packages
    oldest = ("uv", "pip", "install", "--resolution", "lowest-direct", "-e", ".")
    session.run(*oldest, *GROUPS["tests"], *GROUPS["build"])
    # Old packages are warned by newer ones that they depend on.
    session.run("pytest", "-W", "default", *(resolve(session) or ["tests/unit"]))


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
    session.run("mypy", *resolve(session))


@nox.session
def micro(session: nox.Session) -> None:
    """Time single steps and the harness' own hot paths with pytest-benchmark; ARGS go to pytest."""
    install(session, *GROUPS["tests"], extras=("tensorflow",))
    session.run("pytest", "tests/benchmarks", "--benchmark-only", "--benchmark-autosave", *resolve(session))


@nox.session
def validate(session: nox.Session) -> None:
    """Compare with known truth; ARGS: memory, time, bare, repeat, loops, gate, next, advice, fleet, scale."""
    install(session, extras=("tensorflow", "fleet"))
    session.run("python", "tests/validation", *session.posargs)


@nox.session
def build(session: nox.Session) -> None:
    """Build the wheel and the source distribution into dist/."""
    install(session, *GROUPS["build"])
    session.run("python", "-m", "hatchling", "build", "--clean")


@nox.session
def columns(session: nox.Session) -> None:
    """Write reports/COLUMNS.md from the row types."""
    install(session, extras=())
    text = session.run("python", "-m", "bench.results.data_dictionary", silent=True)
    Path("reports/COLUMNS.md").write_text(str(text), encoding="utf-8")


@nox.session
def reference(session: nox.Session) -> None:
    """Check README's figures against the reference reports; ARGS: check, answers, or keep DIR WHAT."""
    install(session, extras=())
    session.run("python", "-m", "bench.reference", *(resolve(session) or ["check"]))


@nox.session
def leaderboard(session: nox.Session) -> None:
    """Write docs/leaderboard.md: the machines of all reference reports, compared."""
    install(session, extras=())
    session.run("python", "-m", "bench.reference", "leaderboard")


@nox.session
def fuzz(session: nox.Session) -> None:
    """Search the readers of others' files for crashes, guided by coverage; ARGS: seconds for each, or readers."""
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
    answer = Path(session.create_tmp(), "audit.json").resolve()
    answer.unlink(missing_ok=True)
    options = ("--disable-pip", "--require-hashes", "--requirement", LOCK, "--progress-spinner", "off")
    session.run("pip-audit", *options, "--format", "json", "--output", str(answer), success_codes=[0, 1])
    if not answer.exists():
        session.error("pip-audit got no answer: nothing was audited. Is its vulnerability service reachable?")
    packages = json.loads(answer.read_text(encoding="utf-8"))["dependencies"]
    unknown = [package["name"] for package in packages if "skip_reason" in package]
    vulnerable = [f"{package['name']} {package['version']}" for package in packages if package.get("vulns")]
    session.log(f"{len(packages) - len(unknown)} of {len(packages)} packages were audited")
    if vulnerable:
        session.error(f"known vulnerabilities in {', '.join(vulnerable)}; {answer} has them")
    if unknown:
        named = "any package" if len(unknown) == len(packages) else ", ".join(unknown)
        session.error(f"there are no advisories for {named}; the index in use may have none")


if __name__ == "__main__":
    nox.main()
