"""`aebench advise`: what it tries, and what it prints."""

import json
from pathlib import Path
from typing import Any

import pytest
import scripted
from scripted import Script

from bench.errors import InvalidInput
from bench.plan import catalog
from bench.plan.profile import Case
from bench.results import journal
from bench.results.folder import ReportFolder
from bench.results.speed import CaseSpeed
from bench.sweep import advise
from bench.sweep.advise import AdviseRequest, choose_fields, rank_by_advice
from bench.sweep.flags import SweepRequest


def list_cases(*, has_bfloat16: bool = True, **flags: Any) -> list[Case]:
    fields = choose_fields(flags, has_bfloat16=has_bfloat16)
    return SweepRequest(None, fields, None, False, None, False).choose_profile().list_cases()


def list_ways(cases: list[Case]) -> list[tuple[str, str, int | None]]:
    return [(case.loop, case.precision, case.threads) for case in cases]


def test_each_loop_that_can_be_copied_is_tried_and_threads_and_precision_with_fit_and_the_strongest() -> None:
    ways = list_ways(list_cases())
    assert {loop for loop, precision, threads in ways if (precision, threads) == ("float32", None)} == {
        *catalog.read_copyable_loops(), "xla",
    }  # fmt: skip
    assert [way for way in ways if way[1:] != ("float32", None)] == [
        ("fit", "float32", 1), ("steps_jit", "float32", 1),
        ("fit", "mixed_bfloat16", None), ("steps_jit", "mixed_bfloat16", None),
    ]  # fmt: skip


def test_models_and_datasets_whose_epochs_take_long_are_trained_for_fewer() -> None:
    assert {case.model: case.run_epochs for case in list_cases(models=["basic", "denoising"])} == {
        "basic": 50, "denoising": 12,
    }  # fmt: skip
    assert {case.run_epochs for case in list_cases(dataset="mnist")} == {12}


def test_another_precision_is_tried_only_where_the_machine_has_it() -> None:
    assert {case.precision for case in list_cases(has_bfloat16=False)} == {"float32"}


def test_xla_is_left_out_where_nobody_has_measured_it() -> None:
    found = list_cases(models=["basic", "convolutional"])
    assert {case.model for case in found if case.loop == "xla"} == {"basic"}
    assert {case.model for case in found if case.loop == "jit"} == {"basic", "convolutional"}


def test_a_model_is_trained_with_the_batch_size_that_it_was_published_with_unless_others_are_named() -> None:
    assert {case.batch_size for case in list_cases(models=["convolutional"])} == {128}
    assert {case.batch_size for case in list_cases(models=["convolutional"], batch_sizes=[32, 64])} == {32, 64}


def test_on_another_backend_its_own_loops_are_tried() -> None:
    ways = list_ways(list_cases(backends=["jax"], has_bfloat16=False))
    assert {"fit", "xla"} <= {loop for loop, *_ in ways} <= {
        loop for loop, supported in catalog.read_loop_backends().items() if "jax" in supported
    }  # fmt: skip
    assert ("fit", "float32", 1) in ways


