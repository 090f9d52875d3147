"""The command line, from whatever folder and with whatever on ``PYTHONPATH``: see `bench.launch`."""

import importlib.util
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_ROOT = _HERE if (_HERE / "bench").is_dir() else _HERE.parent
"""Holds `bench` and `models`, which a wheel has inside this package and a checkout beside it."""


def main() -> None:
    """Run ``aebench`` with the process' arguments."""
    spec = importlib.util.spec_from_file_location("launch", _ROOT / "bench" / "launch.py")
    assert spec is not None and spec.loader is not None  # noqa: S101, PT018 - a .py file has both
    launch = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(launch)
    launch.pin()
    importlib.import_module("bench.cli").main()
