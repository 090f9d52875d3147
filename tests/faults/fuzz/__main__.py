"""Fuzzes the readers, one after another: `python tests/faults/fuzz [SECONDS] [READER ...]`; 100 s each.

Prints how many inputs were tried; ends with 1 where a reader raised anything but InvalidInput.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path

NAMES = ("profile", "journal", "results", "images", "idx", "samples")
_GUIDED = Path(__file__).with_name("guided.py")
_LIMITS = ("-max_len=20000", "-timeout=20", "-rss_limit_mb=2000")
"""An input of more than 20 seconds or 2 GB is a finding too."""


def main() -> int:
    """Fuzz the readers that are named, all if none."""
    words = sys.argv[1:]
    seconds = int(words.pop(0)) if words and words[0].isdigit() else 100
    findings = [name for name in words or NAMES if not _passes(name, seconds)]
    print(f"findings: {', '.join(findings) or 'none'}")  # noqa: T201
    return 1 if findings else 0


def _passes(name: str, seconds: int) -> bool:
    """Whether nothing was found; what was found stays in the folder that is printed."""
    place = tempfile.mkdtemp(prefix=f"aebench-fuzz-{name}-")
    command = (sys.executable, str(_GUIDED), name, f"{place}/corpus", f"-max_total_time={seconds}", *_LIMITS)
    ended = subprocess.run((*command, f"-artifact_prefix={place}/"), capture_output=True, text=True, check=False)
    tried = re.findall(r"^#(\d+)", ended.stderr, re.MULTILINE)
    print(f"{name}: {int(tried[-1]) if tried else 0:,} inputs in {seconds} s", flush=True)  # noqa: T201
    if ended.returncode:
        print(ended.stdout + ended.stderr[-4000:], f"the input is in {place}", sep="\n")  # noqa: T201
    return ended.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