@pytest.mark.parametrize(("flags", "said"), [({"models": ["basci"]}, "--models"), ({"minutes": -1.0}, "--minutes")])
def test_what_cannot_be_tried_is_one_message(flags: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        list_cases(**flags)


def known(seconds: float, within: float, **axes: Any) -> tuple[Case, CaseSpeed]:
    reach = 1 + within
    speed = CaseSpeed(
        as_measured=seconds,
        quiet=seconds,
        low=seconds / reach,
        high=seconds * reach,
        processes=1,
        freedom=8,
        shared=0.5,
    )
    return scripted.case(**axes), speed


def rank(*cases: tuple[Case, CaseSpeed]) -> list[str]:
    return [f"{case.model} {case.loop}" for case, _ in rank_by_advice(cases)]


def test_further_processes_go_to_the_plain_way_and_the_fastest_to_copy_before_wider_intervals() -> None:
    assert rank(
        known(3.0, 0.06), known(3.0, 0.5, loop="steps"), known(1.0, 0.09, loop="xla"), known(1.5, 0.07, loop="jit"),
        known(1.5, 0.08, loop="steps_jit"),
    ) == ["basic steps_jit", "basic jit", "basic fit", "basic steps", "basic xla"]  # fmt: skip


def test_what_is_clearly_slower_to_copy_waits_until_the_advice_is_known() -> None:
    steps = known(2.0, 0.3, loop="steps")
    assert rank(known(3.0, 0.06), steps, known(1.9, 0.07, loop="jit"))[0] == "basic steps", "it may be the fastest"
    assert rank(known(3.0, 0.06), steps, known(1.0, 0.07, loop="jit"))[-1] == "basic steps"


def test_each_model_has_an_advice_of_its_own_and_another_backend_is_part_of_none() -> None:
    assert rank(
        known(3.0, 0.2, backend="jax", loop="steps"), known(1.0, 0.06), known(9.0, 0.08, model="deep"),
        known(6.0, 0.07, model="deep", loop="jit"),
    ) == ["deep fit", "deep jit", "basic fit", "basic steps"]  # fmt: skip


def test_without_a_plain_way_the_widest_interval_comes_first() -> None:
    assert rank(known(1.0, 0.06, loop="jit"), known(9.0, 0.07, loop="steps")) == ["basic steps", "basic jit"]


@pytest.fixture
def fast_jit(script: Script, monkeypatch: pytest.MonkeyPatch) -> Script:
    """`jit` takes a third of the time of all others."""
    real = scripted.outcome

    def end(of: Case | None = None, **changes: Any) -> Any:
        seconds = 1.0 if of and of.loop == "jit" else 3.0
        epochs = tuple(scripted.epoch(number, train_s=seconds) for number in range(1, 51))
        return real(of, **{"epochs": epochs, **changes})

    monkeypatch.setattr(scripted, "outcome", end)
    monkeypatch.setattr(advise, "leaves_onednn_out", lambda: False)
    return script


def run(folder: Path, *, as_json: bool, **flags: Any) -> int:
    return advise.advise(AdviseRequest(flags, None, False, folder, as_json))


def test_the_answer_alone_is_on_standard_output(
    tmp_path: Path, fast_jit: Script, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path / "report", as_json=False, batch_sizes=[4]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("basic · batch 4: add `jit_compile=True` to `compile`: 3.0 times as fast per epoch as `fit`")
    assert "Not clearly faster: " in out
    assert str(tmp_path / "report" / "report.html") in out
    assert "[1/" not in out
    assert "[1/" in err


@pytest.mark.parametrize(
    ("leaves_out", "backends", "models", "gpu", "is_said"),
    [
        (True, ["tensorflow"], ["basic", "convolutional"], None, True),
        (True, ["tensorflow"], ["basic"], None, False),
        (True, ["tensorflow"], ["convolutional"], "NVIDIA L4", False),
        (True, ["jax"], ["convolutional"], None, False),
        (False, ["tensorflow"], ["convolutional"], None, False),
    ],
)
def test_what_cannot_be_tried_is_hinted_at(
    tmp_path: Path,
    fast_jit: Script,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    leaves_out: bool,
    backends: list[str],
    models: list[str],
    gpu: str | None,
    is_said: bool,
) -> None:
    fast_jit.fingerprint = scripted.fingerprint(gpu=gpu)
    flags: dict[str, Any] = {"batch_sizes": [4], "backends": backends, "models": models}
    monkeypatch.setattr(advise, "leaves_onednn_out", lambda: leaves_out)
    run(tmp_path / "text", as_json=False, **flags)
    assert ("Put TF_ENABLE_ONEDNN_OPTS=1 before" in capsys.readouterr().out) is is_said
    run(tmp_path / "json", as_json=True, **flags)
    assert bool(json.loads(capsys.readouterr().out)["hint"]) is is_said


def test_the_minutes_that_are_left_go_to_what_the_advice_is_made_of(tmp_path: Path, fast_jit: Script) -> None:
    assert run(tmp_path / "report", as_json=True, batch_sizes=[4], minutes=5.0) == 0
    cases = [outcome.case for outcome in journal.read_journal(ReportFolder(tmp_path / "report").journal).outcomes]
    further = [(case.loop, case.threads) for case in cases if case.repeat]
    assert set(further) == {("fit", None), ("jit", None)}
    assert len(further) >= 4


def test_json_is_one_object(tmp_path: Path, fast_jit: Script, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path / "report", as_json=True, batch_sizes=[4]) == 0
    found = json.loads(capsys.readouterr().out)
    (model,) = found["models"]
    assert model["setting"]["compile_arguments"] == "jit_compile=True"
    assert model["setting"]["times_per_epoch"] == pytest.approx(3.0)
    assert model["setting"]["losses"] == "same loss"
    assert {each["name"] for each in model["tried"]} >= {"steps", "xla", "fit 1 thread"}
    assert found["report"] == str(tmp_path / "report")
