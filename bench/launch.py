"""Imports `bench` and `models` from the folder that this file lies in, whatever else on the path bears these names.

Many a project has a `models` or a `bench` of its own, on ``PYTHONPATH`` or in the working directory. ``python -P
bench/launch.py MODULE`` runs a module as ``python -m`` does, with our two packages and with the caller's ``sys.path``.
A notebook goes on with packages of its own, so there ours have these names only while a function of `aebench` runs.
"""

import importlib.util
import runpy
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent
"""Holds `bench` and `models`: the checkout, or `aebench` in site-packages."""
_NAMES = ("bench", "models")
_ours: dict[str, ModuleType] = {}
"""What `pin_temporarily` imported before, so that nothing is imported twice."""
_lock = threading.RLock()
"""For `pin_temporarily`: one thread must not take away what another one imports."""


def pin() -> None:
    """Import both packages from `ROOT`; others of the same names, and their submodules, are forgotten."""
    for name in _NAMES:
        if _is_ours(name):
            continue
        _take_away(name)
        spec = importlib.util.spec_from_file_location(name, ROOT / name / "__init__.py")
        assert spec is not None and spec.loader is not None  # noqa: S101, PT018 - a .py file has both
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)


@contextmanager
def pin_temporarily() -> Iterator[None]:
    """Pin, and give the names back to the caller's own packages, or to none, afterwards."""
    with _lock:
        lent = [name for name in _NAMES if not _is_ours(name)]
        theirs = {key: module for name in lent for key, module in _take_away(name).items()}
        sys.modules.update({key: module for key, module in _ours.items() if _find_package(key) in lent})
        try:
            pin()
            yield
        finally:
            for name in lent:
                _ours.update(_take_away(name))
            sys.modules.update(theirs)


def _is_ours(name: str) -> bool:
    imported = getattr(sys.modules.get(name), "__file__", None)
    return imported is not None and Path(imported).resolve() == ROOT / name / "__init__.py"


def _take_away(name: str) -> dict[str, ModuleType]:
    """Remove a package and its submodules from what is imported; returns them."""
    return {key: sys.modules.pop(key) for key in list(sys.modules) if _find_package(key) == name}


def _find_package(key: str) -> str:
    return key.partition(".")[0]


if __name__ == "__main__":
    pin()
    runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
