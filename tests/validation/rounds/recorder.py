"""Records rounds of the gate into `tests/data/rounds`: ``python tests/validation/rounds/recorder.py [KIND ...]``.

Each kind of candidate gets a round of each case in turn, `--times` times; rounds are added to those that are there.
Run it on an otherwise idle machine, spread over hours: every later rule of the gate is tried on these rounds.

The kinds: ``equal`` (the same code twice), ``busy`` (the same, while a program switches on and off on one core),
``slower-2``, ``slower-5``, ``slower-10`` (so many percent more work per training step), ``more-memory-5`` (so many
percent more memory) and ``higher-loss`` (a higher loss at equal speed).
"""

import argparse
import contextlib
import math
import multiprocessing
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[above]) for above in (1, 2, 3)]

import recordings
from filelock import FileLock
from rounds import candidates

from bench.datasets import find
from bench.gate import regress
from bench.gate.paired import BLOCKS, PairedExecutor, Side
from bench.gate.verdict import reduce_round
from bench.plan.profile import Case

KINDS = ("equal", "busy", "slower-2", "slower-5", "slower-10", "more-memory-5", "higher-loss")
_LONGEST_BUSY_S = 8.0
_FIRST_LOOPS, _BURDEN, _CALIBRATING_ROUNDS = 100_000, 0.3, 3
"""Loops per step to begin with; the fraction of a turn that the burden is to be when it counts; rounds that count."""
_LARGEST_STEP = 4.0
"""By which the loops grow at most from one try to the next, whatever noise made of it."""


