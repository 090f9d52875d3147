"""What home keeps: rows merged by machine, case and attempt."""

from pathlib import Path

import pytest
import scripted

from bench.errors import InvalidInput
from bench.fleet.code import list_differences, list_other_libraries, read_code
from bench.fleet.ledger import FleetFile, open_ledger, read_fleet_file
from bench.fleet.report import merge_accounts

HEADER = scripted.header()
FILE = FleetFile(sweep="0" * 32, spread="machines", scheduler="tcp://127.0.0.1:1", header=HEADER)
FIRST, SECOND = HEADER.cases[:2]


def test_a_row_counts_once_however_often_it_comes(tmp_path: Path) -> None:
    with open_ledger(tmp_path / "out", FILE, is_new=True) as ledger:
        account = ledger.open_account("one", HEADER)
        row = scripted.outcome(FIRST)
        assert account.add(row)
        assert not account.add(row)
        assert account.settled == {FIRST.case_id}


def test_what_home_has_is_there_again(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with open_ledger(out, FILE, is_new=True) as ledger:
        account = ledger.open_account("one", HEADER)
        account.add(scripted.outcome(FIRST))
        account.add(scripted.outcome(SECOND, reached=1))
    assert read_fleet_file(out) == FILE
    with open_ledger(out, FILE, is_new=False) as ledger:
        account = ledger.accounts["one"]
        assert account.settled == {FIRST.case_id}, "what failed may be run again"
        assert account.runs == {FIRST.case_id: 1, SECOND.case_id: 1}
        assert account.add(scripted.outcome(SECOND, attempt=2))
        assert not account.is_unwell


def test_a_case_that_failed_as_often_as_it_may_is_settled(tmp_path: Path) -> None:
    file = FILE.model_copy(update={"header": scripted.header(profile=scripted.profile(retries=0))})
    with open_ledger(tmp_path / "out", file, is_new=True) as ledger:
        ledger.open_account("one", HEADER).add(scripted.outcome(FIRST, reached=1))
    with open_ledger(tmp_path / "out", file, is_new=False) as ledger:
        assert ledger.accounts["one"].settled == {FIRST.case_id}
        assert ledger.accounts["one"].is_unwell


def test_a_case_is_open_to_all_until_it_ended_well_or_failed_once_more_than_it_may(tmp_path: Path) -> None:
    file = FILE.model_copy(update={"header": scripted.header(profile=scripted.profile(retries=1))})
    with open_ledger(tmp_path / "out", file, is_new=True) as ledger:
        one, two = (ledger.open_account(label, HEADER) for label in ("one", "two"))
        one.add(scripted.outcome(FIRST))
        one.add(scripted.outcome(SECOND, reached=1))
        assert list(ledger.open) == [SECOND.case_id]
        two.lose(SECOND.case_id)
        assert list(ledger.open) == []
    with open_ledger(tmp_path / "out", file, is_new=False) as ledger:
        assert list(ledger.open) == [SECOND.case_id], "what a worker died with is not on the disk"


def test_another_machine_of_the_same_label_is_refused_by_what_differs(tmp_path: Path) -> None:
    other = HEADER.model_copy(
        update={"fingerprint": scripted.fingerprint(cpu_model="Other"), "environment_id": "e000000000000"}
    )
    with open_ledger(tmp_path / "out", FILE, is_new=True) as ledger:
        ledger.open_account("one", HEADER)
        with pytest.raises(InvalidInput, match="cpu_model: 'Scripted CPU' before, 'Other' now"):
            ledger.open_account("one", other)


def test_a_second_home_in_a_folder_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with (
        open_ledger(out, FILE, is_new=True),
        pytest.raises(InvalidInput, match="being written by another run"),
        open_ledger(out, FILE, is_new=False),
    ):
        pass


@pytest.mark.parametrize("text", ["", "{", '{"sweep": "x"}', "[]"])
def test_a_file_that_is_none_of_a_fleets_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "fleet.json").write_text(text)
    with pytest.raises(InvalidInput, match="is not what"):
        read_fleet_file(tmp_path)
    with pytest.raises(InvalidInput, match="holds no fleet's sweep"):
        read_fleet_file(tmp_path / "absent")


def test_merged_machines_have_one_row_per_case_the_one_that_went_well(tmp_path: Path) -> None:
    with open_ledger(tmp_path / "out", FILE, is_new=True) as ledger:
        usual = HEADER.model_copy(update={"usual_gb_per_s": 20.0, "usual_hours": 3})
        one, two = ledger.open_account("one", usual), ledger.open_account("two", HEADER)
        one.add(scripted.outcome(SECOND))
        one.add(scripted.outcome(FIRST, reached=1))
        two.add(scripted.outcome(FIRST))
        two.add(scripted.outcome(SECOND, reached=1))
        header, outcomes = merge_accounts([one, two])
    assert (header.usual_gb_per_s, header.usual_hours) == (None, None), "that of one machine is not that of all"
    assert [(each.case.case_id, each.status) for each in outcomes] == [(FIRST.case_id, "ok"), (SECOND.case_id, "ok")]


def test_other_code_is_named() -> None:
    here = read_code()
    assert list(list_differences(here, here)) == []
    other = {"version": "9.9", "commit": "b" * 40, "sources": "x", "lock": "y"}
    there = here.model_copy(update=other)
    found = list(list_differences(here.model_copy(update={"commit": "a" * 40, "lock": "z"}), there))
    assert [each.partition(" ")[0] for each in found] == ["aebench", "commit", "another"]
    uncommitted = here.model_copy(update={"sources": "x"})
    assert "other source files" in next(list_differences(here, uncommitted))


def test_libraries_that_train_have_to_be_those_of_the_first_machine() -> None:
    known: dict[str, str] = {}
    assert list(list_other_libraries(known, scripted.fingerprint(), ("tensorflow",))) == []
    other = scripted.fingerprint(tensorflow="2.19.0", jax="0.5", numpy="1.0")
    assert list(list_other_libraries(known, other, ("tensorflow",))) == [
        "tensorflow 2.19.0 there, 2.20.0 in the rest of the fleet"
    ]
