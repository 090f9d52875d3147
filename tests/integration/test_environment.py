"""The base's own environment where there is no uv: python's venv and pip, for real."""

import os
import sys
import zipfile
from pathlib import Path

import pytest

from bench.gate.environment import prepare_environment


@pytest.mark.skipif(os.name == "nt", reason="paths without uv are a shell's")
def test_without_uv_python_and_pip_make_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Filled with a package that needs no index."""
    wheel = tmp_path / "keras-3.1.4-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("keras-3.1.4.dist-info/METADATA", "Metadata-Version: 2.1\nName: keras\nVersion: 3.1.4\n")
        file.writestr("keras-3.1.4.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr("keras-3.1.4.dist-info/RECORD", "")
    for side, requirement in (("base", f"keras @ {wheel.as_uri()}"), ("candidate", "keras>=3.14")):
        (tmp_path / side).mkdir()
        (tmp_path / side / "pyproject.toml").write_text(f"[project]\ndependencies = ['{requirement}']\n")
    said: list[str] = []
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    environ = {"PATH": str(tmp_path / "bin")}
    made = prepare_environment(tmp_path / "base", tmp_path / "candidate", (), sys.executable, said.append, environ)
    assert made.versions == "keras 3.1.4"
    assert "pip" in said[0]
