"""An executor that trains nothing and returns declared outcomes, and factories for what it works on."""

import functools
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.datasets.files import LabelledImages
from bench.datasets.find import Dataset
from bench.host.fingerprint import Fingerprint
from bench.host.noise import Interval
from bench.host.reference_kernels import KernelRates
from bench.plan.profile import Case, Profile
from bench.report.files import write_tables
from bench.results import journal, rows
from bench.results.folder import ReportFolder
from bench.results.journal_lines import Outcome, SweepHeader
from bench.results.schema import ResultRow
from bench.sweep.executor import Listener
from bench.worker.protocol import CheckpointEvent, EpochEvent, EvaluationEvent, PhaseEvent, SetupEvent

QUIET = Interval(
    seconds=1.0,
    cores=2,
    steal_percent=0.0,
    own_cores=1.4,
    other_cores=0.01,
    cpu_pressure_percent=10.0,
    memory_pressure_percent=0.0,
    io_pressure_percent=0.0,
    involuntary_per_s=900.0,
    voluntary_per_s=900.0,
    major_faults=0,
    minor_faults=10,
    mhz=2600.0,
    load=1.0,
)
"""A quiet epoch."""
NOISY = replace(QUIET, other_cores=1.0, cpu_pressure_percent=60.0)
"""An epoch beside a program that takes a core."""
KERNEL_RATES = KernelRates(threads=2, gflop_per_s=90.0, gflop_per_s_median=80.0, gb_per_s=20.0, gb_per_s_median=18.0)
"""What the reference kernels reach."""
INEXACT = 0.1 + 0.2
"""0.30000000000000004: a number that no rounding leaves as it is."""


def fingerprint(**changes: Any) -> Fingerprint:
    fields: dict[str, Any] = {
        "cpu_model": "Scripted CPU",
        "cpu_arch": "x86_64",
        "cores_logical": 2,
        "cpu_limit": 2.0,
        "ram_mib": 8192,
        "os": "Debian GNU/Linux 12",
        "kernel": "6.1.0",
        "python": "CPython 3.12.1",
        "keras": "3.13.2",
        "tensorflow": "2.20.0",
        "aebench": "0.1.0",
    }
    return Fingerprint(**fields | changes)


def profile(**changes: Any) -> Profile:
    """Two models, a run of two checkpoints each."""
    fields: dict[str, Any] = {"name": "scripted", "models": ("basic", "deep"), "epochs": (1, 4), "batch_sizes": (4,)}
    return Profile(**fields | changes)


def header(**changes: Any) -> SweepHeader:
    fields: dict[str, Any] = {
        "profile": profile(),
        "dataset_digest": "d" * 64,
        "dataset_genuine": True,
        "dataset_origin": "made up",
        "train_samples": 40,
        "val_samples": 10,
        "machine_id": "ma1b2c3d4",
        "environment_id": "ea1b2c3d4",
        "fingerprint": fingerprint(),
        "git_commit": "0123456789abcdef",
        "git_dirty": False,
        "created_at": "2026-01-02T03:04:05+00:00",
    }
    fields |= changes
    return SweepHeader(**{"cases": tuple(fields["profile"].list_cases()), **fields})


def case(**changes: Any) -> Case:
    fields: dict[str, Any] = {
        "model": "basic",
        "backend": "tensorflow",
        "loop": "fit",
        "precision": "float32",
        "optimizer": "adam",
        "learning_rate": 0.001,
        "batch_size": 4,
        "dataset": "mnist-5k",
        "seed": 0,
        "repeat": 0,
        "checkpoints": (1, 4),
    }
    return Case(**fields | changes)


def strange_case(**changes: Any) -> Case:
    """One whose names no journal may hold: what draws it must not rely on that."""
    return case().model_copy(update=changes)


def epoch(number: int, **changes: Any) -> EpochEvent:
    """The first takes 2.5 seconds, the others a little more than 0.3."""
    fields: dict[str, Any] = {
        "epoch": number,
        "train_s": 2.5 if number == 1 else INEXACT + number / 1000,
        "val_s": 0.05,
        "callback_s": 0.001,
        "harness_s": 0.002,
        "between_s": 0.001,
        "cpu_s": 0.5,
        "train_loss": INEXACT / number,
        "val_loss": 0.4 / number,
        "rss_mib": 500.0 + number,
        "noise": QUIET,
    }
    return EpochEvent(**fields | changes)


def phase(name: Any, seconds: float = 1.0, peak_mib: float | None = 300.0) -> PhaseEvent:
    return PhaseEvent(name=name, seconds=seconds, peak_mib=peak_mib, rss_mib=290.0, anon_mib=200.0, file_mib=90.0)


def checkpoint(epochs: int) -> CheckpointEvent:
    training = ("first_epoch", "val") if epochs == 1 else ("first_epoch", "train", "val")
    return CheckpointEvent(
        epochs=epochs,
        at_s=11.0 + epochs,
        wall_s=10.0 + epochs,
        cpu_s=12.0 + epochs,
        peak_rss_mib=600.0 + epochs,
        peak_anon_mib=400.0,
        peak_gpu_mib=None,
        peak_gpu_used_mib=None,
        threads_alive=10,
        phases=tuple(phase(name, peak_mib=600.0 + epochs) for name in training),
    )


def evaluation(epochs: int, **changes: Any) -> EvaluationEvent:
    fields: dict[str, Any] = {
        "epochs": epochs,
        "val_bce": 0.2 / epochs,
        "code_mean": 7.5,
        "code_units": 32,
        "dead_units": 3,
    }
    return EvaluationEvent(**fields | changes)


