"""What `aebench regress` does: another revision and this one in turns, case by case, until each has its verdict."""

import json
import math
import random
import re
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from rich.console import Console

from bench.console.output import output, say
from bench.datasets import find
from bench.errors import ExitCode, InvalidInput, unknown
from bench.gate import environment, report, revision
from bench.gate.paired import BLOCKS, Incomparable, PairedExecutor, PairedRunFailed, Side
from bench.gate.sequential import MINIMUM_EFFECT, MOST_DISCARDED, Plan
from bench.gate.verdict import (
    CaseResult,
    CaseVerdict,
    Figures,
    Trouble,
    judge,
    reduce_round,
    share,
)
from bench.host import fingerprint, signals
from bench.host.signals import hold_signals
from bench.launch import ROOT
from bench.plan import catalog, profile
from bench.results.folder import ReportFolder
from bench.sweep.process import hide_folders
from bench.sweep.session import check_batches
from bench.worker.paired_protocol import Round

SENTINELS = ("basic", "convolutional", "deep")
"""One case a kind of limit: a step of `basic` is little more than Keras' dispatch, `convolutional` is arithmetic, and
`deep` with its six layers of small products lies in between. What slows a loop, a layer or an optimizer down shows in
one of them.
"""
_DATASET = "mnist-5k"
_BACKENDS = (catalog.DEFAULT_BACKEND,)
"""What the cases train on: the extras that an environment needs."""
_CASE = re.compile(r"([^:]*)(?::([^:]*)(?::([1-9][0-9]{0,8}))?)?")
_WIDE = 200


@dataclass(frozen=True)
class RegressRequest:
    """What a person asked to be compared."""

    base: str | None = None
    """A revision; None for the merge base, or for this very code where there is another ``base_python``."""
    cases: Sequence[str] | None = None
    """MODEL, MODEL:LOOP or MODEL:LOOP:BATCH; None for the sentinels."""
    minimum_effect: float = MINIMUM_EFFECT
    """As a share: a slowdown below it does not count."""
    most_discarded: float = MOST_DISCARDED
    """As a share: of a case's blocks, what noise may cost before the case is undecided."""
    budget_s: float | None = None
    """Seconds after which no round is begun; None for no limit."""
    base_python: str | None = None
    candidate_python: str | None = None
    """Interpreters of other environments than this one."""
    blocks: int = BLOCKS
    threads: int | None = None
    fail_undecided: bool = False
    out: Path | None = None
    seed: int | None = None
    """Of the blocks' orders; None for another one each time."""


def gate(request: RegressRequest, console: Console | None = None) -> int:
    """Compare, print a report and write it; returns the exit code. For the main thread. Raises `InvalidInput`."""
    console = console or output(_WIDE)
    _check_bounds(request)
    cases = _cases(request.cases or SENTINELS)
    folder = ReportFolder.pick_empty(request.out, "regress")
    with signals.catch_signals():
        try:
            with _sides(request, ROOT, console) as (base, candidate):
                return _compared(request, cases, (base, candidate), folder, console)
        except Incomparable as error:
            return _refused(request, cases, folder, console, str(error).rstrip("."))
        except KeyboardInterrupt:
            say(console, "\nInterrupted.")
            return ExitCode.INTERRUPTED
        except OSError as error:
            say(console, f"\nStopped: {error.filename or folder.root}: {error.strerror or error}.")
            return ExitCode.FAILED


def _check_bounds(request: RegressRequest) -> None:
    """No comparison holds of what is no number: every verdict would be as good as any other."""
    if not 0 < request.minimum_effect < math.inf:
        raise InvalidInput(f"--minimum-effect takes percent above zero; got {100 * request.minimum_effect:g}.")
    if not 0 <= request.most_discarded <= 1:
        raise InvalidInput(f"--most-discarded takes percent from 0 to 100; got {100 * request.most_discarded:g}.")
    if request.budget_s is not None and not request.budget_s >= 0:
        raise InvalidInput(f"--budget takes minutes, zero or more; got {request.budget_s / 60:g}.")


def _cases(names: Sequence[str]) -> list[profile.Case]:
    cases = [named_case(name) for name in names]
    if doubled := {case.case_id for case in cases if cases.count(case) > 1}:
        raise InvalidInput(f"--cases names some more than once: {', '.join(sorted(doubled))}.")
    check_batches(cases, profile.DATASET_SIZES[_DATASET][0])
    return cases


def name_of(case: profile.Case) -> str:
    """MODEL:LOOP:BATCH."""
    return f"{case.model}:{case.loop}:{case.batch_size}"


