"""`aebench regress`: trains another revision and this one in turns, case by case, until each case has a verdict."""

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

from bench.console.output import make_console, say
from bench.datasets import find
from bench.errors import ExitCode, InvalidInput, describe_unknown, format_count
from bench.gate import environment, revision
from bench.gate.paired import BLOCKS, Incomparable, PairedExecutor, PairedRunFailed, Side, check_age
from bench.gate.report import GateReport, publish_report
from bench.gate.sequential import MINIMUM_EFFECT, MOST_DISCARDED, RiskPlan
from bench.gate.verdict import CaseResult, CaseVerdict, Figures, Trouble, judge_case, reduce_round, to_change
from bench.host import fingerprint, signals
from bench.host.signals import hold_signals
from bench.launch import ROOT
from bench.plan import catalog, profile
from bench.results.folder import ReportFolder
from bench.sweep.process import hide_folders
from bench.sweep.session import check_batches
from bench.worker.paired_protocol import Round

SENTINELS = ("basic", "convolutional", "deep")
"""One case per kind of limit: a step of `basic` is little more than Keras' dispatch, `convolutional` is arithmetic, and
`deep` with its six layers of small products lies in between. A slower loop, layer or optimizer shows in one of them.
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
    """A fraction: a slowdown below it does not count."""
    most_discarded: float = MOST_DISCARDED
    """Fraction of a case's blocks that noise may cost; a case that lost more is undecided."""
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


def regress(request: RegressRequest, console: Console | None = None) -> int:
    """Compare two revisions, print the verdicts and write them; returns the exit code.

    For the main thread. Raises `InvalidInput`.
    """
    console = console or make_console(_WIDE)
    _check_bounds(request)
    cases = _parse_cases(request.cases or SENTINELS)
    folder = ReportFolder.pick_empty(request.out, "regress")
    plan = RiskPlan(len(cases), request.minimum_effect, most_discarded=request.most_discarded)
    run = _GateRun(request, [_CaseProgress(case, plan) for case in cases], folder, console)
    with signals.catch_signals():
        try:
            with _prepare_sides(request, ROOT, console) as (base, candidate):
                run.measure(base, candidate)
                return publish_report(run.make_report(base.name, candidate.name), folder, console)
        except Incomparable as error:
            run.refuse(str(error))
            base_name = f"base {request.base}" if request.base else "the default base"
            return publish_report(run.make_report(base_name, "this code"), folder, console)
        except KeyboardInterrupt:
            say(console, "\nInterrupted.")
            return ExitCode.INTERRUPTED
        except OSError as error:
            say(console, f"\nStopped: {error.filename or folder.root}: {error.strerror or error}.")
            return ExitCode.FAILED


def _check_bounds(request: RegressRequest) -> None:
    """Refuse what is not a sensible number: with such a bound no verdict would mean anything."""
    if not 0 < request.minimum_effect < math.inf:
        raise InvalidInput(f"--minimum-effect takes percent above zero; got {100 * request.minimum_effect:g}.")
    if not 0 <= request.most_discarded <= 1:
        raise InvalidInput(f"--most-discarded takes percent from 0 to 100; got {100 * request.most_discarded:g}.")
    if request.budget_s is not None and not request.budget_s >= 0:
        raise InvalidInput(f"--budget takes minutes, zero or more; got {request.budget_s / 60:g}.")


# ----------------------------------------------------------------------------------------------------------- the cases


def _parse_cases(names: Sequence[str]) -> list[profile.Case]:
    cases = [parse_case(name) for name in names]
    if doubled := {case.case_id for case in cases if cases.count(case) > 1}:
        raise InvalidInput(f"--cases names some more than once: {', '.join(sorted(doubled))}.")
    check_batches(cases, profile.DATASET_SIZES[_DATASET][0])
    return cases


def parse_case(text: str) -> profile.Case:
    """The case that a name means, at the model's published batch size where it gives none. Raises `InvalidInput`."""
    named = _CASE.fullmatch(text)
    if named is None:
        raise InvalidInput(f"--cases takes MODEL, MODEL:LOOP or MODEL:LOOP:BATCH with commas between; got {text!r}.")
    model, loop, batch = named[1], named[2] or "fit", named[3]
    settings, loops = catalog.read_model_settings(), catalog.read_loop_backends()
    if model not in settings:
        raise InvalidInput(f"--cases: {describe_unknown('model', model, list(settings))}")
    if loop not in loops:
        raise InvalidInput(f"--cases: {describe_unknown('loop', loop, list(loops))}")
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


def format_case(case: profile.Case) -> str:
    """The case's name, MODEL:LOOP:BATCH."""
    return f"{case.model}:{case.loop}:{case.batch_size}"


