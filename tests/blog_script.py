"""The blog's simplest autoencoder as a reader would write it, and what `aebench advise` prints pasted into it."""

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

_SCRIPT = """
import json, os, sys, time
import numpy as np
import tensorflow as tf
import keras
{top}

with np.load(sys.argv[1]) as file:
    x_train = file["x_train"].reshape(-1, 784).astype("float32") / 255
    x_test = file["x_test"].reshape(-1, 784).astype("float32") / 255

keras.utils.set_random_seed(0)
input_img = keras.Input(shape=(784,))
encoded = keras.layers.Dense(32, activation="relu")(input_img)
decoded = keras.layers.Dense(784, activation="sigmoid")(encoded)
autoencoder = keras.Model(input_img, decoded)
autoencoder.compile(optimizer="adam", loss="binary_crossentropy"{compile})


class Stopwatch(keras.callbacks.Callback):
    seconds = []

    def on_epoch_begin(self, epoch, logs=None):
        self.began = time.perf_counter()

    def on_test_begin(self, logs=None):
        self.seconds.append(time.perf_counter() - self.began)


history = autoencoder.fit(
    x_train,
    x_train,
    epochs=int(sys.argv[2]),
    batch_size=256,
    shuffle=True,
    validation_data=(x_test, x_test),
    verbose=0,
    callbacks=[Stopwatch()],
)
print(json.dumps({{"ended": time.time(), "seconds": Stopwatch.seconds, "val_loss": history.history["val_loss"]}}))
"""
_CODE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Run:
    """What a run of the script printed."""

    seconds: list[float]
    """Of training, for each epoch."""
    val_loss: list[float]
    total_s: float
    """From the start of the process to the end of the last epoch."""


def write_script(change: str = "") -> str:
    """Paste what `aebench advise` says has to change: "add `ARGUMENTS` to `compile` and put `LINE` at the top …"."""
    found = _CODE.findall(change)
    arguments = found[0] if change.startswith("add ") else ""
    lines = [code for code in found if code not in (arguments, "compile")]
    return _SCRIPT.format(top="\n".join(lines), compile=f", {arguments}" if arguments else "")


def run_script(change: str, data: Path, epochs: int) -> Run:
    """Run the script with that change on an npz, in a fresh process."""
    command = [sys.executable, "-c", write_script(change), str(data), str(epochs)]
    began = time.time()
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow"}
    done = subprocess.run(command, capture_output=True, env=environment, check=False, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    return Run(found["seconds"], found["val_loss"], found["ended"] - began)