def named_case(text: str) -> profile.Case:
    """A case from its name, at the model's published batch size where it names none. Raises `InvalidInput`."""
    named = _CASE.fullmatch(text)
    if named is None:
        raise InvalidInput(f"--cases takes MODEL, MODEL:LOOP or MODEL:LOOP:BATCH with commas between; got {text!r}.")
    model, loop, batch = named[1], named[2] or "fit", named[3]
    settings, loops = catalog.model_settings(), catalog.loop_backends()
    if model not in settings:
        raise InvalidInput(f"--cases: {unknown('model', model, list(settings))}")
    if loop not in loops:
        raise InvalidInput(f"--cases: {unknown('loop', loop, list(loops))}")
    return profile.Case(
        model=model,
        backend=_BACKENDS[0],
        loop=loop,
        precision="float32",
        optimizer="adam",
        learning_rate=profile.LEARNING_RATES["adam"],
        batch_size=int(batch or settings[model].batch_size),
        dataset=_DATASET,
        seed=0,
        repeat=0,
        checkpoints=(1,),
    )


def _refused(
    request: RegressRequest, cases: Sequence[profile.Case], folder: ReportFolder, console: Console, reason: str
) -> int:
    """Report that nothing was measured, and why."""
    folder.root.mkdir(parents=True, exist_ok=True)
    plan = Plan(len(cases), request.minimum_effect)
    courses = [_Course(case, plan, trouble="incomparable", reason=reason) for case in cases]
    found = report.Gate(
        base=f"base {request.base or 'by default'}",
        candidate="this code",
        minimum_effect=request.minimum_effect,
        most_discarded=request.most_discarded,
        seconds=0.0,
        results=tuple(course.result() for course in courses),
    )
    return report.publish(found, folder, console)


# ------------------------------------------------------------------------------------------------------- the two sides


@contextmanager
def _sides(request: RegressRequest, root: Path, console: Console) -> Iterator[tuple[Side, Side]]:
    """Base and candidate, the base's code in a worktree that is gone afterwards. Raises `Incomparable`."""
    base_python = _python("--base-python", request.base_python)
    candidate = Side(
        f"the candidate, {_described(root)}", root, _python("--candidate-python", request.candidate_python)
    )
    if request.base is None and request.base_python is not None:
        yield Side(f"the same code under {hide_folders(request.base_python)}", root, base_python), candidate
        return
    commit = revision.resolve(root, request.base)
    with revision.checked_out(root, commit) as place:
        base = Side(f"base {revision.short(commit)}", place, base_python)
        changed = revision.changed_dependencies(place, root, _BACKENDS)
        if changed and request.base_python is None:
            say(console, f"{base.name} asks for other packages: {'; '.join(changed)}.")
            base = _in_its_own_environment(base, candidate, console)
        yield base, candidate


def _in_its_own_environment(base: Side, candidate: Side, console: Console) -> Side:
    """The base on what it asks for. Raises `Incomparable`."""
    try:
        made = environment.prepared(
            base.root, candidate.root, _BACKENDS, candidate.python, lambda line: say(console, line)
        )
    except environment.NotMade as error:
        # The installer's last lines are for this person's eyes: they name folders, and a report is handed around.
        say(console, f"No environment for {base.name}: {error}")
        why = hide_folders(str(error).partition("\n")[0])
        raise Incomparable(
            f"{base.name} asks for other packages, and an environment with them could not be made ({why}); make one "
            "and name it with --base-python"
        ) from error
    say(console, f"{base.name} runs on {made.versions}, in an environment of its own.")
    return replace(base, name=f"{base.name} with {made.versions}", python=made.python)


def _python(flag: str, value: str | None) -> str:
    if value is None:
        return sys.executable
    found = shutil.which(value)
    if found is None:
        raise InvalidInput(f"{flag} takes a Python interpreter, such as .venv/bin/python; {value!r} is none that runs.")
    return str(Path(found).absolute())


def _described(root: Path) -> str:
    commit, dirty = fingerprint.read_git_state(root)
    return "this code" if commit is None else revision.short(commit) + (" with changes" if dirty else "")


# ------------------------------------------------------------------------------------------------------------- the run


@dataclass
class _Course:
    """A case on its way to a verdict."""

    case: profile.Case
    plan: Plan
    images: int | None = None
    figures: list[Figures] = field(default_factory=list)
    """Of its rounds so far."""
    trouble: Trouble | None = None
    reason: str = ""

    @property
    def name(self) -> str:
        return name_of(self.case)

    @property
    def verdict(self) -> CaseVerdict:
        return judge(self.figures, self.plan)

    @property
    def open(self) -> bool:
        """Whether another round may bring a verdict."""
        return self.trouble is None and len(self.figures) < self.plan.looks[-1] and not self.verdict.decided

    def result(self) -> CaseResult:
        return CaseResult(self.name, self.verdict, len(self.figures), self.images, self.trouble, self.reason)


