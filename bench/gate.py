"""What `aebench regress` does: another revision and this one in turns, case by case, until each has its verdict."""

import contextlib
import itertools
import json
import os
import random
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

import bench
from bench import catalog, data, interrupt, machine, regress, revision, spec
from bench.duel import Round
from bench.errors import InvalidInput
from bench.executors.pair import QUADS, Incomparable, PairExecutor, PairFailed, Side
from bench.folder import ReportFolder, write_whole
from bench.regress import CaseResult, CaseVerdict, Plan, Trouble
from bench.report import gates
from bench.report.files import write_json

SENTINELS = ("basic", "convolutional", "deep")
"""One case a kind of limit: a step of `basic` is little more than Keras' dispatch, `convolutional` is arithmetic, and
`deep` with its six layers of small products lies in between. What slows a loop, a layer or an optimizer down shows in
one of them.
"""
_INTERRUPTED = 130
_DATASET = "mnist-5k"
_REPORTS = Path("reports")
_WIDE = 200


@dataclass(frozen=True)
class Request:
    """What a person asked to be compared."""

    base: str | None = None
    """A revision; None for the merge base, or for this very code where there is another ``base_python``."""
    cases: Sequence[str] | None = None
    """MODEL, MODEL:LOOP or MODEL:LOOP:BATCH; None for the sentinels."""
    minimum_effect: float = regress.MINIMUM_EFFECT
    budget_s: float | None = None
    """Seconds after which no round is begun; None for no limit."""
    base_python: str | None = None
    candidate_python: str | None = None
    """Interpreters of other environments than this one."""
    quads: int = QUADS
    threads: int | None = None
    fail_undecided: bool = False
    out: Path | None = None
    seed: int | None = None
    """Of the quads' orders; None for another one each time."""


def gate(request: Request, console: Console | None = None) -> int:
    """Compare, write a report and print it; returns the exit code. For the main thread. Raises `InvalidInput`."""
    console = console or _console()
    cases = [_case(text) for text in (request.cases or SENTINELS)]
    if doubled := {case.case_id for case in cases if cases.count(case) > 1}:
        raise InvalidInput(f"--cases names some more than once: {', '.join(sorted(doubled))}.")
    root = Path(bench.__file__).resolve().parent.parent
    folder = _folder(request)
    with interrupt.listening():
        try:
            with _sides(request, root) as (base, candidate):
                return _compared(request, cases, (base, candidate), folder, console)
        except Incomparable as error:
            return _refused(request, cases, folder, console, str(error).rstrip("."))
        except KeyboardInterrupt:
            _say(console, "\nInterrupted.")
            return _INTERRUPTED


def _case(text: str) -> spec.Case:
    """A case from its name, at the model's published batch size where it names none."""
    model, loop, batch = [*text.split(":"), "", ""][:3]
    settings, loops = catalog.model_settings(), catalog.loop_backends()
    loop = loop or "fit"
    if text.count(":") > 2 or (batch and not batch.isdecimal()) or batch == "0":
        raise InvalidInput(f"--cases takes MODEL, MODEL:LOOP or MODEL:LOOP:BATCH with commas between; got {text!r}.")
    if model not in settings:
        raise InvalidInput(f"--cases: {spec.unknown('model', model, list(settings))}")
    if loop not in loops:
        raise InvalidInput(f"--cases: {spec.unknown('loop', loop, list(loops))}")
    return spec.Case(
        model=model,
        backend="tensorflow",
        loop=loop,
        precision="float32",
        optimizer="adam",
        learning_rate=spec.LEARNING_RATES["adam"],
        batch_size=int(batch or settings[model].batch_size),
        dataset=_DATASET,
        seed=0,
        repeat=0,
        marks=(1,),
    )


def _refused(request: Request, cases: Sequence[spec.Case], folder: ReportFolder, console: Console, reason: str) -> int:
    """Report that nothing was measured, and why."""
    folder.root.mkdir(parents=True, exist_ok=True)
    plan = Plan(len(cases), request.minimum_effect)
    courses = [_Course(case, plan, trouble="incomparable", reason=reason) for case in cases]
    found = gates.Gate(
        base=f"base {request.base or 'by default'}",
        candidate="this code",
        minimum_effect=request.minimum_effect,
        seconds=0.0,
        results=tuple(course.result() for course in courses),
    )
    return _reported(found, folder, console)