# ------------------------------------------------------------------------------------------------------- the two sides


@contextmanager
def _prepare_sides(request: RegressRequest, root: Path, console: Console) -> Iterator[tuple[Side, Side]]:
    """Base and candidate; the base's code is in a worktree that is gone afterwards. Raises `Incomparable`."""
    base_python = _find_python("--base-python", request.base_python)
    candidate_python = _find_python("--candidate-python", request.candidate_python)
    state = fingerprint.read_git_state(root)
    candidate = Side(_name_candidate(state), root, candidate_python)
    if request.base is None and request.base_python is not None:
        yield Side(f"the same code under {hide_folders(request.base_python)}", root, base_python), candidate
        return
    found = revision.find_base(root, request.base)
    say(console, f"The base {revision.shorten(found.commit)} is {found.origin}.")
    with revision.check_out(root, found.commit) as place:
        base = Side(f"base {revision.shorten(found.commit)}", place, base_python)
        check_age(base)
        changed = revision.compare_dependencies(place, root, _BACKENDS)
        is_same_code = (state.commit, state.dirty, changed) == (found.commit, False, [])
        if is_same_code and base.python == candidate.python:
            raise Incomparable(
                f"{base.name} is the candidate itself, for HEAD is the same commit and nothing was changed since; "
                f"name another revision with --base, such as HEAD~1.{revision.explain_shallow(root)}"
            )
        if changed and request.base_python is None:
            say(console, f"{base.name} asks for other packages: {'; '.join(changed)}.")
            base = _give_own_environment(base, candidate, console)
        yield base, candidate


def _give_own_environment(base: Side, candidate: Side, console: Console) -> Side:
    """The base with an environment of the packages that it asks for. Raises `Incomparable`."""
    try:
        made = environment.prepare_environment(
            base.root, candidate.root, _BACKENDS, candidate.python, lambda line: say(console, line)
        )
    except environment.EnvironmentFailed as error:
        # The installer's last lines are only printed: they name folders, and a report is handed around.
        say(console, f"No environment for {base.name}: {error}")
        why = hide_folders(str(error).partition("\n")[0])
        raise Incomparable(
            f"{base.name} asks for other packages, and an environment with them could not be made ({why}); make one "
            "and name its interpreter with --base-python"
        ) from error
    say(console, f"{base.name} runs on {made.versions}, in an environment of its own.")
    return replace(base, name=f"{base.name} with {made.versions}", python=made.python)


def _find_python(flag: str, value: str | None) -> str:
    if value is None:
        return sys.executable
    found = shutil.which(value)
    if found is None:
        raise InvalidInput(f"{flag} takes a Python interpreter, such as .venv/bin/python; {value!r} does not run.")
    return str(Path(found).absolute())


def _name_candidate(state: fingerprint.GitState) -> str:
    if state.commit is None:
        return "this code"
    return f"candidate {revision.shorten(state.commit)}{' with changes' if state.dirty else ''}"


# ------------------------------------------------------------------------------------------------------------- the run


@dataclass
class _CaseProgress:
    """A case on its way to a verdict."""

    case: profile.Case
    plan: RiskPlan
    images: int | None = None
    """Training images per turn; None before the first round."""
    figures: list[Figures] = field(default_factory=list)
    """Of its rounds so far."""
    trouble: Trouble | None = None
    reason: str = ""
    """Why there is trouble, or why the case ended before a verdict."""

    @property
    def name(self) -> str:
        return format_case(self.case)

    @property
    def verdict(self) -> CaseVerdict:
        return judge_case(self.figures, self.plan)

    @property
    def is_open(self) -> bool:
        """Whether another round may bring a verdict."""
        return self.trouble is None and len(self.figures) < self.plan.looks[-1] and not self.verdict.is_decided

    def make_result(self) -> CaseResult:
        return CaseResult(self.name, self.verdict, len(self.figures), self.images, self.trouble, self.reason)


