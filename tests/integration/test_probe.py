"""`aebench run --plan --probe` with a real process."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from bench.plan.forecast import read_measured


def test_a_probe_says_how_fast_this_machine_is_and_leaves_nothing(tmp_path: Path) -> None:
    small = [each for each in read_measured() if each.train_samples == 4_000]
    known = next((each for each in small if each.model == "basic" and each.loop == "fit"), None)
    if known is None:
        pytest.skip("the references do not have the basic model on mnist-5k")
    flags = ["--models", "basic", "--loops", "fit", "--epochs", "10", "--batch-sizes", str(known.batch_size)]
    ended = subprocess.run(
        [sys.executable, "-m", "aebench", "run", *flags, "--optimizer", known.optimizer, "--plan", "--probe"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stderr
    words = " ".join(ended.stdout.split())
    assert re.search(r"By a probe of \d+ s, an epoch takes [0-9.]+ times as long here", words), words
    assert list(tmp_path.iterdir()) == []
