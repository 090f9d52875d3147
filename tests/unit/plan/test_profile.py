"""Profiles: what they expand to, and what is said of the wrong ones."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import InvalidInput
from bench.plan import catalog
from bench.plan import profile as profile_module
from bench.plan.profile import Profile, read_profile

MODELS = set(catalog.read_model_settings())
MINIMAL = "epochs = [1]\nbatch_sizes = [8]\n"
Write = Callable[..., str]


@pytest.fixture
def toml(tmp_path: Path) -> Write:
    """Writes a profile and gives its path."""

    def write(text: str | bytes, name: str = "mine.toml") -> str:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    return write


def refusal(profile: str, **overrides: Any) -> str:
    with pytest.raises(InvalidInput) as raised:
        read_profile(profile, overrides)
    return str(raised.value)


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


# --- what is refused -------------------------------------------------------------------------------------------------


def test_an_unknown_profile_is_answered_with_the_nearest_name_and_with_what_else_would_do() -> None:
    message = refusal("qiuck")
    assert "'qiuck'" in message
    assert "did you mean 'quick'" in message
    for expected in ("blog", "ci", "full", ".toml"):
        assert expected in message


@pytest.mark.parametrize(
    ("fields", "given", "near"),
    [
        ({"models": ["basci"]}, "basci", "basic"),
        ({"dataset": "mnist5k"}, "mnist5k", "mnist-5k"),
        ({"backends": ["tensorflo"]}, "tensorflo", "tensorflow"),
        ({"loops": ["fitt"]}, "fitt", "fit"),
    ],
)
def test_an_unknown_name_in_a_flag_is_answered_with_the_nearest(fields: dict[str, Any], given: str, near: str) -> None:
    message = refusal("quick", **fields)
    [flag] = fields
    assert f"--{flag}" in message
    assert repr(given) in message
    assert f"did you mean {near!r}" in message


@pytest.mark.parametrize(
    ("text", "path", "near"),
    [
        ("epoch = [1]", "epoch", "epochs"),
        ("[model.basic]\nbatch_size = [8]", "model.basic.batch_size", "batch_sizes"),
        ("[model.basci]\nepochs = [8]", "model", "basic"),
    ],
)
def test_an_unknown_key_in_a_file_is_named_by_its_path_with_the_nearest(
    toml: Write, text: str, path: str, near: str
) -> None:
    message = refusal(toml(MINIMAL + text + "\n"))
    assert f"{path}: " in message
    assert f"did you mean {near!r}" in message


@pytest.mark.parametrize(
    "epochs",
    [
        "[0]",
        "[-1]",
        "[100, 50]",
        "[50, 50]",
        "[true]",
        "[1.0]",
        "[1.5]",
        '["1"]',
        "50",
        "[]",
        '"50"',
        f"[1{'0' * 400}]",
    ],
)
def test_epochs_that_are_no_ascending_counts_are_refused(toml: Write, epochs: str) -> None:
    message = refusal(toml(f"epochs = {epochs}\nbatch_sizes = [8]\n"))
    assert "1 mistake" in message
    assert "  epochs" in message


def test_more_epochs_than_a_line_of_the_journal_should_hold_are_refused() -> None:
    message = refusal("quick", epochs=[50, profile_module.MOST_EPOCHS + 1])
    assert message.splitlines()[-1].endswith("a run has 100,000 epochs at most; got 100,001")
    stored = Profile(models=("basic",), epochs=(1,), batch_sizes=(8,)).model_copy(update={"epochs": (10**6,)})
    assert Profile.model_validate_json(stored.model_dump_json(), context=profile_module.STORED) == stored


def test_unordered_epochs_are_shown_with_an_example() -> None:
    message = refusal("quick", epochs=[100, 50])
    assert "--epochs" in message
    assert "[100, 50]" in message
    assert "[50, 100, 500]" in message


@pytest.mark.parametrize("sizes", ["[0]", "[-8]", "[8, 8]", "[true]", "[8.0]", '["8"]', "8", "[]"])
def test_batch_sizes_that_are_no_distinct_counts_are_refused(toml: Write, sizes: str) -> None:
    assert "  batch_sizes" in refusal(toml(f"epochs = [1]\nbatch_sizes = {sizes}\n"))


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("timeout_s = nan", "timeout_s"),
        ("timeout_s = inf", "timeout_s"),
        ("timeout_s = 0", "timeout_s"),
        ("timeout_s = -1.5", "timeout_s"),
        ("repeats = 0", "repeats"),
        ("repeats = true", "repeats"),
        ("repeats = 1001", "repeats"),
        ("seed = -1", "seed"),
        ("seed = 2147483648", "seed"),
        ("seed = 1.0", "seed"),
        ('name = "../../etc"', "name"),
        ('name = ""', "name"),
        ('optimizer = "sgd"', "optimizer"),
        ('precisions = ["float16"]', "precisions"),
        ('models = ["basic", "basic"]', "models"),
        ("models = []", "models"),
        ('models = "basic"', "models"),
        ("model = 3", "model"),
        ("[model]\nbasic = 3", "model.basic"),
        ("[model.basic]\nepochs = [2, 1]", "model.basic.epochs"),
        ("[model.basic]\nbatch_sizes = [8, 8]", "model.basic.batch_sizes"),
    ],
)
def test_a_wrong_value_is_named_by_its_path(toml: Write, line: str, path: str) -> None:
    message = refusal(toml(MINIMAL + line + "\n"))
    assert "1 mistake" in message
    assert f"  {path}" in message


def test_a_missing_key_is_named(toml: Write) -> None:
    message = refusal(toml(""))
    assert "2 mistakes" in message
    assert "epochs: is missing" in message
    assert "batch_sizes: is missing" in message


def test_four_mistakes_are_listed_at_once_each_with_its_path(toml: Write) -> None:
    path = toml('dataset = "mnits"\nmodels = ["deap"]\nepochs = [0]\nbatch_sizes = [8]\n[model.deep]\nepoch = [1]\n')
    message = refusal(path)
    first, *lines = message.splitlines()
    assert path in first
    assert "4 mistakes" in first
    assert [line.split(":")[0].strip() for line in lines] == ["dataset", "models", "epochs.0", "model.deep.epoch"]


def test_a_loop_that_does_not_run_on_a_backend_says_where_it_runs() -> None:
    message = refusal("quick", loops=["graph"], backends=["torch"])
    assert "'graph'" in message
    assert "'torch'" in message
    assert "it runs on tensorflow" in message


def test_a_models_own_loop_must_run_on_every_backend_too(toml: Write) -> None:
    text = 'epochs = [1]\nbatch_sizes = [4]\nbackends = ["jax"]\n[model.basic]\nloops = ["graph"]\n'
    message = refusal(toml(text))
    assert "loop 'graph' does not run on backend 'jax'; it runs on tensorflow" in message


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


def test_both_precisions_are_known_and_no_other() -> None:
    found = read_profile("quick", {"precisions": ["float32", "mixed_bfloat16"], "models": ["basic"]})
    assert {case.precision for case in found.list_cases()} == {"float32", "mixed_bfloat16"}
    assert refusal("quick", precisions=["float16"]).startswith("--precisions: ")


def test_a_flag_is_named_as_it_is_typed() -> None:
    message = refusal("quick", timeout_s=-1.0, batch_sizes=[0])
    assert message.startswith("the flags have 2 mistakes:\n")
    assert "  --timeout: " in message
    assert "  --batch-sizes: " in message


def test_values_are_refused_in_plain_words(toml: Write) -> None:
    text = """\
