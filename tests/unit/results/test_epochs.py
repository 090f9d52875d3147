"""Epochs and samples in columns are what they were, and small."""

import math
from collections.abc import Iterator
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
from bench.results.schema import JOURNAL_LINE, Outcome, Timeline
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


@pytest.fixture(scope="module", params=[2, module._PIECE], autouse=True)
def _piece(request: pytest.FixtureRequest) -> Iterator[None]:
    """All that follows holds however many items are taken apart at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_PIECE", request.param)
        yield


@given(st.lists(EVENTS, max_size=5))
@settings(max_examples=30)
def test_epochs_come_out_as_they_went_in_to_the_last_bit(events: list[EpochEvent]) -> None:
    packed = Epochs(events)
    assert [repr(event) for event in packed] == [repr(event) for event in events]
    assert packed == tuple(events)
    assert len(packed) == len(events)


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
    packed = Epochs([*EPOCHS, replace(EPOCHS[0], train_loss=None)])
    assert list(packed.column("epoch")) == [1, 2, 3, 1]
    assert packed.column("train_loss")[1:] == [EPOCHS[1].train_loss, EPOCHS[2].train_loss, None]
    assert list(packed.column("other_cores")) == [0.01, 1.0, 0.01, 0.01]
    assert [bool(flag) for flag in packed.column("noisy")] == [bool(noise.find_noise(epoch.noise)) for epoch in packed]
    assert list(Epochs().column("train_s")) == []


def test_epochs_that_differ_in_one_bit_are_not_equal() -> None:
    other = (*EPOCHS[:2], replace(EPOCHS[2], train_s=math.nextafter(EPOCHS[2].train_s, 1)))
    assert Epochs(EPOCHS) != Epochs(other)
    assert Epochs(EPOCHS) == Epochs(EPOCHS)
    assert hash(Epochs(EPOCHS)) == hash(Epochs(EPOCHS))


def test_an_outcome_packs_what_it_gets_and_writes_what_it_got() -> None:
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


def test_epochs_take_a_tenth_of_what_the_journal_takes() -> None:
    outcome = scripted.outcome(scripted.case(checkpoints=(500,)))
    assert len(outcome.epochs._part.read()) < len(outcome.model_dump_json()) / 10


def test_a_mistake_within_the_epochs_is_told_with_its_place() -> None:
    text = scripted.outcome(epochs=EPOCHS).model_dump_json().replace('"epoch":3,', '"epoch":"three",', 1)
    with pytest.raises(ValidationError) as refused:
        JOURNAL_LINE.validate_json(text)
    assert refused.value.errors()[0]["loc"] == ("outcome", "epochs", 2, "epoch")
