"""What is said of wrong profiles and flags."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.errors import InvalidInput
from bench.plan import profile as profile_module
from bench.plan.profile import Profile, read_profile

MINIMAL = "epochs = [1]\nbatch_sizes = [8]\n"
Write = Callable[..., str]


def refusal(profile: str, **overrides: Any) -> str:
    with pytest.raises(InvalidInput) as raised:
        read_profile(profile, overrides)
    return str(raised.value)


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


@pytest.mark.parametrize(
    ("threads", "said"),
    [([0], "1 or more; got 0"), ([1, 1], "more than once"), ([], "something in it"), ("two", "list"), (True, "whole")],
)
def test_wrong_threads_are_refused(threads: Any, said: str) -> None:
    assert refusal("quick", threads=threads).startswith("--threads: ")
    assert said in refusal("quick", threads=threads)


def test_mistakes_in_additions_are_listed_with_their_place(toml: Write) -> None:
    said = refusal(toml(f"{MINIMAL}[[also]]\nloop = ['fit']\n[[also]]\nloops = ['fti']\n"))
    assert "also.0.loop: unknown key 'loop': did you mean 'loops'?" in said
    assert "also.1.loops: unknown loop 'fti'" in said


def test_a_loop_of_an_addition_must_run_on_every_backend(toml: Write) -> None:
    said = refusal(toml(f"backends = ['torch']\n{MINIMAL}[[also]]\nloops = ['graph']\n"))
    assert "loop 'graph' does not run on backend 'torch'" in said
