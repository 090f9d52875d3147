"""What memory bandwidth is usual for this machine: a file in the user's folder for state, made of earlier sweeps.

Nothing depends on it: where it is missing, broken or cannot be written, intervals are wider.
"""

import contextlib
import json
import math
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import platformdirs

from bench.host.fingerprint import Fingerprint, make_machine_id
from bench.results.folder import write_whole
from bench.results.hours import HOUR_S, HourRate

MOST_HOURS = 64
"""Of a machine, the latest: it is not what it was a year ago."""
_MOST_MACHINES = 16
_MOST_BYTES = 1 << 18
_MOST_GB_PER_S = 1e9
_LATEST_S = 1e12
"""Seconds since 1970 that no clock shows."""


def describe_usual(fingerprint: Fingerprint, now: datetime) -> dict[str, Any]:
    """The header's fields about it, for a sweep that begins now; empty where a GPU trains, whose memory is another."""
    machine_id = make_machine_id(fingerprint)
    gb_per_s, hours = (None, None) if fingerprint.gpu else find_usual(machine_id, now.timestamp())
    return {"usual_gb_per_s": gb_per_s, "usual_hours": hours}


def find_usual(machine_id: str, now_s: float) -> tuple[float | None, int | None]:
    """GB/s, and of how many hours that is the geometric mean, the present one left out; None and None of no hour."""
    logs = [math.log(rate.gb_per_s) for rate in _read().get(machine_id, ()) if rate.began_s <= now_s - HOUR_S]
    return (math.exp(math.fsum(logs) / len(logs)), len(logs)) if logs else (None, None)


def keep_hours(machine_id: str, rates: Sequence[HourRate]) -> None:
    """Add the hours of a sweep, each in place of one that began less than an hour before or after it."""
    if not rates:
        return
    machines = _read()
    kept = machines.pop(machine_id, [])
    for rate in rates:
        kept = [each for each in kept if abs(each.began_s - rate.began_s) >= HOUR_S] + [rate]
    kept = sorted(kept, key=lambda each: each.began_s)[-MOST_HOURS:]
    latest = dict([*list(machines.items())[1 - _MOST_MACHINES :], (machine_id, kept)])
    lines = {name: [[each.began_s, each.gb_per_s] for each in hours] for name, hours in latest.items()}
    with contextlib.suppress(OSError, RuntimeError):  # a full disk, no home folder
        path = _find_file()
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps(lines) + "\n")


def _find_file() -> Path:
    return platformdirs.user_state_path("aebench", appauthor=False) / "bandwidth.json"


def _read() -> dict[str, list[HourRate]]:
    """By machine, what the file says that makes sense."""
    try:
        with _find_file().open("rb") as file:
            found = json.loads(file.read(_MOST_BYTES))
    except (OSError, RuntimeError, ValueError, RecursionError):
        return {}
    machines = found.items() if isinstance(found, dict) else ()
    return {name: list(map(_to_rate, filter(_is_rate, hours))) for name, hours in machines if isinstance(hours, list)}


def _is_rate(found: Any) -> bool:
    """Whether these are two plausible numbers: seconds and GB/s."""
    if not isinstance(found, list) or [type(number) in {int, float} for number in found] != [True, True]:
        return False
    began_s, gb_per_s = found
    return bool(0 <= began_s < _LATEST_S and 1 / _MOST_GB_PER_S < gb_per_s < _MOST_GB_PER_S)


def _to_rate(found: list[float]) -> HourRate:
    return HourRate(*map(float, found))
