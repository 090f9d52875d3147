"""The harness compared with a bare script that calls the blog's own ``model.fit`` on the same data, in turns.

Both train the basic model, each in a fresh process. The script does nothing else but take time stamps in the same two
callbacks and read its own peak at its end.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.console.table import Table
from bench.datasets.files import write_npz
from bench.datasets.find import find_dataset
from bench.plan.profile import Profile
from bench.results import stats
from bench.results.folder import ReportFolder
from bench.results.journal_lines import Outcome
from bench.sweep.local import LocalExecutor

PAIRS = 12
EPOCHS = {"mnist-5k": 40, "mnist": 8}

_SCRIPT = """
import json, os, sys, time
os.environ["KERAS_BACKEND"] = "tensorflow"
import keras, numpy as np

keras.utils.set_random_seed(0)
with np.load(sys.argv[1]) as file:
    x_train = (file["x_train"].reshape(-1, 784) / np.float32(255)).astype("float32", copy=False)
    x_test = (file["x_test"].reshape(-1, 784) / np.float32(255)).astype("float32", copy=False)

images = keras.Input((784,))
codes = keras.layers.Dense(32, activation="relu")(images)
autoencoder = keras.Model(images, keras.layers.Dense(784, activation="sigmoid")(codes))
autoencoder.compile(optimizer="adam", loss="binary_crossentropy")

class Stamps(keras.callbacks.Callback):
    seconds = []
    def on_epoch_begin(self, epoch, logs=None): self.begin = time.perf_counter()
    def on_test_begin(self, logs=None): self.seconds.append(time.perf_counter() - self.begin)

stamps = Stamps()
autoencoder.fit(x_train, x_train, epochs=int(sys.argv[2]), batch_size=256, shuffle=True,
                validation_data=(x_test, x_test), verbose=0, callbacks=[stamps])
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 1024
print(json.dumps({"seconds": stamps.seconds, "peak": peak}))
"""


def validate() -> tuple[Table, bool]:
    """Ratios harness ÷ script over pairs; bounds on the medians: 1.01 for time, 1.02 for peak memory.

    The environment variable AEBENCH_MNIST adds the full MNIST.
    """
    names = ["mnist-5k", *(["mnist"] if "AEBENCH_MNIST" in os.environ else [])]
    rows, holds = [], True
    for name in names:
        time_ratios, peak_ratios = _measure_ratios(name)
        for what, ratios, bound in (("seconds per epoch", time_ratios, 1.01), ("peak RSS", peak_ratios, 1.02)):
            middle = statistics.median(ratios)
            holds &= middle <= bound
            interval = stats.find_interval_of_median(ratios)
            assert interval is not None
            low_high = "{:.4f} to {:.4f}".format(*interval)
            rows.append((name, what, str(len(ratios)), f"{middle:.4f}", low_high, f"{bound:.2f}"))
    headers = ("images", "ratio harness ÷ script", "pairs", "median", "95 %", "bound")
    return Table("Cost: the harness against a bare script", headers, tuple(rows), labels=2), holds


def _measure_ratios(name: str) -> tuple[list[float], list[float]]:
    with tempfile.TemporaryDirectory() as directory:
        folder = ReportFolder(Path(directory))
        write_npz(find_dataset(name).images, folder.data)
        times, peaks = [], []
        for pair in range(PAIRS):
            runs = {}
            for side in ("script", "harness") if pair % 2 else ("harness", "script"):
                runs[side] = _run_script(folder, name) if side == "script" else _run_harness(folder, name)
            times.append(runs["harness"][0] / runs["script"][0])
            peaks.append(runs["harness"][1] / runs["script"][1])
    return times, peaks


def _run_script(folder: ReportFolder, name: str) -> tuple[float, float]:
    """Median seconds of the epochs after the first, and peak MiB."""
    command = [sys.executable, "-c", _SCRIPT, str(folder.data), str(EPOCHS[name])]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    found = json.loads(done.stdout)
    return statistics.median(found["seconds"][1:]), found["peak"]


def _run_harness(folder: ReportFolder, name: str) -> tuple[float, float]:
    profile = Profile(models=("basic",), epochs=(EPOCHS[name],), batch_sizes=(256,), dataset=name)
    (outcome,) = LocalExecutor(folder).run(profile.list_cases(), lambda _case, _event: None)
    return median_seconds(outcome), outcome.checkpoints[-1].peak_rss_mib


def median_seconds(outcome: Outcome) -> float:
    """Median training seconds of the epochs after the first."""
    return statistics.median(epoch.train_s for epoch in outcome.epochs[1:])