# ------------------------------------------------------------------------------------------------------- the two sides


@contextmanager
def _sides(request: Request, root: Path) -> Iterator[tuple[Side, Side]]:
    """Base and candidate, the base's code in a worktree that is gone afterwards."""
    base_python = _python("--base-python", request.base_python)
    candidate = Side(
        f"the candidate, {_described(root)}", root, _python("--candidate-python", request.candidate_python)
    )
    if request.base is None and request.base_python is not None:
        yield Side(f"the same code under {request.base_python}", root, base_python), candidate
        return
    commit = revision.resolve(root, request.base)
    with revision.checked_out(root, commit) as place:
        changed = revision.changed_dependencies(place, root)
        if changed and request.base_python is None:
            raise Incomparable(
                f"base {revision.short(commit)} asks for other dependencies ({'; '.join(changed)}), and an environment "
                "of its own is not made yet; install it into one and name that with --base-python."
            )
        yield Side(f"base {revision.short(commit)}", place, base_python), candidate


def _python(flag: str, value: str | None) -> str:
    if value is None:
        return sys.executable
    found = shutil.which(value)
    if found is None:
        raise InvalidInput(f"{flag} takes a Python interpreter, such as .venv/bin/python; {value!r} is none that runs.")
    return str(Path(found).absolute())


def _described(root: Path) -> str:
    commit, dirty = machine.git_state(root)
    return "this code" if commit is None else revision.short(commit) + (" with changes" if dirty else "")


# ------------------------------------------------------------------------------------------------------------- the run


@dataclass
class _Course:
    """A case on its way to a verdict."""

    case: spec.Case
    plan: Plan
    digits: int | None = None
    rounds: list[Round] = field(default_factory=list)
    trouble: Trouble | None = None
    reason: str = ""

    @property
    def name(self) -> str:
        return f"{self.case.model}:{self.case.loop}:{self.case.batch_size}"

    @property
    def verdict(self) -> CaseVerdict:
        return regress.judge(self.rounds, self.plan)

    @property
    def open(self) -> bool:
        """Whether another round may bring a verdict."""
        return self.trouble is None and len(self.rounds) < self.plan.looks[-1] and not self.verdict.decided

    def result(self) -> CaseResult:
        return CaseResult(self.name, self.verdict, len(self.rounds), self.digits, self.trouble, self.reason)


@dataclass
class _Run:
    """All cases, taken in turns."""

    executor: PairExecutor
    courses: Sequence[_Course]
    folder: ReportFolder
    console: Console
    budget_s: float | None
    began: float = field(default_factory=time.monotonic)
    stopped: str | None = None

    def carry_out(self) -> None:
        """Round by round, each case one at a time, so that a bad quarter of an hour does not hit one case alone."""
        longest = 0.0
        while open_ones := [course for course in self.courses if course.open]:
            for course in open_ones:
                if self.budget_s is not None and self.seconds + longest > self.budget_s:
                    self._stop(f"the budget of {self.budget_s / 60:.3g} minutes has no room for another round")
                    return
                began = self.seconds
                self._advance(course)
                longest = max(longest, self.seconds - began)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    def _stop(self, why: str) -> None:
        self.stopped = why
        for course in self.courses:
            if course.open:
                course.reason = f"{why}: {len(course.rounds)} of {course.plan.looks[-1]} rounds"

    def _advance(self, course: _Course) -> None:
        """One round of a case; what goes wrong ends this case alone."""
        began = self.seconds
        try:
            self._check_model(course)
            if course.digits is None:
                course.digits = self.executor.digits(course.case)
            recorded = self.executor.round(course.case, course.digits, len(course.rounds) + 1)
        except Incomparable as error:
            course.trouble, course.reason = "incomparable", str(error).rstrip(".")
        except PairFailed as error:
            # The log's last lines are for this person's eyes: they name folders, and a report is handed around.
            _say(self.console, str(error))
            course.trouble, course.reason = "failed", str(error).partition("\n")[0]
        else:
            course.rounds.append(recorded)
            self._keep(course, recorded)
        self._tell(course, self.seconds - began)

    def _check_model(self, course: _Course) -> None:
        file = Path("models", f"{course.case.model}.py")
        if not (self.executor.base.root / file).is_file():
            raise Incomparable(f"{self.executor.base.name} has no {file.as_posix()}")

    def _keep(self, course: _Course, recorded: Round) -> None:
        line = json.dumps({"case": course.name, "digits": course.digits, **asdict(recorded)}, allow_nan=False)
        with self.folder.rounds.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def _tell(self, course: _Course, seconds: float) -> None:
        if course.trouble:
            _say(self.console, f"{course.name}: {course.trouble}: {course.reason}")
            return
        last = regress.figures(course.rounds[-1])
        change = "no figure" if last.wall is None else f"{regress.share(last.wall):+.1%}"
        verdict = " and ".join(course.verdict.verdicts)
        _say(
            self.console,
            f"{course.name}: round {len(course.rounds)} of at most {course.plan.looks[-1]}, {seconds:.0f} s: {change}, "
            f"{last.kept} of {last.quads} quads kept; {verdict}",
        )


