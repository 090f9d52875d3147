"""What `aebench advise` promises, and what a script like the blog's gains by it, pasted and not pasted in turns."""

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import blog_script

from bench.console.table import Table
from bench.datasets.files import write_npz
from bench.datasets.find import find_dataset

PAIRS = 5
BOUND = 0.15
_HEADERS = ("change", "ratio unpasted ÷ pasted", "pairs", "promised", "median", "smallest", "largest", "bound")


def validate() -> tuple[Table, bool]:
    """The medians over pairs are within 15 % of the promise, and the script's loss is the same or as announced."""
    with tempfile.TemporaryDirectory() as directory:
        promised = _ask_advice(Path(directory, "report"))
        data = Path(directory, "images.npz")
        write_npz(find_dataset("mnist-5k").images, data)
        rows, holds = _compare(promised, data) if promised else ([], False)
    return Table("Advice: a script with the line that it names, and without", _HEADERS, tuple(rows), labels=2), holds


def _ask_advice(report: Path) -> dict[str, Any] | None:
    command = [sys.executable, "-m", "aebench", "advise", "--json", "--out", str(report)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    (found,) = json.loads(done.stdout)["models"]
    print(f"{found['advice']}\n", flush=True)
    setting: dict[str, Any] | None = found["setting"]
    return setting and setting | {"epochs": found["epochs"]}


def _compare(promised: dict[str, Any], data: Path) -> tuple[list[tuple[str, ...]], bool]:
    epochs: list[float] = []
    totals: list[float] = []
    for pair in range(PAIRS):
        runs = {}
        for change in ("", promised["change"]) if pair % 2 else (promised["change"], ""):
            runs[change] = blog_script.run_script(change, data, promised["epochs"])
        plain, pasted = runs[""], runs[promised["change"]]
        epochs.append(statistics.median(plain.seconds[1:]) / statistics.median(pasted.seconds[1:]))
        totals.append(plain.total_s / pasted.total_s)
    kinds = (
        ("time of an epoch", epochs, promised["times_per_epoch"]),
        ("whole process", totals, promised["times_end_to_end"]),
    )
    rows: list[tuple[str, ...]] = [
        (
            *(promised["change"], what, str(len(ratios)), f"{promise:.2f}", f"{statistics.median(ratios):.2f}"),
            *(f"{min(ratios):.2f}", f"{max(ratios):.2f}", f"{BOUND:.0%}"),
        )
        for what, ratios, promise in kinds
    ]
    return rows, all(abs(statistics.median(ratios) / promise - 1) <= BOUND for _, ratios, promise in kinds)
