"""What there is to measure: model files and loop files, read without importing them.

Importing one imports Keras, which costs seconds and hundreds of megabytes and belongs to the measured process alone; so
their declarations are literals, and this module reads them from the syntax tree.
"""

import ast
import functools
import re
from pathlib import Path
from typing import Any

import models
from bench.errors import InvalidInput
from models.contract import Published, Settings

_CONSTRUCTORS: dict[str, Any] = {"Settings": Settings, "Published": Published}
_LOOP_FOLDER = Path(__file__).parent.parent / "worker" / "loops"
BACKENDS = ("tensorflow", "jax", "torch")
NAME = r"^[A-Za-z0-9][A-Za-z0-9_+-]{0,29}$"
"""What a model, a loop or a dataset may be called, since files are named after it: no folder, no dot, not too long."""


@functools.cache
def model_settings() -> dict[str, Settings]:
    """Each model's `Settings` by name, in the blog's order where the name is the blog's, then by name.

    A model is a file of the `models` package that assigns ``SETTINGS``.
    """
    folder = Path(next(iter(models.__path__)))
    found = {path.stem: _declared(path, "SETTINGS") for path in sorted(folder.glob("*.py"))}
    settings = {_named(name): value for name, value in found.items() if isinstance(value, Settings)}
    return dict(sorted(settings.items(), key=lambda item: (_blog_position(item[0]), item[0])))


@functools.cache
def loop_backends() -> dict[str, tuple[str, ...]]:
    """The backends that each training loop supports, by the loop's name: ``BACKENDS`` of its file."""
    found = {path.stem: _declared(path, "BACKENDS") for path in sorted(_LOOP_FOLDER.glob("*.py"))}
    return {name: tuple(value) for name, value in found.items() if value is not None}


def _named(name: str) -> str:
    if not re.fullmatch(NAME, name):
        raise InvalidInput(f"models/{name}.py: a model's name has letters, digits, _, + and -, at most 30 in all.")
    return name


def _blog_position(name: str) -> int:
    order = ("basic", "sparse", "sparse_batch_sum", "deep", "convolutional", "denoising_small", "denoising", "sequence")
    return order.index(name) if name in order else len(order)


def _declared(path: Path, name: str) -> Any:
    """The literal that a file assigns to ``name`` at its top level; None where it assigns none."""
    for node in _syntax(path).body:
        if isinstance(node, ast.Assign) and any(_is_named(target, name) for target in node.targets):
            return _literal(node.value, path)
        if isinstance(node, ast.AnnAssign) and _is_named(node.target, name) and node.value is not None:
            return _literal(node.value, path)
    return None


def _syntax(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    except SyntaxError as error:
        raise InvalidInput(f"{path.name}, line {error.lineno}, is not Python: {error.msg}.") from error


def _is_named(target: ast.expr, name: str) -> bool:
    return isinstance(target, ast.Name) and target.id == name


def _literal(node: ast.expr, path: Path) -> Any:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _CONSTRUCTORS:
        arguments = {str(keyword.arg): _literal(keyword.value, path) for keyword in node.keywords}
        try:
            return _CONSTRUCTORS[node.func.id](**arguments)
        except TypeError as error:
            raise InvalidInput(f"{path.name}, line {node.lineno}: {error}.") from error
    if isinstance(node, ast.Tuple):
        return tuple(_literal(item, path) for item in node.elts)
    try:
        return ast.literal_eval(node)
    except ValueError as error:
        where = f"{path.name}, line {node.lineno}"
        raise InvalidInput(
            f"{where}: a declaration holds literals only, since it is read without being run."
        ) from error
