"""Home of a fleet: gives each machine one case at a time, and gathers the rows."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from bench.errors import InvalidInput, quote
from bench.fleet import code as codes
from bench.fleet import messages as say
from bench.fleet.ledger import Account, Ledger, describe_differences
from bench.fleet.machine import answer
from bench.fleet.member import DiskRefused, Member, Plan, Refused
from bench.plan.profile import STORED, Case
from bench.results.journal_lines import Outcome, SweepHeader

_LOOK_S = 0.5
"""Home asks the scheduler so often who is there."""
_PATIENCE_S = 20.0
"""An answer that takes no work takes no longer."""
_CONNECT_S = 10.0
_AGAIN_S = 5.0
_Reply = TypeVar("_Reply", bound=BaseModel)


@dataclass
class Home:
    """Works on one sweep until it is done, however often connections are lost."""

    distributed: Any
    ledger: Ledger
    plan: Plan
    read_images: Callable[[], bytes]
    """The dataset as one npz."""
    tell: Callable[[str], None]
    """Shows a line to the person."""
    revive: Callable[[], None] = lambda: None
    """Starts the scheduler again, where it is this machine's. Raises `InvalidInput` where it is not."""
    show: Callable[["Home"], None] = lambda _home: None
    """Draws where everything stands."""
    finished: Callable[[Member, Outcome], None] = lambda _member, _outcome: None
    members: dict[str, Member] = field(default_factory=dict)
    """By label."""
    refusals: dict[str, str] = field(default_factory=dict)
    """Why machines do not take part, by label."""
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    """Is set by Ctrl-C."""
    _client: Any = None
    _seen: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Each Dask worker's last heartbeat, and when home saw that it was another one."""
    _libraries: dict[str, str] = field(default_factory=dict)
    """What every machine has to have: what home has, and of what home lacks that of the first machine."""
    _code: say.Code = field(default_factory=codes.read_code)
    _sending: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(2))
    """Datasets on their way: each is in memory meanwhile."""
    _changed_at: float = field(default_factory=time.monotonic)
    """When a machine joined or a case ended last, or machines were still to come."""
    _is_lost: bool = False

    # ------------------------------------------------------------------ connections

    async def run(self) -> None:
        """Work until all is done or `stop` is set. Raises `InvalidInput` where no machine came for a lease."""
        while not self.stop.is_set():
            try:
                async with self._connect():
                    if await self._watch():
                        return
            except OSError as error:
                if self.stop.is_set():
                    return
                if not self._is_lost:
                    self.tell(f"No connection to {self.ledger.file.scheduler} ({quote(error, 120)}); trying again.")
                self._is_lost = True
                with contextlib.suppress(InvalidInput):  # it is another machine's: somebody there starts it again
                    await asyncio.to_thread(self.revive)
            for member in self.members.values():
                member.address = None
            self._check_lease()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stop.wait(), _LOOK_S)

    @contextlib.asynccontextmanager
    async def _connect(self, *, heeds_stop: bool = True) -> AsyncIterator[None]:
        client = self.distributed.Client(
            self.ledger.file.scheduler,
            asynchronous=True,
            timeout=_CONNECT_S,
            set_as_default=False,
            connection_limit=10_000,  # a call that waits for a case keeps one
        )
        try:
            await self._unless_stopped(client, heeds=heeds_stop)
            self._client = client
            client.subscribe_topic(say.TOPIC, self._hear)
            if self._is_lost:
                self.tell("Connected again.")
                self._is_lost = False
            yield
        finally:
            self._client = None
            with contextlib.suppress(Exception):
                await asyncio.wait_for(client.close(), 5)

    async def _unless_stopped(self, client: Any, *, heeds: bool) -> None:
        """Wait until a client is connected. Raises `OSError` where it is not, or where Ctrl-C came first."""

        async def connect() -> None:
            await client

        connecting, stopping = asyncio.create_task(connect()), asyncio.create_task(self.stop.wait())
        await asyncio.wait({connecting, stopping} if heeds else {connecting}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not connecting.done():
            connecting.cancel()
            raise ConnectionAbortedError("interrupted")
        await connecting

    async def _watch(self) -> bool:
        """Serve each machine that is there or comes; returns whether the sweep is done."""
        serving: dict[str, asyncio.Task[None]] = {}
        try:
            while not self.stop.is_set():
                identity = await asyncio.wait_for(self._client.scheduler.identity(n_workers=-1), _PATIENCE_S)
                self._note_heartbeats({address: each["last_seen"] for address, each in identity["workers"].items()})
                self._tend(serving, identity["workers"])
                self._check_lease()
                self.show(self)
                is_served = all(task.done() for task in serving.values())
                if is_served if self.plan.only_collect else self._is_done():
                    return True
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.stop.wait(), _LOOK_S)
            return False
        finally:
            for task in serving.values():
                task.cancel()
            await asyncio.gather(*serving.values(), return_exceptions=True)

    def _tend(self, serving: dict[str, asyncio.Task[None]], addresses: Collection[str]) -> None:
        """Serve who is new or was not served to the end; no longer serve who is gone. Raises what ended a task."""
        for address, task in list(serving.items()):
            if address not in addresses:
                task.cancel()
                del serving[address]
            elif task.done():
                task.result()
                if not self.plan.only_collect:
                    del serving[address]
        for address in addresses:
            if address not in serving:
                serving[address] = asyncio.create_task(self._serve(address))

    def _note_heartbeats(self, heard: dict[str, float]) -> None:
        now = time.monotonic()
        for address, last_seen in heard.items():
            if self._seen.get(address, (None, 0.0))[0] != last_seen:
                self._seen[address] = last_seen, now
        for member in self.members.values():
            if member.address in heard:
                member.heard_at = self._seen[member.address][1]

    async def call(self, address: str, request: BaseModel, kind: type[_Reply], data: bytes = b"") -> _Reply:
        """Ask a machine. Raises `Refused` where it refuses, `OSError` where it is gone."""
        try:
            replies = await self._client.run(answer, request.model_dump_json(), data, workers=[address])
            text = replies[address]
        except (KeyError, AttributeError) as error:  # the scheduler, or this client, has just lost it
            raise OSError(f"{address} is gone") from error
        except OSError:
            raise
        except Exception as error:  # a Dask worker without aebench raises anything
            why = f"{type(error).__name__}: {error}"
            raise Refused(f"it cannot answer ({why}); start it with `aebench fleet worker`") from error
        if text.startswith('{"refusal":'):
            raise Refused(say.Refusal.model_validate_json(text).refusal)
        try:
            return kind.model_validate_json(text, context=STORED)
        except ValidationError as error:
            raise Refused(f"its answer is none: {error.errors(include_url=False)[0]['msg']}") from error

    # ------------------------------------------------------------------ one machine

    async def _serve(self, address: str) -> None:
        """Do all with one machine, as long as it is there."""
        label = address
        member: Member | None = None
        try:
            description = await asyncio.wait_for(self.call(address, say.Describe(), say.Description), _PATIENCE_S)
            label = description.label
            member = await self._admit(address, description)
            while member.address == address and not self.plan.only_collect and not self.stop.is_set():
                case = self._choose(member)
                if case is None:
                    await asyncio.sleep(_LOOK_S)
                else:
                    await self._run_case(member, address, case)
        except (Refused, InvalidInput) as refusal:
            if member is not None:
                member.refusals += 1
            if self.refusals.get(label) != str(refusal):
                self.refusals[label] = str(refusal)
                self.tell(f"{label} does not take part: {quote(refusal)}")
            if not self.plan.only_collect:
                await asyncio.sleep(_AGAIN_S)  # then it is asked again: what was wrong may be over
        except (OSError, TimeoutError):
            pass  # it went away; it may come back as another worker
        finally:
            if member is not None and member.address == address:
                member.address = None

    async def _admit(self, address: str, description: say.Description) -> Member:
        """Let a machine take part, once it has all that the others have. Raises `Refused`."""
        label, header = description.label, self.ledger.file.header
        other = self.members.get(label)
        if other is not None and other.refusals > header.profile.retries:
            raise Refused(self.refusals[label])
        if other is not None and other.address is not None and other.life != description.life:
            raise Refused("another machine has the same label; give it another one with --label")
        self._check_alike(description)
        if not self.plan.only_collect:
            await self._send_images(address)
        begin = say.Begin(sweep=self.ledger.file.sweep, header=header, may_be_new=not self.plan.only_collect)
        theirs = await self.call(address, begin, SweepHeader)
        if theirs.dataset_digest != header.dataset_digest:
            raise Refused(f"other images: digest {theirs.dataset_digest[:12]}…, here {header.dataset_digest[:12]}…")
        try:
            account = self.ledger.open_account(label, theirs)
        except OSError as error:
            raise DiskRefused(error) from error
        await self._fetch_rows(address, account)
        lost = other.case if other is not None and other.life != description.life else None
        if lost is not None and lost.case_id not in account.settled:
            account.lose(lost.case_id)
            if account.lost[lost.case_id] > header.profile.retries:
                account.settled.add(lost.case_id)
                self.tell(f"{label}: its worker died {account.lost[lost.case_id]} times with {lost.title}; left out.")
        self.refusals.pop(label, None)
        if other is None:
            self.tell(f"{label} takes part: {description.fingerprint.cpu_model or 'an unknown processor'}.")
        member = other or Member(account, address, description.life, time.monotonic())
        member.address, member.life, member.heard_at = address, description.life, time.monotonic()
        self.members[label] = member
        self._changed_at = time.monotonic()
        return member

    def _check_alike(self, description: say.Description) -> None:
        """Raise `Refused` where a machine has other code, other libraries, or is of another kind than cases need."""
        header = self.ledger.file.header
        differences = [*codes.list_differences(self._code, description.code)]
        if not differences:
            known, backends = self._libraries, header.profile.backends
            for fingerprint in (header.fingerprint, description.fingerprint):
                differences = [*codes.list_other_libraries(known, fingerprint, backends)]
        if differences:
            raise Refused("; ".join(differences))
        first = next(iter(self.ledger.accounts.values()), None)
        if self.ledger.file.spread == "machines" or first is None:
            return
        if first.header.machine_id != description.machine_id:
            why = describe_differences(first.header.fingerprint, description.fingerprint)
            raise Refused(f"--spread cases takes machines of one kind, that of {first.label}: {why}")

    async def _send_images(self, address: str) -> None:
        """Send the dataset, unless the machine has one of that digest; goes on where a cut ended it."""
        digest = self.ledger.file.header.dataset_digest
        reply = await self.call(address, say.SendImages(digest=digest, offset=1 << 62), say.Received)
        if reply.is_whole:
            return
        async with self._sending:
            images = memoryview(self.read_images())
            while not reply.is_whole:
                piece = images[reply.size : reply.size + say.CHUNK_BYTES]
                is_last = reply.size + len(piece) >= len(images)
                request = say.SendImages(digest=digest, offset=reply.size, is_last=is_last)
                reply = await self.call(address, request, say.Received, bytes(piece))

    async def _fetch_rows(self, address: str, account: Account) -> None:
        """Fetch what the machine has and home has not."""
        is_all = False
        while not is_all:
            have = dict(account.runs)
            reply = await self.call(address, say.SendRows(sweep=self.ledger.file.sweep, have=have), say.Rows)
            for row in reply.rows:
                self._merge(account, row)
            is_all = reply.is_all

    def _merge(self, account: Account, row: str) -> Outcome:
        try:
            outcome = Outcome.model_validate_json(row, context=STORED)
        except ValidationError as error:
            raise Refused(f"a row that is none: {error.errors(include_url=False)[0]['msg']}") from error
        try:
            account.add(outcome)
        except OSError as error:
            raise DiskRefused(error) from error
        return outcome

    async def _run_case(self, member: Member, address: str, case: Case) -> None:
        account = member.account
        if member.case is not case:
            member.case, member.begun_at, member.epoch = case, time.monotonic(), 0
        request = say.RunCase(sweep=self.ledger.file.sweep, case=case, attempt=account.runs[case.case_id] + 1)
        reply = await self.call(address, request, say.Ended)
        member.case, member.refusals = None, 0
        self._changed_at = time.monotonic()
        if reply.row is not None:
            outcome = self._merge(account, reply.row)
            self.finished(member, outcome)

    # ------------------------------------------------------------------ who runs what

    def _choose(self, member: Member) -> Case | None:
        """The next case for a machine; that which it had before it went away comes first."""
        return next(self._list_open(member), None)

    def _list_open(self, member: Member) -> Iterator[Case]:
        """What a machine may still run."""
        if self.ledger.file.spread == "machines":
            yield from (case for case_id, case in self.ledger.cases.items() if case_id not in member.account.settled)
            return
        others = {each.case.case_id for each in self.members.values() if each.case and each is not member}
        mine = member.case
        if mine is not None and mine.case_id in self.ledger.open and mine.case_id not in member.account.settled:
            yield mine
        for case_id, case in self.ledger.open.items():
            if case_id not in others and case_id not in member.account.settled:
                yield case

    def _is_away(self, member: Member) -> bool:
        if member.refusals > self.ledger.file.header.profile.retries:
            return True
        return time.monotonic() - member.heard_at > self.plan.lease_s

    def _check_lease(self) -> None:
        """Give up what machines had that are away for too long; others may have it."""
        for member in self.members.values():
            if member.case is not None and self._is_away(member):
                if self.ledger.file.spread == "cases":
                    member.case = None
                label, why = member.account.label, f"away for more than {self.plan.lease_s:g} seconds"
                if label not in self.refusals:
                    self.refusals[label] = why
                    self.tell(f"{label}: {why}; the sweep goes on without it.")
        waited = time.monotonic() - self._changed_at
        if not self.members and not self.plan.only_collect and waited > self.plan.lease_s:
            why = "".join(f"\n  {label}: {reason}" for label, reason in self.refusals.items())
            raise InvalidInput(
                f"no machine took part within {self.plan.lease_s:g} seconds; start `aebench fleet worker --scheduler "
                f"{self.ledger.file.scheduler}` on one, and go on with --resume.{why}"
            )

    def extend_lease(self) -> None:
        """Wait for machines from now on: some are still to come."""
        self._changed_at = time.monotonic()

    def _is_done(self) -> bool:
        """Whether nothing is left that a machine would run."""
        if len(self.members) < self.plan.machines and time.monotonic() - self._changed_at < self.plan.lease_s:
            return False
        if self.ledger.file.spread == "machines":
            return all(self._is_away(each) or self._choose(each) is None for each in self.members.values())
        is_idle = all(each.case is None for each in self.members.values())
        here = [each for each in self.members.values() if not self._is_away(each)]
        return not here or (is_idle and all(self._choose(each) is None for each in here))

    def _hear(self, event: tuple[float, Any]) -> None:
        """Note what a machine says that it does."""
        with contextlib.suppress(ValidationError):
            progress = say.Progress.model_validate_json(event[1])
            member = self.members.get(progress.label)
            if member is not None and member.case is not None and progress.case_id == member.case.case_id:
                member.epoch = progress.epoch

    async def end_cases(self) -> None:
        """End what runs of this sweep, on every machine that answers within some seconds."""
        async with self._connect(heeds_stop=False):
            addresses = list((await self._client.scheduler.identity(n_workers=-1))["workers"])
            request = say.Cancel(sweep=self.ledger.file.sweep)
            calls = [self.call(address, request, say.Done) for address in addresses]
            await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), _PATIENCE_S)
