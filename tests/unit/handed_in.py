"""Reports that `aebench verify` accepts, for tests that change something in them."""

import csv
import dataclasses
import gzip
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import scripted
from rich.console import Console

from bench.datasets.find import GENUINE
from bench.host.fingerprint import make_environment_id, make_machine_id
from bench.plan.profile import Case, Profile
from bench.reference import verify
from bench.report.files import write_environment
from bench.results.journal_lines import Outcome, SweepHeader
from bench.worker.protocol import PeaksEvent

ROWS_OF_FIRST = (0, 1)
"""The places of its checkpoints in results.csv."""


def run(case: Case) -> Outcome:
    """A process with nanoseconds of its own, every column of which agrees with every other."""
    late = case.repeat / 1000
    epochs = tuple(
        scripted.epoch(
            number,
            train_s=(2.5 if number == 1 else 0.3 + number / 1000) + late,
            train_loss=0.3 / number,
            val_loss=0.2 / number,
            energy_j=30.0,
            noise=dataclasses.replace(scripted.QUIET, steal_percent=0.5),
        )
        for number in range(1, case.run_epochs + 1)
    )
    checkpoints = tuple(
        dataclasses.replace(scripted.checkpoint(each), wall_s=12.0 + each + late) for each in case.checkpoints
    )
    setup = dataclasses.replace(
        scripted.SETUP,
        training_flops=1e6,
        forward_flops=4e5,
        step_bytes=1e5,
        energy_counters=("RAPL package-0",),
    )
    return scripted.outcome(
        case,
        epochs=epochs,
        checkpoints=checkpoints,
        setup=setup,
        peaks=PeaksEvent(gflop_per_s=100.0, gb_per_s=10.0, dispatch_s=1e-4),
    )


def begin(**changes: Any) -> SweepHeader:
    profile = Profile(models=("basic",), epochs=(1, 4), batch_sizes=(4,), repeats=3)
    machine = scripted.fingerprint()
    facts = {
        "dataset_digest": GENUINE["mnist-5k"],
        "fingerprint": machine,
        "machine_id": make_machine_id(machine),
        "environment_id": make_environment_id(machine),
    }
    return scripted.header(**{"profile": profile, **facts, **changes})


def write(root: Path, make: Callable[[Case], Outcome] = run, header: SweepHeader | None = None) -> Path:
    header = header or begin()
    folder = scripted.written_report(root, map(make, header.cases), header)
    write_environment(folder, header)
    (root / "epochs.csv.gz").write_bytes(gzip.compress(folder.epochs.read_bytes()))
    folder.epochs.unlink()
    folder.report.write_text("a report")
    folder.page.write_text("<p>a report")
    return root


def change(root: Path, places: tuple[int, ...] = ROWS_OF_FIRST, **cells: Any) -> Path:
    """Write other cells into rows of results.csv; None is an empty one."""
    file = root / "results.csv"
    with file.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    for place in places:
        rows[place] |= {name: "" if value is None else str(value) for name, value in cells.items()}
    write_csv(file, rows)
    return root


def write_csv(file: Path, rows: list[dict[str, str]]) -> None:
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def verified(*files: Path) -> tuple[int, str]:
    out = io.StringIO()
    return verify.verify(files, Console(file=out, width=300)), out.getvalue()