def main() -> int:
    """Record the kinds that were named, ``equal`` by default."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("--times", type=int, default=1, help="rounds of each case and kind")
    parser.add_argument("--blocks", type=int, default=BLOCKS, help="blocks per round")
    parser.add_argument(
        "--lock",
        default=str(Path(tempfile.gettempdir(), "aebench-rounds.lock")),
        help="file whose lock is held during a round: `flock FILE make` then waits for its end",
    )
    parser.add_argument("--cases", default=",".join(regress.SENTINELS))
    asked = parser.parse_args()
    if unknown := sorted(set(asked.kinds) - set(KINDS)):
        print(f"recorder: unknown {', '.join(unknown)}; known: {', '.join(KINDS)}", file=sys.stderr)
        return 2
    cases = [regress.parse_case(name) for name in asked.cases.split(",")]
    with tempfile.TemporaryDirectory(prefix="aebench-rounds-") as directory:
        recorder = Recorder(Path(directory), cases, asked.blocks)
        with find.provide_npz(find.find_dataset("mnist-5k"), recorder.data):
            for _ in range(asked.times):
                for kind in asked.kinds or KINDS[:1]:
                    for case in cases:
                        with FileLock(asked.lock):
                            recorder.record(kind, case)
                        time.sleep(1.0)  # whoever waits for the lock gets it
    return 0


@dataclass
class Recorder:
    """Records round after round; a kind's copy of the code is made when it is first asked for."""

    folder: Path
    cases: Sequence[Case]
    blocks: int
    calibrated: dict[str, float] = field(default_factory=dict)
    """Loops that are one percent of a turn, by model."""

    @property
    def data(self) -> Path:
        """The prepared npz."""
        return self.folder / "data.npz"

    def record(self, kind: str, case: Case) -> None:
        """One round, appended to its kind's file."""
        name = regress.format_case(case)
        before = recordings.read(kind).get(name, [])
        executor = self._make_executor(kind)
        images = self._count_images(executor, case, name)
        number = len(before) + 1
        began, clock = datetime.now(UTC), time.monotonic()
        with _keep_core_busy() if kind == "busy" else contextlib.nullcontext():
            recorded = executor.run_round(case, images, number)
        seconds = time.monotonic() - clock
        line = recordings.to_line(
            recordings.Recording(name, images, began.isoformat(timespec="seconds"), seconds, recorded)
        )
        recordings.FOLDER.mkdir(parents=True, exist_ok=True)
        with recordings.path(kind).open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        print(f"{kind} {name}: round {number}, {seconds:.0f} s", flush=True)

    def _make_executor(self, kind: str) -> PairedExecutor:
        base, candidate = self.folder / "base", self.folder / kind
        if not base.exists():
            candidates.copy_code(base)
        if not candidate.exists():
            candidates.copy_code(candidate, self._make_change(kind))
        return PairedExecutor(
            Side("base", base), Side("candidate", candidate), self.data, self.folder, blocks=self.blocks
        )

    def _make_change(self, kind: str) -> candidates.Change:
        name, percent = kind.rstrip("0123456789-"), kind.rpartition("-")[2]
        if name == "slower":
            return candidates.make_slower(
                {case.model: round(int(percent) * self._calibrate(case)) for case in self.cases}
            )
        if name == "more-memory":
            return candidates.make_larger(
                {case.model: int(percent) / 100 * _read_base_memory(case) for case in self.cases}
            )
        return (
            candidates.make_lossier(tuple(case.model for case in self.cases))
            if name == "higher-loss"
            else candidates.NOTHING
        )

    def _calibrate(self, case: Case) -> float:
        """Rounds of a Python loop that make a turn one percent longer, calibrated by rounds of the gate's own kind.

        A step of a process that has the machine for itself would be another measure: its caches are warm.
        """
        if case.model not in self.calibrated:
            loops = float(_FIRST_LOOPS)
            while (
                slowdown := self._measure_slowdown(case, loops)
            ) < _BURDEN / 2:  # too little to be distinguished from noise
                loops *= min(_LARGEST_STEP, _BURDEN / max(slowdown, 0.01))
            loops *= _BURDEN / slowdown
            slowdown = statistics.fmean(self._measure_slowdown(case, loops) for _ in range(_CALIBRATING_ROUNDS))
            self.calibrated[case.model] = 0.01 * loops / slowdown
            print(f"{case.model}: {self.calibrated[case.model]:.0f} loops per percent", flush=True)
        return self.calibrated[case.model]

    def _measure_slowdown(self, case: Case, loops: float) -> float:
        """Measure in one round what so many loops per step add to a turn's time, as a fraction of it."""
        burdened = self.folder / "burdened"
        candidates.copy_code(burdened, candidates.make_slower({case.model: round(loops)}))
        executor = PairedExecutor(
            Side("base", self.folder / "base"), Side("candidate", burdened), self.data, self.folder, blocks=self.blocks
        )
        wall = reduce_round(
            executor.run_round(case, self._count_images(executor, case, regress.format_case(case)), 0)
        ).wall
        shutil.rmtree(burdened)
        if wall is None:
            raise RuntimeError(f"the machine is too busy to calibrate on: no figure of {case.model}")
        return math.expm1(wall)

    def _count_images(self, executor: PairedExecutor, case: Case, name: str) -> int:
        """As many as in every recording of the case, so that they can be compared; else counted."""
        known = [each.images for kind in KINDS for each in recordings.read(kind).get(name, ())[:1]]
        return known[0] if known else executor.choose_image_count(case)


def _read_base_memory(case: Case) -> float:
    """Peak MiB of the case's base, in what was recorded of equal code."""
    name = regress.format_case(case)
    return statistics.median(each.round.base_memory.peak_rss_mib for each in recordings.read("equal")[name])


@contextlib.contextmanager
def _keep_core_busy() -> Iterator[None]:
    """A program that computes on one core, on and off for up to some seconds each at random."""
    program = multiprocessing.get_context("spawn").Process(target=_compute_on_and_off, args=(os.getpid(),), daemon=True)
    program.start()
    try:
        yield
    finally:
        program.kill()
        program.join()


def _compute_on_and_off(parent: int) -> None:
    chance = random.Random()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    while os.getppid() == parent:
        until = time.monotonic() + chance.uniform(0, _LONGEST_BUSY_S)
        while time.monotonic() < until:
            pass
        time.sleep(chance.uniform(0, _LONGEST_BUSY_S))


if __name__ == "__main__":
    sys.exit(main())
