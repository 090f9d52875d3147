"""Models and loops are found and read without being run."""

import importlib
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import models
from bench.errors import InvalidInput
from bench.host.fingerprint import Fingerprint
from bench.plan import catalog
from models.contract import Published, Settings

ROOT = Path(__file__).parents[3]
SETTINGS = """
SETTINGS = Settings(
    title="t", section="s", source="b", batch_size=8, optimizer="adam", learning_rate=0.001, epochs=(5,),
    parameters=-1, codes=2, epoch_s=1.0,
    published=(Published(source="blog", epochs=5, quantity="val_loss", value=0.5),),
)
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder in the place of `models`."""
    monkeypatch.setattr(models, "__path__", [str(tmp_path)])
    catalog.read_model_settings.cache_clear()
    yield tmp_path
    catalog.read_model_settings.cache_clear()


def test_the_blogs_models_come_in_its_order() -> None:
    order = (
        *("basic", "sparse", "sparse_batch_sum", "deep", "convolutional"),
        *("denoising_small", "denoising", "sequence", "variational"),
    )
    assert tuple(name for name in catalog.read_model_settings() if name in order) == order


def test_no_model_file_is_missing_from_the_catalog() -> None:
    files = {path.stem for path in Path(next(iter(models.__path__))).glob("*.py")} - {"__init__", "contract", "images"}
    assert set(catalog.read_model_settings()) == files


def test_reading_the_catalog_runs_no_model_file(package: Path) -> None:
    (package / "mine.py").write_text("raise AssertionError\n" + SETTINGS)
    assert list(catalog.read_model_settings()) == ["mine"]


def test_figures_are_published_in_order_for_epochs_that_the_settings_name() -> None:
    for name, settings in catalog.read_model_settings().items():
        assert list(settings.epochs) == sorted(set(settings.epochs)), name
        assert {figure.epochs for figure in settings.published} <= set(settings.epochs), name
        assert settings.parameters > 0, name
        assert settings.epoch_s > 0, name


def test_models_come_in_the_order_of_their_positions_and_then_by_name(package: Path) -> None:
    for name, position in (("zebra", None), ("deep", 2), ("basic", 1), ("aardvark", None)):
        (package / f"{name}.py").write_text(SETTINGS.replace("codes=2", f"codes=2, position={position}"))
    assert list(catalog.read_model_settings()) == ["basic", "deep", "aardvark", "zebra"]


def test_what_a_model_declares_in_a_dictionary_is_read(package: Path) -> None:
    factors = 'epoch_factors={("jax", "fit", "float32"): 0.3}'
    (package / "mine.py").write_text(SETTINGS.replace("codes=2", f"codes=2, {factors}"))
    assert catalog.read_model_settings()["mine"].epoch_factors == {("jax", "fit", "float32"): 0.3}


def test_settings_are_read_with_what_was_published_and_with_signs(package: Path) -> None:
    (package / "mine.py").write_text("import nothing_that_exists\n" + SETTINGS)
    [settings] = catalog.read_model_settings().values()
    assert isinstance(settings, Settings)
    assert settings.parameters == -1
    assert settings.published == (Published(source="blog", epochs=5, quantity="val_loss", value=0.5),)


def test_annotated_settings_are_read_too(package: Path) -> None:
    (package / "mine.py").write_text(SETTINGS.replace("SETTINGS =", "SETTINGS: Settings ="))
    assert list(catalog.read_model_settings()) == ["mine"]


@pytest.mark.parametrize(
    "text", ["", "OTHER = 1\n", "SETTINGS = 3\n", "def f():\n    SETTINGS = x\n", "SETTINGS: int\n"]
)
def test_a_file_without_settings_is_no_model(package: Path, text: str) -> None:
    (package / "helper.py").write_text(text)
    assert catalog.read_model_settings() == {}


@pytest.mark.parametrize("value", ["SIZE", "6 ** 2", "int('8')", "[SIZE]"])
def test_settings_that_are_no_literals_are_refused_with_file_and_line(package: Path, value: str) -> None:
    (package / "mine.py").write_text("SIZE = 8\n\n" + SETTINGS.replace("batch_size=8", f"batch_size={value}"))
    with pytest.raises(InvalidInput, match=r"mine\.py, line 5: .*literals"):
        catalog.read_model_settings()


def test_every_backend_is_a_file_and_the_default_one_comes_first() -> None:
    assert list(catalog.read_backends()) == ["tensorflow", "jax", "torch"]
    torch = catalog.read_backends()["torch"]
    assert (torch.title, torch.distributions) == ("PyTorch", ("torch", "torch-nightly"))
    assert next(iter(catalog.read_backends())) == catalog.DEFAULT_BACKEND


