"""Which backends are installed here, and what is said of those that are not."""

import importlib.util
import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

import bench
from bench.errors import InvalidInput
from bench.host import fingerprint


def install(monkeypatch: pytest.MonkeyPatch, *names: str, folders: tuple[str, ...] = ()) -> None:
    """Have these libraries, and folders that only bear a library's name, on the path."""

    def find_spec(name: str) -> ModuleSpec | None:
        if name in folders:
            return ModuleSpec(name, None, is_package=True)
        return ModuleSpec(name, None, origin=f"{name}/__init__.py") if name in names else None

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)


def test_backends_are_found_by_the_files_that_an_import_would_read(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "torch", "jax", "keras", folders=("tensorflow",))
    assert fingerprint.find_backends() == ["jax", "torch"]


def test_the_backends_of_this_machine_are_looked_for_without_importing_them() -> None:
    code = (
        "import sys; from bench.host import fingerprint; fingerprint.find_backends();"
        "print({'tensorflow', 'jax', 'torch', 'keras'} & set(sys.modules))"
    )
    root = Path(bench.__file__).parent.parent
    done = subprocess.run((sys.executable, "-c", code), stdout=subprocess.PIPE, check=True, cwd=root)
    assert done.stdout.decode().strip() == "set()"


def test_installed_backends_are_let_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "jax", "torch")
    fingerprint.check_backends(("jax", "torch"))


def test_a_missing_backend_is_refused_with_what_to_install_and_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "jax")
    with pytest.raises(InvalidInput) as refused:
        fingerprint.check_backends(("jax", "tensorflow"))
    assert str(refused.value) == (
        "backend 'tensorflow' is not installed here: `python -m pip install tensorflow` installs what is missing, and "
        "so does `nox -s bench -- --backends jax,tensorflow` in a checkout. Installed backends: jax. "
        "Choose with --backends jax."
    )


def test_where_no_backend_is_installed_none_is_proposed(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)
    with pytest.raises(InvalidInput) as refused:
        fingerprint.check_backends(("tensorflow", "torch"))
    assert "backends 'tensorflow' and 'torch' are not installed" in str(refused.value)
    assert "`python -m pip install tensorflow torch`" in str(refused.value)
    assert str(refused.value).endswith("Installed backends: none.")