@dataclass
class _GateRun:
    """All cases of a run, each of which trains one round at a time."""

    request: RegressRequest
    cases: Sequence[_CaseProgress]
    folder: ReportFolder
    console: Console
    began: float | None = None
    stopped: str | None = None
    """Why the run ended before every case was decided."""
    ended: ExitCode | None = None
    """What the exit code is then, whatever the verdicts are."""

    @property
    def seconds(self) -> float:
        return 0.0 if self.began is None else time.monotonic() - self.began

    def measure(self, base: Side, candidate: Side) -> None:
        """Run rounds until every case has a verdict, the budget is used up, or the run is interrupted."""
        if sys.executable in {base.python, candidate.python}:
            fingerprint.check_backends(_BACKENDS)
        self.folder.logs.mkdir(parents=True, exist_ok=True)
        executor = PairedExecutor(
            base,
            candidate,
            self.folder.data,
            self.folder.logs,
            blocks=self.request.blocks,
            threads=self.request.threads,
            chance=random.Random(self.request.seed),
        )
        names = ", ".join(each.name for each in self.cases)
        say(self.console, f"Comparing {candidate.name} with {base.name}: {names}.")
        self.began = time.monotonic()
        try:
            with find.provide_npz(find.find_dataset(_DATASET), self.folder.data):
                self._run_rounds(executor)
        except KeyboardInterrupt:
            self.ended = ExitCode.INTERRUPTED
            self._stop("interrupted")
        except OSError as error:
            self.ended = ExitCode.FAILED
            file = Path(error.filename or self.folder.root).name
            self._stop(f"{file} could not be written ({error.strerror or error})")

    def refuse(self, reason: str) -> None:
        """Note that no case can be compared, and why."""
        self.folder.root.mkdir(parents=True, exist_ok=True)
        for each in self.cases:
            each.trouble, each.reason = "incomparable", reason.rstrip(".")

    def make_report(self, base: str, candidate: str) -> GateReport:
        """What is known by now, of sides with these names."""
        return GateReport(
            base=base,
            candidate=candidate,
            minimum_effect=self.request.minimum_effect,
            most_discarded=self.request.most_discarded,
            seconds=self.seconds,
            results=tuple(each.make_result() for each in self.cases),
            fail_undecided=self.request.fail_undecided,
            stopped=self.stopped,
            ended=self.ended,
        )

    def _run_rounds(self, executor: PairedExecutor) -> None:
        """Case by case, one round each, so that a noisy quarter of an hour does not hit one case alone."""
        longest, budget = 0.0, self.request.budget_s
        while open_cases := [each for each in self.cases if each.is_open]:
            for each in open_cases:
                if budget is not None and self.seconds + longest > budget:
                    self._stop(f"the budget of {format_count(budget / 60, 'minute')} has no room for another round")
                    return
                signals.raise_if_received()
                began = self.seconds
                self._run_round(executor, each)
                took = self.seconds - began
                self._print_round(each, took)
                longest = max(longest, took)

    def _stop(self, why: str) -> None:
        """Note why the run ends before every case is decided."""
        self.stopped = why
        for each in self.cases:
            if each.is_open:
                each.reason = why

    def _run_round(self, executor: PairedExecutor, progress: _CaseProgress) -> None:
        """One round of a case; if it fails, that ends this case alone."""
        case = progress.case
        try:
            if progress.images is None:
                _check_base_has(case, executor.base)
                progress.images = executor.choose_image_count(case)
            recorded = executor.run_round(case, progress.images, len(progress.figures) + 1)
        except Incomparable as error:
            progress.trouble, progress.reason = "incomparable", str(error).rstrip(".")
        except PairedRunFailed as error:
            # The log's last lines are only printed: they name folders, and a report is handed around.
            say(self.console, str(error))
            progress.trouble, progress.reason = "failed", hide_folders(str(error).partition("\n")[0])
        else:
            with hold_signals():
                progress.figures.append(reduce_round(recorded))
                self._write_round(progress, recorded)

    def _write_round(self, progress: _CaseProgress, recorded: Round) -> None:
        """Append the round to the folder's rounds. Raises `OSError`."""
        line = json.dumps({"case": progress.name, "images": progress.images, **asdict(recorded)}, allow_nan=False)
        with self.folder.rounds.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def _print_round(self, progress: _CaseProgress, seconds: float) -> None:
        if progress.trouble:
            say(self.console, f"{progress.name}: {progress.trouble}: {progress.reason}")
            return
        last = progress.figures[-1]
        change = "no figure" if last.wall is None else f"{to_change(last.wall):+.1%}"
        verdict = " and ".join(progress.verdict.verdicts)
        say(
            self.console,
            f"{progress.name}: round {len(progress.figures)} of at most {progress.plan.looks[-1]}, {seconds:.0f} s: "
            f"{change}, {last.kept} of {last.blocks} blocks kept; {verdict}",
        )


def _check_base_has(case: profile.Case, base: Side) -> None:
    """Raise `Incomparable` where the base lacks the case's model or loop."""
    for file in (catalog.locate_model_file(case.model, base.root), catalog.locate_loop_file(case.loop, base.root)):
        if not file.is_file():
            raise Incomparable(f"{base.name} has no {file.relative_to(base.root).as_posix()}")
