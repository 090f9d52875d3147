"""What there is to measure: the files of models, loops and backends, read without importing them.

Importing one imports Keras, which costs seconds and hundreds of megabytes and belongs to the measured process alone; so
their declarations are literals, and this module reads them from the syntax tree.
"""

import ast
import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import models
from bench.errors import InvalidInput
from models.contract import Published, Settings

_CONSTRUCTORS: dict[str, Any] = {"Settings": Settings, "Published": Published}
_ROOT = Path(__file__).parents[2]
_LOOPS, _BACKENDS = Path("bench/worker/loops"), Path("bench/worker/backends")
DEFAULT_BACKEND = "tensorflow"
"""The blog's: what a profile runs on unless it names others, and what a report need not mention."""
NAME = r"^[A-Za-z0-9][A-Za-z0-9_+-]{0,29}$"
"""What a model, a loop or a dataset may be called, since files are named after it: no folder, no dot, not too long."""


@dataclass(frozen=True)
class Backend:
    """What the file of a backend declares."""

    title: str
    distributions: tuple[str, ...]
    """Packages that bring the library, in the order in which they are looked for."""
    threads_code: str = ""
    """What a script has at its top to let the backend use ``{threads}`` threads."""


@functools.cache
def read_model_settings() -> dict[str, Settings]:
    """Each model's `Settings` by name, in the blog's order where they have a place in it, then by name.

    A model is a file of the `models` package that assigns ``SETTINGS``.
    """
    found = _read_declarations(Path(next(iter(models.__path__))), "SETTINGS")
    settings = {_check_name(name): value for name, value in found if isinstance(value, Settings)}
    return dict(sorted(settings.items(), key=lambda item: (item[1].position or len(settings) + 1, item[0])))


def has_convolutions(model: str) -> bool:
    """Whether a model's file names one of Keras' convolutions: only a worker can build the model and look."""
    source = (Path(next(iter(models.__path__))) / f"{model}.py").read_text(encoding="utf-8")
    return re.search(r"\bConv\w*\(", source) is not None


@functools.cache
def read_backends() -> dict[str, Backend]:
    """The Keras backends by Keras' name for them, the default one first, then by name."""
    titles, distributions, threads = (
        dict(_read_declarations(_ROOT / _BACKENDS, name)) for name in ("TITLE", "DISTRIBUTIONS", "THREADS_CODE")
    )
    return {
        name: Backend(titles[name], distributions.get(name, (name,)), threads.get(name, ""))
        for name in sorted(titles, key=lambda name: (name != DEFAULT_BACKEND, name))
    }


def get_backend_title(name: str) -> str:
    """A backend's name for people; its own where this checkout has no such backend."""
    return read_backends()[name].title if name in read_backends() else name


@functools.cache
def read_loop_backends() -> dict[str, tuple[str, ...]]:
    """The backends that each training loop supports, by the loop's name: ``BACKENDS`` of its file."""
    found = _read_declarations(_ROOT / _LOOPS, "BACKENDS")
    return {name: tuple(read_backends()) if value == "all" else value for name, value in found}


@functools.cache
def read_loop_compile_arguments() -> dict[str, dict[str, Any]]:
    """What each training loop adds to the arguments of Keras' `compile`, by the loop's name: ``COMPILE`` of its file.

    Empty for a loop without.
    """
    found = dict(_read_declarations(_ROOT / _LOOPS, "COMPILE"))
    return {name: found.get(name, {}) for name in read_loop_backends()}


def format_compile_arguments(arguments: Mapping[str, Any]) -> str:
    """Format them as they stand in a script: "steps_per_execution=32, jit_compile=True"."""
    return ", ".join(f"{name}={value!r}" for name, value in arguments.items())


@functools.cache
def read_copyable_loops() -> dict[str, str]:
    """What a script that calls `fit` has to change to train as a loop does, by the loops that can be copied so.

    That is ``COMPILE`` of the loop's file, or its ``COPY``; nothing for `fit` itself.
    """
    compiled = {
        name: f"add `{format_compile_arguments(arguments)}` to `compile`"
        for name, arguments in read_loop_compile_arguments().items()
        if arguments
    }
    return {"fit": "", **compiled, **dict(_read_declarations(_ROOT / _LOOPS, "COPY"))}


def locate_model_file(name: str, root: Path) -> Path:
    """Where a checkout keeps a model."""
    return root / "models" / f"{name}.py"


def locate_loop_file(name: str, root: Path) -> Path:
    """Where a checkout keeps a loop."""
    return root / _LOOPS / f"{name}.py"


def _check_name(name: str) -> str:
    if not re.fullmatch(NAME, name):
        raise InvalidInput(f"models/{name}.py: a model's name has letters, digits, _, + and -, at most 30 in all.")
    return name


def _read_declarations(folder: Path, name: str) -> Iterator[tuple[str, Any]]:
    """The literal that each file of a folder assigns to ``name`` at its top level, by the file's name; not all do."""
    for path in sorted(folder.glob("*.py")):
        for node in _parse(path).body:
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            value = getattr(node, "value", None)
            if value is not None and any(isinstance(target, ast.Name) and target.id == name for target in targets):
                yield path.stem, _read_literal(value, path)
                break


def _parse(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    except SyntaxError as error:
        raise InvalidInput(f"{path.name}, line {error.lineno}, is not Python: {error.msg}.") from error


def _read_literal(node: ast.expr, path: Path) -> Any:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _CONSTRUCTORS:
        arguments = {str(keyword.arg): _read_literal(keyword.value, path) for keyword in node.keywords}
        try:
            return _CONSTRUCTORS[node.func.id](**arguments)
        except TypeError as error:
            raise InvalidInput(f"{path.name}, line {node.lineno}: {error}.") from error
    if isinstance(node, ast.Tuple):
        return tuple(_read_literal(item, path) for item in node.elts)
    try:
        return ast.literal_eval(node)
    except ValueError as error:
        where = f"{path.name}, line {node.lineno}"
        raise InvalidInput(
            f"{where}: a declaration holds literals only, since it is read without being run."
        ) from error
