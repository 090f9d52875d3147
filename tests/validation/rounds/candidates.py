"""Copies of this code with one change each, which the gate is to find, or not to."""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.launch import ROOT

_BURDEN = '''

_unburdened = build


def build(seed):
    """The same, with so many rounds of a Python loop before each training step."""
    autoencoder = _unburdened(seed)
    model = autoencoder.model
    make = model.make_train_function

    def make_train_function(force=False):
        make(force=force)
        step = model.train_function

        def burdened(iterator):
            for _ in range({loops}):
                pass
            return step(iterator)

        model.train_function = burdened

    model.make_train_function = make_train_function
    return autoencoder
'''
_BALLAST = '''

_light = build


def build(seed):
    """The same, with so many more bytes that stay with the model."""
    autoencoder = _light(seed)
    autoencoder.model.ballast = bytearray(b"x") * {bytes}
    return autoencoder
'''
_HANDICAP = '''

_fair = build


def build(seed):
    """The same, its last bias begun one unit off: a higher loss for many epochs, at the same work and memory."""
    autoencoder = _fair(seed)
    bias = autoencoder.model.weights[-1]
    bias.assign(bias + 1.0)
    return autoencoder
'''


@dataclass(frozen=True)
class Change:
    """What a kind of candidate does differently, by model: source that is appended to the model's file."""

    appended: Mapping[str, str]


def make_slower(loops: Mapping[str, int]) -> Change:
    """So many more rounds of a Python loop per training step, by model."""
    return Change({model: _BURDEN.format(loops=count) for model, count in loops.items()})


def make_larger(held: Mapping[str, float]) -> Change:
    """So many MiB more, by model."""
    return Change({model: _BALLAST.format(bytes=round(mib * 2**20)) for model, mib in held.items()})


def make_lossier(models: tuple[str, ...]) -> Change:
    """A bad start, so that the losses are higher at equal speed."""
    return Change(dict.fromkeys(models, _HANDICAP))


NOTHING = Change({})


def copy_code(folder: Path, change: Change = NOTHING) -> Path:
    """Copy this code, changed, into a folder that does not exist yet."""
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard", "bench", "models"],
        check=True,
        capture_output=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    for model, source in change.appended.items():
        with (folder / "models" / f"{model}.py").open("a", encoding="utf-8") as file:
            file.write(source)
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(folder)], check=True)
    return folder