epochs = 50
batch_sizes = ["8", 0, true]
models = []
seed = 1.0
timeout_s = 0
stall_s = nan
name = "a b"
repeats = 5000
minutes = inf
within_percent = 0
precisions = ["float16"]
[model]
basic = 3
"""
    lines = refusal(toml(text)).splitlines()[1:]
    assert not [line for line in lines if "Input" in line or "Tuple" in line or "String" in line]
    for expected in (
        "epochs: must be a list; got 50",
        "batch_sizes.0: must be a whole number; got '8'",
        "batch_sizes.1: must be 1 or more; got 0",
        "models: must have something in it; got []",
        "timeout_s: must be more than 0; got 0",
        "stall_s: must be a finite number; got nan",
        "minutes: must be a finite number; got inf",
        "within_percent: must be more than 0; got 0",
        "repeats: must be 1000 or less; got 5000",
        "precisions.0: must be 'float32' or 'mixed_bfloat16'; got 'float16'",
    ):
        assert f"  {expected}" in lines


def test_a_flags_mistake_is_not_called_the_profiles(toml: Write) -> None:
    assert refusal("quick", models=["basci"]).startswith("--models: unknown model 'basci': did you mean 'basic'?")
    assert refusal("quick", loops=["graph"], backends=["jax"]).startswith("loop 'graph' does not run on backend 'jax'")
    path = toml("epochs = [0]\nbatch_sizes = [8]\n")
    both = refusal(path, models=["basci"]).splitlines()
    assert both[0] == f"profile {path} has 1 mistake:"
    assert both[1].startswith("  epochs.0: ")
    assert both[2] == "the flags have 1 mistake:"
    assert both[3].startswith("  --models: unknown model 'basci'")


@pytest.mark.parametrize(
    "text",
    ["epochs = [1", "not toml at all", "a = 1\na = 2\n", "epochs = [" + "1" * 5000 + "]", "a = " + "[" * 5000, "\0"],
    ids=["open bracket", "prose", "doubled key", "endless number", "deep nesting", "null byte"],
)
def test_a_file_that_is_not_toml_is_refused(toml: Write, text: str) -> None:
    path = toml(text)
    message = refusal(path)
    assert path in message
    assert "is not TOML" in message


def test_a_file_that_is_not_utf_8_is_refused(toml: Write) -> None:
    path = toml(b'description = "\xff\xfe"\n')
    assert refusal(path) == f"profile {path} is not UTF-8 text."


def test_a_folder_is_no_profile(tmp_path: Path) -> None:
    (tmp_path / "folder.toml").mkdir()
    message = refusal(str(tmp_path / "folder.toml"))
    assert "folder.toml" in message
    assert "cannot be read" in message


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    message = refusal(str(tmp_path / "absent.toml"))
    assert "absent.toml" in message
    assert "No such file" in message


def test_a_huge_file_is_refused_unread(toml: Write) -> None:
    assert "larger than 1 MiB" in refusal(toml("#" * (2 << 20)))


def test_a_sweep_of_too_many_cases_is_refused_with_their_number() -> None:
    profile = Profile(models=("basic",), epochs=(1,), batch_sizes=tuple(range(1, 102)), repeats=1000)
    with pytest.raises(InvalidInput, match=r"101,000 cases; at most 100,000"):
        profile.list_cases()


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


@pytest.mark.parametrize(
    ("threads", "said"),
    [([0], "1 or more; got 0"), ([1, 1], "more than once"), ([], "something in it"), ("two", "list"), (True, "whole")],
)
def test_wrong_threads_are_refused(threads: Any, said: str) -> None:
    assert refusal("quick", threads=threads).startswith("--threads: ")
    assert said in refusal("quick", threads=threads)


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


def test_mistakes_in_additions_are_listed_with_their_place(toml: Write) -> None:
    said = refusal(toml(f"{MINIMAL}[[also]]\nloop = ['fit']\n[[also]]\nloops = ['fti']\n"))
    assert "also.0.loop: unknown key 'loop': did you mean 'loops'?" in said
    assert "also.1.loops: unknown loop 'fti'" in said


def test_a_loop_of_an_addition_must_run_on_every_backend(toml: Write) -> None:
    said = refusal(toml(f"backends = ['torch']\n{MINIMAL}[[also]]\nloops = ['graph']\n"))
    assert "loop 'graph' does not run on backend 'torch'" in said
