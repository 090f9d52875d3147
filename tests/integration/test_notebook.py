"""A notebook that runs a sweep: a real one, in a real kernel."""

import importlib.util
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
NEEDED = ("nbclient", "ipykernel")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_notebook_runs_a_sweep_and_shows_its_table_and_its_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"{' and '.join(missing)} not installed: python -m pip install {' '.join(NEEDED)}")
    monkeypatch.delenv("MPLBACKEND", raising=False)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(ROOT)]))
    sweep = f"!{sys.executable} -m bench run --models basic --epochs 1 --batch-sizes 256 --offline --out report"
    show = "from IPython.display import HTML; HTML(filename='report/report.html')"
    load = "import aebench; aebench.load('report')"
    own = "import models; print(models.__file__)"
    (tmp_path / "models.py").touch()
    environment, ran, shown, loaded, imported = execute(tmp_path, "%env MPLBACKEND", sweep, show, load, own)
    assert "matplotlib_inline" in printed(environment), "the kernel exports its own backend"
    assert "basic: one dense layer each way" in printed(ran)
    assert f"Report: report{os.sep}report.html" in printed(ran)
    assert "failed" not in printed(ran)
    assert "<svg" in printed(shown)
    assert re.search(r"<p>.+</p>.*<td [^>]*>basic</td>", printed(loaded))
    assert str(tmp_path / "models.py") in printed(imported)


def execute(folder: Path, *cells: str) -> list[Any]:
    """The outputs of each cell."""
    nbformat, nbclient = importlib.import_module("nbformat"), importlib.import_module("nbclient")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    client = nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}})
    client.execute()
    return [cell.outputs for cell in notebook.cells]


def printed(outputs: Any) -> str:
    """What the page of the notebook shows below a cell."""
    return "".join(
        output.text if "text" in output else "".join(str(each) for each in output.data.values()) for output in outputs
    )