def test_the_version_of_every_backend_is_in_the_fingerprint() -> None:
    assert set(catalog.read_backends()) <= set(Fingerprint.model_fields)


def test_every_backend_can_be_installed_by_an_extra_of_its_name() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(catalog.read_backends()) <= set(project["optional-dependencies"])


def test_a_backend_has_a_title_for_people_and_an_unknown_one_its_name() -> None:
    assert catalog.get_backend_title("torch") == "PyTorch"
    assert catalog.get_backend_title("mlx") == "mlx"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder `bench/worker` of a checkout without a loop or a backend."""
    monkeypatch.setattr(catalog, "_ROOT", tmp_path)
    for name in ("loops", "backends"):
        (tmp_path / "bench" / "worker" / name).mkdir(parents=True)
    clear_catalog()
    yield tmp_path / "bench" / "worker"
    clear_catalog()


def clear_catalog() -> None:
    catalog.read_backends.cache_clear()
    catalog.read_loop_backends.cache_clear()
    catalog.read_loop_compile_arguments.cache_clear()
    catalog.read_copyable_loops.cache_clear()


def test_a_new_file_is_a_new_backend_on_which_the_loops_for_all_run(checkout: Path) -> None:
    (checkout / "loops" / "everywhere.py").write_text('BACKENDS = "all"\n')
    (checkout / "loops" / "picky.py").write_text('BACKENDS = ("tensorflow",)\n')
    for name in ("mlx", "tensorflow"):
        text = f'import {name}_itself\nTITLE = "{name.upper()}"\n'
        (checkout / "backends" / f"{name}.py").write_text(text)
    assert catalog.read_backends()["mlx"] == catalog.Backend("MLX", ("mlx",))
    assert catalog.read_loop_backends() == {"everywhere": ("tensorflow", "mlx"), "picky": ("tensorflow",)}


def test_what_a_loop_adds_to_compile_is_read_without_running_its_file(checkout: Path) -> None:
    (checkout / "loops" / "plain.py").write_text('BACKENDS = "all"\n')
    text = 'import nothing_that_exists\nBACKENDS = "all"\nCOMPILE = {"steps_per_execution": 8, "jit_compile": True}\n'
    (checkout / "loops" / "faster.py").write_text(text)
    added = catalog.read_loop_compile_arguments()
    assert added == {"faster": {"steps_per_execution": 8, "jit_compile": True}, "plain": {}}
    assert catalog.format_compile_arguments(added["faster"]) == "steps_per_execution=8, jit_compile=True"
    assert catalog.format_compile_arguments(added["plain"]) == ""


def test_a_script_can_copy_what_a_loop_adds_to_compile_or_says_itself(checkout: Path) -> None:
    for name, declared in {"added": 'COMPILE = {"jit_compile": True}', "said": 'COPY = "say it"', "own": ""}.items():
        (checkout / "loops" / f"{name}.py").write_text(f'BACKENDS = "all"\n{declared}\n')
    assert catalog.read_copyable_loops() == {
        "fit": "",
        "added": "add `jit_compile=True` to `compile`",
        "said": "say it",
    }


def test_every_backend_says_how_a_script_limits_its_threads() -> None:
    for name, backend in catalog.read_backends().items():
        code = backend.threads_code.format(threads=3)
        compile(code, name, "exec")
        assert "3" in code


def test_every_loop_has_its_compile_arguments_and_fit_as_the_blog_calls_it_none() -> None:
    added = catalog.read_loop_compile_arguments()
    assert list(added) == list(catalog.read_loop_backends())
    assert added["fit"] == {}
    assert added["steps_jit"] == added["steps"] | added["jit"]


def test_files_of_models_and_loops_lie_where_they_are_read_from() -> None:
    assert all(catalog.locate_model_file(name, ROOT).is_file() for name in catalog.read_model_settings())
    assert all(catalog.locate_loop_file(name, ROOT).is_file() for name in catalog.read_loop_backends())


def test_every_loop_names_known_backends() -> None:
    folder = Path(catalog.__file__).parent.parent / "worker" / "loops"
    files = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    loops = catalog.read_loop_backends()
    assert set(loops) == files
    for backends in loops.values():
        assert backends
        assert set(backends) <= set(catalog.read_backends())


@pytest.mark.parametrize("name", ["tensorflow", "keras", "keras.layers", "jax", "torch"])
def test_no_unit_test_can_import_what_only_the_measured_process_may(name: str) -> None:
    with pytest.raises(ImportError, match="tests/integration"):
        importlib.import_module(name)
