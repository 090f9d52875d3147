"""What shells, notebooks and containers export: no figure changes in silence, and no command fails of it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from faults import stage
from faults.hostile_settings import HARMLESS, HOSTILE, Figures, describe_change, measure, measure_alone, prepare

ABSENT = "somebodys_own"
"""Like the notebook's where that is not installed: a backend that matplotlib refuses."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    prepare(folder)
    return folder


@pytest.fixture(scope="module")
def alone(place: Path) -> Figures:
    """The case with nothing set."""
    figures = measure_alone(place)
    assert figures.outcome.status == "ok", figures.outcome.log_tail
    return figures


def test_a_notebooks_backend_is_not_the_process_own(place: Path, alone: Figures) -> None:
    after = measure(place, {"MPLBACKEND": ABSENT})
    assert describe_change(alone, after) is None
    assert after.recorded == alone.recorded


def test_a_persons_own_settings_of_keras_change_no_loss(place: Path, alone: Figures, tmp_path: Path) -> None:
    theirs = {"floatx": "float16", "epsilon": 0.001, "image_data_format": "channels_first", "backend": "torch"}
    for folder in (tmp_path, tmp_path / ".keras"):
        folder.mkdir(exist_ok=True)
        (folder / "keras.json").write_text(json.dumps(theirs))
    after = measure(place, {"KERAS_HOME": str(tmp_path), "HOME": str(tmp_path)})
    assert describe_change(alone, after) is None
    assert after.recorded == alone.recorded


def test_whoever_prints_at_the_start_of_an_interpreter_makes_no_case_invalid(
    place: Path, alone: Figures, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text("import os; print('welcome'); os.system('echo base activated')\n")
    after = measure(place, {"PYTHONPATH": str(tmp_path)})
    assert describe_change(alone, after) is None
    assert "base activated" in next((place / "logs").iterdir()).read_text()


def test_python_set_up_to_find_errors_takes_no_more_memory(place: Path, alone: Figures) -> None:
    theirs = {"PYTHONTRACEMALLOC": "1", "PYTHONMALLOC": "debug", "PYTHONDEVMODE": "1", "PYTHONOPTIMIZE": "2"}
    after = measure(place, theirs)
    assert describe_change(alone, after) is None
    assert after.recorded == alone.recorded


@pytest.mark.long
@pytest.mark.parametrize(("name", "value"), sorted({**HOSTILE, **HARMLESS}.items()))
def test_no_setting_changes_a_figure_in_silence(place: Path, alone: Figures, name: str, value: str) -> None:
    assert describe_change(alone, measure(place, {name: value})) is None


# ------------------------------------------------------------------------------------------------------- the parent


@pytest.mark.parametrize("theirs", [{"MPLBACKEND": ABSENT, "DISPLAY": ":7"}, {}], ids=["variables", "file"])
def test_figures_are_drawn_whatever_backend_somebody_asks_for(
    quiet: Path, tmp_path: Path, theirs: dict[str, str]
) -> None:
    report = tmp_path / "report"
    shutil.copytree(quiet, report)
    (report / "report.html").unlink()
    (tmp_path / "matplotlibrc").write_text("backend: tkagg\n")  # which matplotlib looks for where it is started
    for words in (("report", report), ("compare", quiet, report, "--out", tmp_path / "comparison")):
        ended = subprocess.run(
            (sys.executable, "-m", "bench", *words),
            cwd=tmp_path,
            env={**os.environ, **theirs, "PYTHONPATH": str(stage.ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        assert "Traceback" not in ended.stderr
    assert (report / "report.html").exists()
