"""The profiles that come with the harness."""

import itertools
from pathlib import Path

import pytest

from bench.plan import catalog
from bench.plan.catalog import read_model_settings
from bench.plan.profile import list_profiles, read_profile

MODELS = set(catalog.read_model_settings())


def test_four_profiles_come_with_the_harness() -> None:
    assert list_profiles() == ["blog", "ci", "full", "quick", "scaling"]


@pytest.mark.parametrize("name", ["blog", "ci", "full", "quick", "scaling"])
def test_a_shipped_profile_carries_its_file_name_and_expands(name: str) -> None:
    profile = read_profile(name)
    assert profile.name == name
    assert profile.description
    assert profile.list_cases()


def test_the_readme_says_what_the_default_sweeps() -> None:
    quick = read_profile("quick")
    assert (len(quick.list_cases()), len(quick.models), quick.epochs, quick.batch_sizes) == (
        22,
        9,
        (1, 2, 10),
        (128, 256),
    )
    assert (quick.minutes, quick.loops, quick.model["basic"].loops) == (6, ("fit",), ("fit", "steps_jit", "xla"))
    readme = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
    words = " ".join(readme.split())
    assert "nine models, 1, 2 and 10 epochs, batch sizes 128 and 256" in words
    assert "`fit`, and for the basic model `fit` with one line more in `compile`, and XLA" in words
    assert "six minutes" in readme


def test_the_blog_profile_trains_each_model_as_published() -> None:
    cases = read_profile("blog").list_cases()
    trained = {case.model: (case.batch_size, case.optimizer, case.learning_rate, case.checkpoints) for case in cases}
    assert len(cases) == len(trained)
    assert {case.dataset for case in cases} == {"mnist"}
    published = {
        "basic": (256, "adadelta", 1.0, (50, 100, 500)),
        "sparse": (256, "adadelta", 1.0, (100,)),
        "sparse_batch_sum": (256, "adadelta", 1.0, (100,)),
        "deep": (256, "adadelta", 1.0, (100,)),
        "convolutional": (128, "adadelta", 1.0, (50,)),
        "denoising_small": (128, "adadelta", 1.0, (100,)),
        "denoising": (128, "adadelta", 1.0, (100,)),
        "sequence": (256, "adam", 0.001, (50,)),
        "variational": (100, "rmsprop", 0.001, (50,)),
    }
    assert {model: trained[model] for model in published} == published


def test_the_blog_profile_gives_each_model_its_own_batch_size_and_reaches_its_published_figures() -> None:
    settings = catalog.read_model_settings()
    for case in read_profile("blog").list_cases():
        assert case.batch_size == settings[case.model].batch_size, case.model
        published = {figure.epochs for figure in settings[case.model].published if figure.source == "blog"}
        assert published <= set(case.checkpoints), case.model


def test_the_quick_profile_runs_every_model_at_two_batch_sizes_and_three_checkpoints_as_far_apart_as_the_blogs() -> (
    None
):
    cases = read_profile("quick").list_cases()
    assert {case.model for case in cases} == MODELS
    assert len(cases) == 2 * len(MODELS) + 4
    assert {case.model for case in cases if case.loop != "fit"} == {"basic"}
    assert {case.dataset for case in cases} == {"mnist-5k"}
    for case in cases:
        first = case.checkpoints[0]
        assert case.checkpoints == (first, 2 * first, 10 * first)
    for model in MODELS:
        assert len({case.batch_size for case in cases if case.model == model}) == 2


def test_only_the_quick_profile_has_minutes() -> None:
    assert {name: read_profile(name).minutes for name in list_profiles()} == {
        "blog": None,
        "ci": None,
        "full": None,
        "quick": 6,
        "scaling": None,
    }


def test_the_full_profile_runs_every_model_at_the_blogs_epochs_and_four_batch_sizes() -> None:
    cases = read_profile("full").list_cases()
    assert {(case.model, case.batch_size) for case in cases} == set(itertools.product(MODELS, (64, 128, 256, 512)))
    assert {case.checkpoints for case in cases} == {(50, 100, 500)}
    assert {case.dataset for case in cases} == {"mnist"}


def test_the_ci_profile_is_small() -> None:
    cases = read_profile("ci").list_cases()
    assert len(cases) == 3
    assert {case.dataset for case in cases} == {"mnist-5k"}


def test_scaling_trains_every_model_with_fit_and_one_fast_loop_at_six_batch_sizes() -> None:
    cases = read_profile("scaling").list_cases()
    loops = {model: {case.loop for case in cases if case.model == model} for model in read_model_settings()}
    assert all("fit" in found and len(found) == 2 for found in loops.values())
    assert loops["convolutional"] == {"fit", "graph"}
    assert {case.batch_size for case in cases} == {32, 64, 128, 256, 512, 1024}
