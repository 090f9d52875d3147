"""Profiles: what they expand to."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.plan import catalog
from bench.plan import profile as profile_module
from bench.plan.profile import Profile, read_profile

MODELS = set(catalog.read_model_settings())
MINIMAL = "epochs = [1]\nbatch_sizes = [8]\n"
Write = Callable[..., str]


# --- cases -----------------------------------------------------------------------------------------------------------


def test_one_run_has_all_epoch_counts_as_checkpoints() -> None:
    [case] = Profile(models=("basic",), epochs=(50, 100, 500), batch_sizes=(256,)).list_cases()
    assert case.checkpoints == (50, 100, 500)
    assert case.run_epochs == 500


def test_repeats_are_outermost() -> None:
    cases = Profile(models=("basic", "deep"), epochs=(1,), batch_sizes=(8, 16), repeats=2).list_cases()
    assert [(case.repeat, case.model, case.batch_size) for case in cases] == list(
        itertools.product((0, 1), ("basic", "deep"), (8, 16))
    )


def test_every_case_carries_the_profiles_seed() -> None:
    cases = Profile(epochs=(1,), batch_sizes=(8,), seed=17, repeats=2).list_cases()
    assert {case.seed for case in cases} == {17}


@pytest.mark.parametrize(
    ("asked", "model", "expected"),
    [
        ("adam", "basic", ("adam", 0.001)),
        ("adadelta", "basic", ("adadelta", 1.0)),
        ("adadelta", "variational", ("adadelta", 1.0)),
        ("blog", "basic", ("adadelta", 1.0)),
        ("blog", "variational", ("rmsprop", 0.001)),
    ],
)
def test_an_optimizer_stands_for_its_learning_rate(asked: Any, model: str, expected: tuple[str, float]) -> None:
    [case] = Profile(models=(model,), epochs=(1,), batch_sizes=(8,), optimizer=asked).list_cases()
    assert (case.optimizer, case.learning_rate) == expected


def test_a_model_may_differ_from_the_sweep() -> None:
    profile = Profile.model_validate(
        {"models": ["basic", "deep"], "epochs": [1], "batch_sizes": [8], "model": {"deep": {"epochs": [2, 4]}}}
    )
    assert {case.model: (case.checkpoints, case.batch_size) for case in profile.list_cases()} == {
        "basic": ((1,), 8),
        "deep": ((2, 4), 8),
    }


def test_a_case_id_does_not_depend_on_how_long_the_case_runs() -> None:
    short, long = (
        Profile(models=("basic",), epochs=epochs, batch_sizes=(8,)).list_cases() for epochs in [(1,), (1, 50)]
    )
    assert short[0].case_id == long[0].case_id


COUNTS = st.integers(1, profile_module.MOST_EPOCHS)
CHECKPOINTS = st.sets(COUNTS, min_size=1, max_size=4).map(sorted)
SIZES = st.lists(COUNTS, min_size=1, max_size=4, unique=True)
OVERRIDES = st.fixed_dictionaries({}, optional={"epochs": CHECKPOINTS, "batch_sizes": SIZES})


@given(
    st.fixed_dictionaries(
        {
            "models": st.lists(st.sampled_from(sorted(MODELS)), min_size=1, unique=True),
            "epochs": CHECKPOINTS,
            "batch_sizes": SIZES,
            "repeats": st.integers(1, 3),
            "seed": st.integers(0, 2**31 - 1),
            "optimizer": st.sampled_from(["adam", "adadelta", "blog"]),
            "dataset": st.sampled_from(sorted(profile_module.DATASET_SIZES)),
            "model": st.dictionaries(st.sampled_from(sorted(MODELS)), OVERRIDES, max_size=3),
        }
    )
)
def test_any_valid_profile_expands_to_distinct_cases_whose_checkpoints_ascend(fields: dict[str, Any]) -> None:
    profile = Profile.model_validate(fields)
    cases = profile.list_cases()
    assert len({case.case_id for case in cases}) == len(cases)
    assert len({(case.repeat, case.model, case.batch_size) for case in cases}) == len(cases)
    assert all(list(case.checkpoints) == sorted(set(case.checkpoints)) and case.checkpoints[0] >= 1 for case in cases)
    assert [case.repeat for case in cases] == sorted(case.repeat for case in cases)
    assert {case.seed for case in cases} == {profile.seed}
    assert Profile.model_validate_json(profile.model_dump_json()) == profile


# --- files and flags -------------------------------------------------------------------------------------------------


def test_a_persons_own_file_is_read(toml: Write) -> None:
    profile = read_profile(toml(MINIMAL + 'models = ["deep"]\ntimeout_s = 60\n', "on my laptop.toml"))
    assert [case.model for case in profile.list_cases()] == ["deep"]
    assert profile.timeout_s == 60
    assert profile.name == "on-my-laptop"


def test_without_models_all_are_run(toml: Write) -> None:
    assert {case.model for case in read_profile(toml(MINIMAL)).list_cases()} == MODELS


def test_flags_beat_the_profile() -> None:
    profile = read_profile("quick", {"models": ["deep"], "seed": 5, "repeats": 2, "dataset": "mnist"})
    assert {(case.model, case.seed, case.dataset) for case in profile.list_cases()} == {("deep", 5, "mnist")}
    assert len(profile.list_cases()) == 4


def test_flags_beat_a_models_exception() -> None:
    profile = read_profile("quick", {"epochs": [1, 2], "batch_sizes": [32]})
    assert {case.checkpoints for case in profile.list_cases()} == {(1, 2)}
    assert {case.batch_size for case in profile.list_cases()} == {32}


def test_a_flag_for_epochs_leaves_a_models_own_batch_sizes() -> None:
    cases = read_profile("blog", {"epochs": [1]}).list_cases()
    assert {case.model: case.batch_size for case in cases}["variational"] == 100
    assert {case.checkpoints for case in cases} == {(1,)}


def test_a_model_may_be_trained_in_loops_of_its_own(toml: Write) -> None:
    text = 'models = ["basic", "deep"]\nepochs = [1]\nbatch_sizes = [4]\n[model.basic]\nloops = ["fit", "xla"]\n'
    found = read_profile(toml(text))
    assert [(case.model, case.loop) for case in found.list_cases()] == [
        ("basic", "fit"),
        ("basic", "xla"),
        ("deep", "fit"),
    ]
    noisy = read_profile(toml(text), {"loops": ["graph"]})
    assert [(case.model, case.loop) for case in noisy.list_cases()] == [("basic", "graph"), ("deep", "graph")]


def test_every_key_of_a_profile_is_documented() -> None:
    page = (Path(profile_module.__file__).parents[2] / "docs" / "profiles.md").read_text(encoding="utf-8")
    documented = {line.split("`")[1] for line in page.splitlines() if line.startswith("| `")}
    assert documented == (set(profile_module.Profile.model_fields) - {"model"}) | {"model.NAME"}


@pytest.mark.parametrize(
    "flag",
    [{"epochs": [3]}, {"batch_sizes": [8]}, {"loops": ["fit"]}, {"backends": ["torch"]}, {"precisions": ["float32"]}],
)
def test_a_flag_that_names_an_axis_leaves_out_loops_that_the_profile_adds(flag: dict[str, Any]) -> None:
    as_it_is = read_profile("quick", {"models": ["basic"]})
    assert {case.loop for case in as_it_is.list_cases()} == {"fit", "steps_jit", "xla"}
    assert {case.loop for case in read_profile("quick", {"models": ["basic"], **flag}).list_cases()} == {"fit"}


@pytest.mark.parametrize(
    "flag", [{"epochs": [3]}, {"batch_sizes": [8]}, {"precisions": ["float32"]}, {"backends": ["tensorflow"]}]
)
def test_a_flag_that_names_an_axis_keeps_loops_that_a_model_has_in_place_of_the_profiles(flag: dict[str, Any]) -> None:
    changed = read_profile("scaling", {"models": ["basic", "convolutional"], **flag})
    ways = {(case.model, case.loop) for case in changed.list_cases()}
    assert ways == {("basic", "fit"), ("basic", "xla"), ("convolutional", "fit"), ("convolutional", "graph")}
    asked = read_profile("scaling", {"models": ["convolutional"], "loops": ["xla"], **flag})
    assert {case.loop for case in asked.list_cases()} == {"xla"}
    elsewhere = read_profile("scaling", {"models": ["convolutional"], "backends": ["jax"]})
    assert {case.loop for case in elsewhere.list_cases()} == {"fit", "xla"}, "graph is TensorFlow's"


# --- threads and additions -------------------------------------------------------------------------------------------


def test_threads_are_an_axis_and_part_of_a_cases_name_where_they_are_asked_for() -> None:
    cases = Profile(models=("basic",), epochs=(1,), batch_sizes=(8,), threads=(1, 2)).list_cases()
    assert [case.threads for case in cases] == [1, 2]
    assert [case.case_id.removeprefix("basic.tensorflow.fit.float32.adam-0.001.") for case in cases] == [
        "b8.mnist-5k.s0.t1.r0", "b8.mnist-5k.s0.t2.r0",
    ]  # fmt: skip
    assert ["thread" in case.title for case in cases] == [True, True]
    [free] = Profile(models=("basic",), epochs=(1,), batch_sizes=(8,)).list_cases()
    assert free.threads is None
    assert free.case_id == "basic.tensorflow.fit.float32.adam-0.001.b8.mnist-5k.s0.r0"
    assert "thread" not in free.title


def test_a_single_number_of_threads_needs_no_list(toml: Write) -> None:
    assert read_profile(toml(f"threads = 3\n{MINIMAL}")).threads == (3,)
    assert read_profile(toml(f"threads = [1, 2]\n{MINIMAL}")).threads == (1, 2)


ALSO = """
models = ["basic", "deep"]
loops = ["fit", "graph"]
epochs = [1]
batch_sizes = [8]

