"""The time left: planned before anything ran, corrected by what ran."""

import pytest
import scripted

from bench.plan import catalog
from bench.plan.estimate import Remaining, estimate_seconds, format_duration
from bench.plan.forecast import Forecast
from bench.plan.profile import Case

CASES = scripted.profile(models=("basic", "deep", "convolutional"), epochs=(10,), batch_sizes=(100,)).list_cases()


def planned(*cases: object) -> float:
    return sum(seconds_of(case, 60_000) for case in CASES if not cases or case in cases)


def seconds_of(case: Case, samples: int = 4_000) -> float:
    seconds = estimate_seconds(case, samples, samples // 6)
    assert seconds is not None
    return seconds


@pytest.fixture
def remaining() -> Remaining:
    return Remaining(CASES, 60_000, 10_000)


def test_more_epochs_more_images_and_smaller_batches_take_longer() -> None:
    base = seconds_of(scripted.case(checkpoints=(10,), batch_size=256))
    assert seconds_of(scripted.case(checkpoints=(20,), batch_size=256)) > base
    assert seconds_of(scripted.case(checkpoints=(10,), batch_size=64)) > base
    assert seconds_of(scripted.case(checkpoints=(10,), batch_size=256), 60_000) > base


def test_only_the_last_checkpoint_counts_since_the_others_lie_on_its_way() -> None:
    one, three = (seconds_of(scripted.case(checkpoints=checkpoints)) for checkpoints in [(10,), (1, 2, 10)])
    assert one == three


def test_a_loop_takes_as_much_longer_or_shorter_as_it_was_measured_to() -> None:
    fit, xla = (seconds_of(scripted.case(checkpoints=(500,), loop=loop), 60_000) for loop in ("fit", "xla"))
    assert xla < fit / 3
    jax = scripted.case(model="convolutional", backend="jax", checkpoints=(500,))
    assert seconds_of(jax, 60_000) > 5 * seconds_of(scripted.case(model="convolutional", checkpoints=(500,)), 60_000)
    shaped = [scripted.case(model=model, loop="xla", checkpoints=(500,)) for model in ("sparse", "sparse_batch_sum")]
    assert len({seconds_of(case) for case in shaped}) == 1


@pytest.mark.parametrize("model", ["convolutional", "denoising", "denoising_small"])
def test_convolutions_under_xla_have_no_estimate(model: str) -> None:
    for backend in ("tensorflow", "jax"):
        assert estimate_seconds(scripted.case(model=model, loop="xla", backend=backend), 4_000, 1_000) is None


def test_what_was_foretold_of_a_case_is_its_plan() -> None:
    case = scripted.case(checkpoints=(10,))
    remaining = Remaining([case], 60_000, 10_000, {case.name: Forecast(5.0, 1.0, 800.0)})
    assert remaining.compute_seconds() == 15.0


def test_every_model_has_an_estimate_as_the_blog_trains_it() -> None:
    for model in catalog.read_model_settings():
        assert seconds_of(scripted.case(model=model)) > 0


def run(remaining: Remaining, case: Case, took_s: float | None) -> None:
    remaining.start(case)
    remaining.finish(took_s)


def test_cases_without_an_estimate_are_counted_apart_and_slow_nothing_down() -> None:
    unknown = [scripted.case(model="convolutional", loop="xla", repeat=number) for number in (0, 1)]
    remaining = Remaining([*CASES, *unknown], 60_000, 10_000)
    assert remaining.compute_seconds() == pytest.approx(planned())
    assert remaining.describe() == f"about {format_duration(planned())} and 2 cases without an estimate"
    run(remaining, unknown[0], 1e6)
    remaining.start(unknown[1])
    assert remaining.compute_seconds(1e6) == pytest.approx(planned())
    assert remaining.describe(1e6).endswith(" and 1 case without an estimate")
    remaining.finish(1e6)
    assert remaining.compute_seconds() == pytest.approx(planned())
    for case in CASES:
        run(remaining, case, 10.0)
    assert remaining.describe() == "about 0 s"


def test_a_case_without_an_estimate_is_estimated_by_its_epochs_once_there_are_two() -> None:
    case = scripted.case(model="convolutional", loop="xla", checkpoints=(10,))
    remaining = Remaining([case], 60_000, 10_000)
    remaining.start(case)
    remaining.note_epoch(1, 50.0)
    assert remaining.describe(55.0) == "1 case without an estimate"
    remaining.note_epoch(2, 60.0)
    assert remaining.describe(60.0) == "about 1 min 20 s"


def test_before_anything_ran_the_plan_is_what_is_left(remaining: Remaining) -> None:
    assert remaining.compute_seconds() == pytest.approx(planned())


def test_a_case_that_took_twice_as_long_as_planned_calibrates_what_is_left() -> None:
    long, short = ([scripted.case(checkpoints=(epochs,), repeat=number) for number in (0, 1)] for epochs in (500, 1))
    for cases, samples, least, most in ((long, 60_000, 1.9, 2.0), (short, 40, 1.3, 1.6)):
        remaining, plan = Remaining(cases, samples, samples // 6), seconds_of(cases[0], samples)
        run(remaining, cases[0], 2 * plan)
        assert least * plan < remaining.compute_seconds() < most * plan, "a short case does not overrule the plan"


def test_a_case_that_failed_calibrates_nothing(remaining: Remaining) -> None:
    run(remaining, CASES[0], None)
    assert remaining.compute_seconds() == pytest.approx(planned(*CASES[1:]))


def test_the_running_case_counts_down_until_its_epochs_say_more(remaining: Remaining) -> None:
    remaining.start(CASES[0])
    assert remaining.compute_seconds(5.0) == pytest.approx(planned() - 5)
    training_s = remaining.compute_seconds(1e9) - planned(*CASES[1:])
    assert 0.5 * planned(CASES[0]) < training_s < planned(CASES[0]), "a slow start does not shorten the training"
    remaining.note_epoch(1, 1e9)
    assert remaining.compute_seconds(1e9) - planned(*CASES[1:]) == pytest.approx(0.9 * training_s)


def test_the_pace_of_the_running_case_is_what_is_left_of_it_and_calibrates_the_others() -> None:
    cases = [scripted.case(checkpoints=(500,), repeat=number) for number in (0, 1)]
    remaining, plan = Remaining(cases, 60_000, 10_000), seconds_of(cases[0], 60_000)
    remaining.start(cases[0])
    epoch_s = 2 * plan / 500
    for epoch in range(1, 301):
        remaining.note_epoch(epoch, epoch * epoch_s)
    left = remaining.compute_seconds(300 * epoch_s)
    assert left == pytest.approx(200 * epoch_s + 2 * plan, rel=0.05)
    assert remaining.compute_seconds(300 * epoch_s + 1) == pytest.approx(left - 1, rel=0.01)


def test_something_is_left_while_there_are_epochs_to_go() -> None:
    case = scripted.case(checkpoints=(10,))
    remaining = Remaining([case], 60_000, 10_000)
    remaining.start(case)
    assert remaining.compute_seconds(1e6) > 0
    for epoch in range(1, 10):
        remaining.note_epoch(epoch, 2.0 * epoch)
    assert remaining.compute_seconds(1e6) > 0
    assert remaining.describe(1e6) == "about 1 s"
    remaining.note_epoch(10, 1e6)
    assert remaining.compute_seconds(1e6) == 0


def test_nothing_is_left_when_all_are_finished(remaining: Remaining) -> None:
    for case in CASES:
        run(remaining, case, 10.0)
    assert remaining.compute_seconds() == 0


def test_nothing_is_left_of_nothing() -> None:
    assert Remaining([], 60_000, 10_000).compute_seconds() == 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (200, "3 min 20 s"),
        (3599.9, "1 h 0 min"),
        (7500, "2 h 5 min"),
        (360_000, "100 h 0 min"),
    ],
)
def test_durations_are_said_as_a_person_says_them(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text