SETUP = SetupEvent(params=50_992, peak_rss_method="VmHWM", intra_threads=None, inter_threads=None)
PHASES = (phase("interpreter", 0.1), phase("import", 4.0), phase("data", 0.2), phase("build", 0.7))


def outcome(of: Case | None = None, *, reached: int | None = None, **changes: Any) -> Outcome:
    """How a case ended; ``reached`` is its last whole epoch, all of them if not given."""
    of = of or case()
    last = of.run_epochs if reached is None else reached
    whole = last == of.run_epochs
    fields: dict[str, Any] = {
        "case": of,
        "status": "ok" if whole else "failed",
        "error": None if whole else "ValueError: scripted",
        "exit_code": 0 if whole else 1,
        "log_tail": None if whole else "Traceback (most recent call last):\nValueError: scripted",
        "started_at": "2026-01-02T03:04:06+00:00",
        "duration_s": 20.0,
        "setup": SETUP,
        "phases": PHASES,
        "epochs": tuple(map(epoch, range(1, last + 1))),
        "checkpoints": tuple(checkpoint(epochs) for epochs in of.checkpoints if epochs <= last),
        "evaluations": tuple(map(evaluation, of.checkpoints)) if whole else (),
    }
    return Outcome(**fields | changes)


def result_row(**changes: Any) -> ResultRow:
    """The row of a well-ended case's last checkpoint, with some columns changed."""
    return ResultRow(**_well_ended() | changes)


def times(seconds: float | None, reach: float = 1.02, error: float = 0.0025) -> dict[str, float | None]:
    """The five columns of time of a row that no noise slowed down: its interval reaches ``reach`` times up and down."""
    if seconds is None:
        return dict.fromkeys(("epoch_s_median", "epoch_s_quiet", "epoch_s_low", "epoch_s_high", "epoch_s_error"))
    return {
        "epoch_s_median": seconds,
        "epoch_s_quiet": seconds,
        "epoch_s_low": seconds / reach,
        "epoch_s_high": seconds * reach,
        "epoch_s_error": error,
    }


@functools.cache
def _well_ended() -> dict[str, Any]:
    return rows.make_result_rows(outcome(), header())[-1].model_dump()


def written_report(root: Path, outcomes: Iterable[Outcome], begun: SweepHeader | None = None) -> ReportFolder:
    """A new folder with a journal and the CSV files."""
    folder, begun, ended = ReportFolder(root), begun or header(), list(outcomes)
    root.mkdir(parents=True)
    with journal.open_writer(folder, begun) as writer:
        for each in ended:
            writer.append(each)
    write_tables(folder, ended, begun)
    return folder


def dataset(**changes: Any) -> Dataset:
    """Forty black images to train on, ten to validate."""
    pixels, labels = np.zeros((50, 28, 28), np.uint8), np.zeros(50, np.uint8)
    fields: dict[str, Any] = {
        "name": "mnist-5k",
        "digest": "d" * 64,
        "train_samples": 40,
        "val_samples": 10,
        "genuine": True,
        "origin": "made up",
        "images": LabelledImages(pixels[:40], labels[:40], pixels[40:], labels[40:]),
    }
    return Dataset(**fields | changes)


@dataclass
class Script:
    """What is to happen to each case, and what has happened. It names a case by its model, and "basic repeat 2"."""

    endings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What `outcome` gets for a case, or for all cases of a model; all others end well."""
    interrupt_at: str | None = None
    """The case during which Ctrl-C is pressed."""
    stop_at: str | None = None
    """The case before which the executor ends early."""
    seen: Iterator[Interval] = field(default_factory=lambda: itertools.repeat(QUIET))
    """What each look at the machine sees."""
    now: float = 1000.0
    """The sweep's clock, in seconds: it goes on with each case, and with each look at the machine."""
    dataset: Dataset = field(default_factory=dataset)
    fingerprint: Fingerprint = field(default_factory=fingerprint)
    ran: list[str] = field(default_factory=list)
    """The cases that were begun, in order."""

    def executor(
        self,
        folder: ReportFolder,
        timeout_s: float | None = None,
        stall_s: float | None = None,
    ) -> "ScriptedExecutor":
        """Take the place of `LocalExecutor`."""
        return ScriptedExecutor(self, folder, timeout_s, stall_s)

    def observe(self, seconds: float) -> Interval:
        """Take the place of `bench.host.quietness.observe`."""
        self.now += seconds
        return next(self.seen)

    def find(self, name: str, *, data_file: Path | None = None, **_options: Any) -> Dataset:
        """Take the place of `bench.datasets.find.find_dataset`."""
        return self.dataset


@dataclass
class ScriptedExecutor:
    """Plays a script."""

    script: Script
    folder: ReportFolder | None = None
    timeout_s: float | None = None
    stall_s: float | None = None

    def run(self, cases: Sequence[Case], listen: Listener) -> Iterator[Outcome]:
        for each in cases:
            name = f"{each.model} repeat {each.repeat}" if each.repeat else each.model
            if name == self.script.stop_at:
                return
            self.script.ran.append(name)
            listen(each, None)
            if name == self.script.interrupt_at:
                raise KeyboardInterrupt
            endings = self.script.endings
            ended = outcome(each, **endings.get(name, endings.get(each.model, {})))
            self.script.now += ended.duration_s
            for event in ended.epochs:
                listen(each, event)
            yield ended