def _compared(
    request: Request, cases: Sequence[spec.Case], sides: tuple[Side, Side], folder: ReportFolder, console: Console
) -> int:
    if sys.executable in {side.python for side in sides}:
        machine.check_backends(("tensorflow",))
    base, candidate = sides
    folder.logs.mkdir(parents=True, exist_ok=True)
    data.prepare(data.find(_DATASET), folder.data)
    plan = Plan(len(cases), request.minimum_effect)
    executor = PairExecutor(
        base,
        candidate,
        folder.data,
        folder.logs,
        quads=request.quads,
        threads=request.threads,
        chance=random.Random(request.seed),
    )
    courses = [_Course(case, plan) for case in cases]
    run = _Run(executor, courses, folder, console, request.budget_s)
    _say(console, f"{candidate.name}, against {base.name}: {', '.join(course.name for course in courses)}.")
    interrupted = False
    try:
        run.carry_out()
    except KeyboardInterrupt:
        run.stopped, interrupted = "interrupted", True
    finally:
        with contextlib.suppress(OSError):
            folder.data.unlink(missing_ok=True)
    found = gates.Gate(
        base=base.name,
        candidate=candidate.name,
        minimum_effect=request.minimum_effect,
        seconds=run.seconds,
        results=tuple(course.result() for course in courses),
        fail_undecided=request.fail_undecided,
        interrupted=interrupted,
        stopped=run.stopped,
    )
    return _reported(found, folder, console)


def _reported(found: gates.Gate, folder: ReportFolder, console: Console) -> int:
    """Write the report, print it, tell CI; returns the exit code."""
    write_json(folder.status, gates.status(found))
    write_whole(folder.report, gates.markdown(found))
    write_whole(folder.junit, gates.junit(found))
    _say(console, "")
    console.print(gates.table(found).rich())
    for line in gates.reasons(found):
        _say(console, line)
    if found.stopped:
        _say(console, f"Stopped early: {found.stopped}.")
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        with contextlib.suppress(OSError), Path(summary).open("a", encoding="utf-8") as file:
            file.write(gates.markdown(found))
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for line in gates.annotations(found):
            _say(console, line)
    _say(console, f"\nReport: {folder.report}")
    return found.exit_code


def _folder(request: Request) -> ReportFolder:
    """A folder that nothing is in."""
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    names = itertools.chain([now], (f"{now}-{number}" for number in itertools.count(2)))
    free = (_REPORTS / f"{name}-regress" for name in names)
    folder = request.out or next(path for path in free if not path.exists())
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InvalidInput(f"--out {folder} is there already; name a folder that is not, or is empty.")
    return ReportFolder(folder)


def _console() -> Console:
    """Standard output; where it is no terminal, wide enough for the table."""
    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, _WIDE)
    return console


def _say(console: Console, text: str) -> None:
    """Print text as it is: no markup, no colours, lines not broken."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)