[[also]]
loops = ["fit"]
threads = [1]

[[also]]
models = ["deep"]
loops = ["fit"]
precisions = ["mixed_bfloat16", "float32"]
"""


def test_additions_are_single_ways_beside_the_product_of_the_axes(toml: Write) -> None:
    found = read_profile(toml(ALSO)).list_cases()
    assert [(case.model, case.loop, case.precision, case.threads) for case in found] == [
        ("basic", "fit", "float32", None), ("basic", "graph", "float32", None), ("basic", "fit", "float32", 1),
        ("deep", "fit", "float32", None), ("deep", "graph", "float32", None), ("deep", "fit", "float32", 1),
        ("deep", "fit", "mixed_bfloat16", None),
    ]  # fmt: skip


@pytest.mark.parametrize("flag", [{"threads": [2]}, {"loops": ["fit"]}, {"epochs": [3]}])
def test_a_flag_that_names_an_axis_drops_the_additions(flag: dict[str, Any], toml: Write) -> None:
    assert read_profile(toml(ALSO), flag).also == ()
    assert read_profile(toml(ALSO), {"seed": 3}).also


def test_a_stored_profile_keeps_its_additions(toml: Write) -> None:
    profile = read_profile(toml(ALSO))
    assert profile_module.change_profile(profile, {"retries": 1}).list_cases() == profile.list_cases()
