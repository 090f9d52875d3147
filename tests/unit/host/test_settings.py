"""What the environment can change of a measured process: whatever is hostile is removed, set or recorded."""

from fnmatch import fnmatchcase

import pytest
from faults.hostile_settings import HARMLESS, HOSTILE

from bench.host import fingerprint
from bench.host.fingerprint import take_fingerprint
from bench.host.settings import FIXED, SETTINGS
from bench.sweep.process import make_environment


@pytest.fixture(autouse=True)
def _versions_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most of a fingerprint's time is spent in looking for versions, which do not change here."""
    monkeypatch.setattr(fingerprint, "_read_version", lambda *_names: None)


@pytest.mark.parametrize("threads", [None, 2])
@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_no_hostile_setting_changes_figures_in_silence(
    name: str, threads: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(name, raising=False)  # TensorFlow, imported by another test, sets some itself
    before = take_fingerprint(sets_threads=threads is not None).env_flags
    monkeypatch.setenv(name, HOSTILE[name])
    reaches_the_process = make_environment("tensorflow", threads).get(name) == HOSTILE[name]
    is_recorded = take_fingerprint(sets_threads=threads is not None).env_flags != before
    assert reaches_the_process == is_recorded, "removed or set, else recorded; what is recorded is what was measured"


@pytest.mark.parametrize("name", sorted(HARMLESS))
def test_a_setting_that_changes_no_figure_is_the_persons_own_and_belongs_to_no_identity(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(name, raising=False)
    before = take_fingerprint()
    monkeypatch.setenv(name, HARMLESS[name])
    assert make_environment("tensorflow", None)[name] == HARMLESS[name]
    assert take_fingerprint() == before


@pytest.mark.parametrize("pattern", [name for each in SETTINGS for name in each.names])
def test_every_setting_has_an_example(pattern: str) -> None:
    assert any(fnmatchcase(name, pattern) for name in {**HOSTILE, **HARMLESS})


def test_no_name_is_listed_below_one_that_covers_it() -> None:
    """The second would never be looked at."""
    names = [name for each in SETTINGS for name in each.names]
    assert len(names) == len(set(names))
    for number, each in enumerate(SETTINGS):
        above = [name.rstrip("*") for other in SETTINGS[:number] for name in other.names if name.endswith("*")]
        assert not [name for name in each.names if name.startswith(tuple(above))]


def test_every_setting_has_its_reason_and_only_what_is_set_has_a_value() -> None:
    assert all(each.reason for each in SETTINGS)
    assert [each.names[0] for each in SETTINGS if each.value] == list(FIXED)
