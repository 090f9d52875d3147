"""Imports `bench` and `models` from the folder that this file lies in, whatever else on the path bears these names.

Many a project has a `models` or a `bench` of its own, on ``PYTHONPATH`` or in the working directory. ``python -P
bench/launch.py MODULE`` runs a module as ``python -m`` does, with our two packages and with the caller's ``sys.path``.
"""

import importlib.util
import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
"""Holds `bench` and `models`: the checkout, or `aebench` in site-packages."""


def pin() -> None:
    """Import both packages from `ROOT`; others of the same names, and their submodules, are forgotten."""
    for name in ("bench", "models"):
        file = ROOT / name / "__init__.py"
        imported = getattr(sys.modules.get(name), "__file__", None)
        if imported is not None and Path(imported).resolve() == file:
            continue
        for each in [module for module in sys.modules if module.partition(".")[0] == name]:
            del sys.modules[each]
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None and spec.loader is not None  # noqa: S101, PT018 - a .py file has both
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)


if __name__ == "__main__":
    pin()
    runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
