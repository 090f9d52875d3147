"""Epochs and samples that are kept as columns come out as they went in."""

import math
from dataclasses import fields, replace
from typing import Any

import pytest
import scripted
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from bench.host import noise
from bench.host.noise import Interval
from bench.results import epochs as module
from bench.results.epochs import Epochs, MemorySamples
from bench.results.journal_lines import JOURNAL_LINE, Outcome, Timeline
from bench.worker.protocol import EpochEvent

FLOATS = st.floats(allow_nan=False)
WHOLE = st.integers(-(2**63), 2**63 - 1)


def numbers_of(kind: type) -> st.SearchStrategy[dict[str, Any]]:
    """Any values that the numeric fields of a dataclass may have."""
    of_type: dict[Any, Any] = {
        int: WHOLE,
        float: FLOATS,
        int | None: st.none() | WHOLE,
        float | None: st.none() | FLOATS,
    }
    return st.fixed_dictionaries({field.name: of_type[field.type] for field in fields(kind) if field.type in of_type})


EVENTS = st.builds(
    lambda own, seen: EpochEvent(**own, noise=Interval(**seen)), numbers_of(EpochEvent), numbers_of(Interval)
)


@given(st.lists(EVENTS, max_size=5))
@settings(max_examples=30)
def test_epochs_come_out_as_they_went_in_to_the_last_bit(events: list[EpochEvent]) -> None:
    columns = Epochs(events)
    assert [repr(event) for event in columns] == [repr(event) for event in events]
    assert columns == tuple(events)
    assert len(columns) == len(events)


@given(st.lists(st.tuples(st.floats(), st.floats()), max_size=4))
def test_samples_come_out_as_they_went_in_whatever_the_numbers(pairs: list[tuple[float, float]]) -> None:
    assert repr(tuple(MemorySamples(pairs))) == repr(tuple(pairs))


EPOCHS = tuple(scripted.epoch(n, noise=scripted.NOISY if n == 2 else scripted.QUIET) for n in (1, 2, 3))


@pytest.mark.parametrize("place", [0, 2, -1, -3, slice(1), slice(1, None), slice(None, None, 2), slice(5, 9)])
def test_places_and_slices_are_those_of_a_tuple(place: int | slice) -> None:
    assert Epochs(EPOCHS)[place] == EPOCHS[place]


@pytest.mark.parametrize("place", [3, -4])
def test_a_place_outside_is_refused_as_by_a_tuple(place: int) -> None:
    with pytest.raises(IndexError):
        Epochs(EPOCHS)[place]


def test_a_column_has_one_number_of_each_epoch() -> None:
    columns = Epochs([*EPOCHS, replace(EPOCHS[0], train_loss=None)])
    assert list(columns.get_column("epoch")) == [1, 2, 3, 1]
    assert columns.get_column("train_loss")[1:] == [EPOCHS[1].train_loss, EPOCHS[2].train_loss, None]
    assert list(columns.get_column("other_cores")) == [0.01, 1.0, 0.01, 0.01]
    assert columns.get_column("noisy") == [bool(noise.find_noise(epoch.noise)) for epoch in columns]
    assert list(Epochs().get_column("train_s")) == []


def test_epochs_that_differ_in_one_bit_are_not_equal() -> None:
    other = (*EPOCHS[:2], replace(EPOCHS[2], train_s=math.nextafter(EPOCHS[2].train_s, 1)))
    assert Epochs(EPOCHS) != Epochs(other)
    assert Epochs(EPOCHS) == Epochs(EPOCHS)
    assert hash(Epochs(EPOCHS)) == hash(Epochs(EPOCHS))


def test_an_outcome_keeps_columns_and_writes_what_it_got() -> None:
    timeline = Timeline(interval_s=0.5, samples=((0.5, 100.0), (1.0, 300.0)))
    outcome = scripted.outcome(epochs=EPOCHS, timeline=timeline)
    assert isinstance(outcome.epochs, Epochs)
    assert isinstance(timeline.samples, MemorySamples)
    read = JOURNAL_LINE.validate_json(outcome.model_dump_json())
    assert read == outcome
    assert isinstance(read, Outcome)
    assert isinstance(read.epochs, Epochs)


def test_a_number_that_fits_nowhere_is_a_mistake_of_the_line() -> None:
    text = scripted.outcome(epochs=EPOCHS[:1]).model_dump_json().replace('"cores":2', f'"cores":{2**63}')
    with pytest.raises(ValueError, match="beyond all that can be measured"):
        JOURNAL_LINE.validate_json(text)


def test_more_items_than_are_made_at_once_come_out_in_order() -> None:
    samples = [(float(number), -float(number)) for number in range(2 * module._CHUNK + 1)]
    assert list(MemorySamples(samples)) == samples


def test_none_and_not_a_number_stay_different_also_among_whole_numbers() -> None:
    odd = replace(EPOCHS[0], train_loss=math.nan, val_loss=None, noise=replace(scripted.QUIET, cores=None))
    event = Epochs([odd, EPOCHS[1]])[0]
    assert event.train_loss is not None
    assert math.isnan(event.train_loss)
    assert event.val_loss is None
    assert event.noise.cores is None
    assert Epochs([odd, EPOCHS[1]]).get_column("cores") == [None, 2]


@pytest.mark.parametrize("value", [2**53 + 1, 2**63 - 1, -(2**63)])
def test_whole_numbers_stay_exact_beside_a_missing_one(value: int) -> None:
    noise = replace(scripted.QUIET, minor_faults=value)
    events = [replace(EPOCHS[0], noise=noise), replace(EPOCHS[1], noise=replace(noise, minor_faults=None))]
    assert Epochs(events).get_column("minor_faults") == [value, None]


def test_numbers_of_a_column_are_pythons_own() -> None:
    columns = Epochs(EPOCHS)
    assert {type(value) for name in ("epoch", "train_s", "noisy") for value in columns.get_column(name)} == {
        int,
        float,
        bool,
    }


def test_a_mistake_within_the_epochs_is_reported_with_its_place() -> None:
    text = scripted.outcome(epochs=EPOCHS).model_dump_json().replace('"epoch":3,', '"epoch":"three",', 1)
    with pytest.raises(ValidationError) as refused:
        JOURNAL_LINE.validate_json(text)
    assert refused.value.errors()[0]["loc"] == ("outcome", "epochs", 2, "epoch")