@dataclass
class _Run:
    """All cases, taken in turns."""

    executor: PairedExecutor
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
                    self.stop(f"the budget of {self.budget_s / 60:.3g} minutes has no room for another round")
                    return
                signals.check()
                began = self.seconds
                self._advance(course)
                longest = max(longest, self.seconds - began)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    def stop(self, why: str) -> None:
        """Note why the run ends before every case is decided."""
        self.stopped = why
        for course in self.courses:
            if course.open:
                course.reason = f"{why}: {len(course.figures)} of {course.plan.looks[-1]} rounds"

    def _advance(self, course: _Course) -> None:
        """One round of a case; what goes wrong ends this case alone."""
        began = self.seconds
        try:
            if course.images is None:
                self._check_base(course.case)
                course.images = self.executor.images(course.case)
            recorded = self.executor.round(course.case, course.images, len(course.figures) + 1)
        except Incomparable as error:
            course.trouble, course.reason = "incomparable", str(error).rstrip(".")
        except PairedRunFailed as error:
            # The log's last lines are for this person's eyes: they name folders, and a report is handed around.
            say(self.console, str(error))
            course.trouble, course.reason = "failed", hide_folders(str(error).partition("\n")[0])
        else:
            with hold_signals():
                course.figures.append(reduce_round(recorded))
                self._keep(course, recorded)
        self._tell(course, self.seconds - began)

    def _check_base(self, case: profile.Case) -> None:
        """Raise `Incomparable` where the base has not what the case trains."""
        root = self.executor.base.root
        for file in (catalog.model_file(case.model, root), catalog.loop_file(case.loop, root)):
            if not file.is_file():
                raise Incomparable(f"{self.executor.base.name} has no {file.relative_to(root).as_posix()}")

    def _keep(self, course: _Course, recorded: Round) -> None:
        """Append the round to the folder's. Raises `OSError`."""
        line = json.dumps({"case": course.name, "images": course.images, **asdict(recorded)}, allow_nan=False)
        with self.folder.rounds.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def _tell(self, course: _Course, seconds: float) -> None:
        if course.trouble:
            say(self.console, f"{course.name}: {course.trouble}: {course.reason}")
            return
        last = course.figures[-1]
        change = "no figure" if last.wall is None else f"{share(last.wall):+.1%}"
        verdict = " and ".join(course.verdict.verdicts)
        say(
            self.console,
            f"{course.name}: round {len(course.figures)} of at most {course.plan.looks[-1]}, {seconds:.0f} s: "
            f"{change}, {last.kept} of {last.blocks} blocks kept; {verdict}",
        )


def _compared(
    request: RegressRequest,
    cases: Sequence[profile.Case],
    sides: tuple[Side, Side],
    folder: ReportFolder,
    console: Console,
) -> int:
    if sys.executable in {side.python for side in sides}:
        fingerprint.check_backends(_BACKENDS)
    base, candidate = sides
    folder.logs.mkdir(parents=True, exist_ok=True)
    plan = Plan(len(cases), request.minimum_effect, most_discarded=request.most_discarded)
    executor = PairedExecutor(
        base,
        candidate,
        folder.data,
        folder.logs,
        blocks=request.blocks,
        threads=request.threads,
        chance=random.Random(request.seed),
    )
    courses = [_Course(case, plan) for case in cases]
    run = _Run(executor, courses, folder, console, request.budget_s)
    say(console, f"{candidate.name}, against {base.name}: {', '.join(course.name for course in courses)}.")
    ended = None
    try:
        with find.provide_npz(find.find_dataset(_DATASET), folder.data):
            run.carry_out()
    except KeyboardInterrupt:
        ended = ExitCode.INTERRUPTED
        run.stop("interrupted")
    except OSError as error:
        ended = ExitCode.FAILED
        run.stop(f"the disk refused {Path(error.filename or folder.root).name} ({error.strerror or error})")
    found = report.Gate(
        base=base.name,
        candidate=candidate.name,
        minimum_effect=request.minimum_effect,
        most_discarded=request.most_discarded,
        seconds=run.seconds,
        results=tuple(course.result() for course in courses),
        fail_undecided=request.fail_undecided,
        stopped=run.stopped,
        ended=ended,
    )
    return report.publish(found, folder, console)
