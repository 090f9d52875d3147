"""Keeps the epochs of a sweep for `tests/processes.py`.

``python tests/validation/record_processes.py REPORT FOLDER/NAME`` writes ``tests/data/FOLDER/NAME.csv.gz``. Make the
report in hours of different noise. ``aebench run --models basic,deep,convolutional --batch-sizes 256`` and ``--epochs
12,100 --repeats 7`` make one for the folder `processes`, ``--epochs 12 --minutes 6`` one for `six_minutes`; the default
profile makes one for `sweeps`.
"""

import csv
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import processes


def main() -> int:
    """Write `tests/data/FOLDER/NAME.csv.gz`."""
    report, name = Path(sys.argv[1]), sys.argv[2]
    with (report / "results.csv").open(encoding="utf-8", newline="") as file:
        readings = {line["case_id"]: line["reference_gb_per_s"] for line in csv.DictReader(file)}
    with (report / "epochs.csv").open(encoding="utf-8", newline="") as file:
        lines = [
            _keep(line) | {"reference_gb_per_s": _round(readings[line["case_id"]])} for line in csv.DictReader(file)
        ]
    processes.write_hour(processes.DATA / f"{name}.csv.gz", lines)
    return 0


def _keep(line: dict[str, str]) -> dict[str, object]:
    case, _, repeat = line["case_id"].rpartition(".r")
    own, others, steal = (float(line[name] or 0) for name in ("own_cores", "other_cores", "steal_percent"))
    return {
        "case": case,
        "repeat": repeat,
        "train_s": f"{float(line['train_s']):.5f}",
        "own_cores": f"{own:.3f}",
        "taken_cores": f"{others + steal / 100 * _CORES:.3f}",
        "noisy": int(bool(line["noise"])),
    }


def _round(reading: str) -> str:
    return reading and f"{float(reading):.2f}"


_CORES = 2
"""Of the machines that were recorded."""


if __name__ == "__main__":
    sys.exit(main())
