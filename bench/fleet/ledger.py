"""What home has of a fleet's sweep: one report folder per machine, merged by machine, case and attempt.

DIR/fleet.json               which sweep this is, where it runs and how
DIR/machines/LABEL/          a report folder like any other; its journal is a copy of the machine's own
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from bench.errors import InvalidInput, quote
from bench.fleet.messages import SweepId
from bench.host.fingerprint import Fingerprint, StrictModel
from bench.plan.profile import STORED, Case
from bench.results import journal
from bench.results.folder import ReportFolder, write_whole
from bench.results.journal_lines import Outcome, SweepHeader
from bench.results.schema import check_schema_version

Spread = Literal["machines", "cases"]
_MOST_BYTES = 256 << 20


class FleetFile(StrictModel):
    """`fleet.json`: what a later command has to know of a fleet's sweep."""

    sweep: SweepId
    spread: Spread
    scheduler: str
    machines: Annotated[int, Field(ge=1)] = 1
    """The sweep does not end before so many took part."""
    header: SweepHeader
    """What is measured; the machine in it is home."""


def read_fleet_file(out: Path) -> FleetFile:
    """Read the file of a folder. Raises `InvalidInput`."""
    path = out / "fleet.json"
    try:
        with path.open("rb") as file:
            found = FleetFile.model_validate_json(file.read(_MOST_BYTES), context=STORED)
    except OSError as error:
        raise InvalidInput(
            f"{out} holds no fleet's sweep ({path.name}: {error.strerror}); name the --out of `aebench fleet start`."
        ) from error
    except ValidationError as error:
        why = error.errors(include_url=False)[0]["msg"]
        raise InvalidInput(f"{path} is not what `aebench fleet start` writes: {quote(why)}.") from error
    check_schema_version(found.header.schema_version, str(path))
    return found


@dataclass
class Account:
    """One machine's rows at home."""

    label: str
    folder: ReportFolder
    header: SweepHeader
    writer: journal.Writer
    count: Callable[[str, bool], None]
    """Hears of each new row, and each case with which the worker died: the case's id, and whether it ended well."""
    statuses: dict[str, str] = field(default_factory=dict)
    """How each case ended last, by its id."""
    runs: Counter[str] = field(default_factory=Counter)
    settled: set[str] = field(default_factory=set)
    """Cases that are not to be run again: they ended, now or well, or as often as the retries allow."""
    took_s: float = 0.0
    """Seconds that all rows of this run took."""
    took: int = 0
    lost: Counter[str] = field(default_factory=Counter)
    """How often the worker died with a case."""

    def add(self, outcome: Outcome) -> bool:
        """Write a row that home has not got; returns whether it was new. It is on the disk afterwards."""
        case_id = outcome.case.case_id
        if outcome.attempt <= self.runs[case_id]:
            return False
        self.writer.append(outcome)
        self.runs[case_id] = outcome.attempt
        self.statuses[case_id] = outcome.status
        self.settled.add(case_id)
        self.count(case_id, outcome.status == "ok")
        self.took_s += outcome.duration_s
        self.took += 1
        return True

    def lose(self, case_id: str) -> None:
        """Note that the worker died with a case."""
        self.lost[case_id] += 1
        self.count(case_id, False)

    @property
    def is_unwell(self) -> bool:
        """Whether a case failed, or was given up."""
        return any(status != "ok" for status in self.statuses.values()) or bool(self.settled - self.statuses.keys())


class Ledger:
    """All machines' rows; only outcomes' states are kept in memory, since a fleet has many thousands."""

    def __init__(self, out: Path, file: FleetFile) -> None:
        self.out = out
        self.file = file
        self.accounts: dict[str, Account] = {}
        self.cases: dict[str, Case] = {case.case_id: case for case in file.header.cases}
        """Those of the sweep, by their ids."""
        self.open: dict[str, Case] = dict(self.cases)
        """Those that a machine has to run with ``--spread cases``.

        Of the others, one machine has ended it well, or all together have failed, or died with it, once more than the
        retries allow: a single machine that is broken does not use up the sweep.
        """
        self._tries: Counter[str] = Counter()
        self._open = ExitStack()

    def _count(self, case_id: str, is_well: bool) -> None:
        self._tries[case_id] += 1
        if is_well or self._tries[case_id] > self.file.header.profile.retries:
            self.open.pop(case_id, None)

    def open_account(self, label: str, header: SweepHeader) -> Account:
        """Open a machine's folder, with the machine's own header of the sweep. Raises `InvalidInput`."""
        account = self.accounts.get(label)
        if account is None:
            folder = ReportFolder(self.out / "machines" / label)
            folder.root.mkdir(parents=True, exist_ok=True)
            is_begun = folder.journal.is_file()
            writer = self._open.enter_context(journal.open_writer(folder, None if is_begun else header))
            stored = journal.read_journal(folder.journal)
            account = self.accounts[label] = Account(label, folder, stored.header, writer, self._count)
            account.runs = Counter(stored.runs)
            account.statuses = {case_id: outcome.status for case_id, outcome in stored.latest.items()}
            retries = self.file.header.profile.retries
            account.settled = {
                case_id
                for case_id, status in account.statuses.items()
                if status == "ok" or account.runs[case_id] > retries
            }
            for outcome in stored.outcomes:
                self._count(outcome.case.case_id, outcome.status == "ok")
        if account.header.environment_id != header.environment_id:
            raise InvalidInput(
                f"the machine of that label was another one, or had other software: "
                f"{describe_differences(account.header.fingerprint, header.fingerprint)}"
            )
        return account

    def open_stored(self) -> None:
        """Open the folders of all machines that have rows at home."""
        for path in sorted((self.out / "machines").glob("*/journal.jsonl")):
            self.open_account(path.parent.name, journal.read_header(path))

    def close(self) -> None:
        """Let others write there."""
        self._open.close()


def describe_differences(one: Fingerprint, two: Fingerprint) -> str:
    """Say in which facts two machines differ."""
    facts = ((name, getattr(one, name), getattr(two, name)) for name in Fingerprint.model_fields)
    return "; ".join(f"{name}: {a!r} before, {b!r} now" for name, a, b in facts if a != b)


@contextmanager
def open_ledger(out: Path, file: FleetFile, *, is_new: bool) -> Iterator[Ledger]:
    """Lock a fleet's folder and open what it has. Raises `InvalidInput` where another home writes there."""
    out.mkdir(parents=True, exist_ok=True)
    with journal.lock_folder(ReportFolder(out)):
        if is_new or read_fleet_file(out) != file:
            write_whole(out / "fleet.json", file.model_dump_json() + "\n")
        ledger = Ledger(out, file)
        try:
            ledger.open_stored()
            yield ledger
        finally:
            ledger.close()


def read_outcomes(account: Account) -> list[Outcome]:
    """Read a machine's last row of each case."""
    return list(journal.read_journal(account.folder.journal).latest.values())
