"""Examples of processes that do not behave, and pairs that do: none of them trains anything."""

import os
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import scripted

from bench.gate.paired import Incomparable, PairedExecutor, PairedRunFailed, Side
from bench.plan.profile import Case

PLAYER = """
import dataclasses, json, os, sys, time
from pathlib import Path
import bench
from bench.worker.paired_protocol import *
from bench.worker.protocol import to_line
from bench.host.noise import Interval

EVENTS = int(sys.argv[-1])

def say(event):
    os.write(EVENTS, to_line(event))

def hello(protocol=PROTOCOL, root=str(Path(bench.__file__).resolve().parent.parent)):
    say(HelloEvent(protocol=protocol, root=root))

def heard():
    return sys.stdin.buffer.readline()

def note(text):
    with open(BOOK, "a") as book:
        book.write(text + "\\n")

def turn(wall_s=0.18, noise=None):
    return TurnEvent(
        wall_s=wall_s, cpu_s=wall_s, train_loss=0.5, val_loss=0.5, rss_mib=100.0, noise=noise or QUIET
    )

def play(turns=10**6, seconds=lambda job: 0.18, noise=None):
    hello()
    job = json.loads(heard())
    note(f"{NAME} job {job['seed']} {job['images']}")
    say(ReadyEvent(params=1, peak_rss_method="none"))
    for _ in range(turns):
        if heard() != GO:
            say(DoneEvent(peak_rss_mib=100.0 + len(NAME), anon_mib=None))
            return
        note(f"{NAME} begins")
        note(f"{NAME} ends")
        say(turn(seconds(job), noise))
"""
"""What a scripted process has to say, and a book in which both sides write when they train."""


@pytest.fixture
def case() -> Case:
    return scripted.case()


@pytest.fixture
def book(tmp_path: Path) -> Path:
    return tmp_path / "book"


def side(name: str, script: str, book: Path) -> Side:
    code = f"{PLAYER}\nNAME, BOOK, QUIET = {name!r}, {str(book)!r}, {scripted.QUIET!r}\n{script}"
    return Side(name, Path(__file__).parent.parent.parent, command=(sys.executable, "-c", code))


def pair(
    tmp_path: Path, book: Path, base: str = "play()", candidate: str = "play()", **options: object
) -> PairedExecutor:
    logs = tmp_path / "logs"
    logs.mkdir()
    return PairedExecutor(
        side("base", base, book),
        side("candidate", candidate, book),
        data=tmp_path / "data.npz",
        logs=logs,
        **{"blocks": 5, "chance": random.Random(3), **options},  # type: ignore[arg-type]
    )


def children() -> list[int]:
    """Processes that were started here and still run."""
    mine = psutil.Process(os.getpid()).children(recursive=True)
    return [child.pid for child in mine if child.status() != psutil.STATUS_ZOMBIE and "-c" in child.cmdline()]


# -------------------------------------------------------------------------------------------------------- as it should


def test_exactly_one_side_trains_at_a_time_in_the_order_of_the_blocks(tmp_path: Path, book: Path, case: Case) -> None:
    recorded = pair(tmp_path, book).run_round(case, images=64, number=4)
    turns = [line.split() for line in book.read_text().splitlines() if "job" not in line]
    assert all(begin == [side, "begins"] and end == [side, "ends"] for (begin, end, side) in pairs(turns))
    letters = "".join({"base": "A", "candidate": "B"}[begin[0]] for begin in turns[::2])
    assert letters == "".join(block.order for block in recorded.blocks)
    assert {block.order for block in recorded.blocks} == {"ABBA", "BAAB"}
    assert len(recorded.blocks) == 5
    assert children() == []


def pairs(turns: list[list[str]]) -> list[tuple[list[str], list[str], str]]:
    return [(begin, end, begin[0]) for begin, end in zip(turns[::2], turns[1::2], strict=True)]


def test_both_sides_get_the_rounds_number_as_seed_and_the_same_images(tmp_path: Path, book: Path, case: Case) -> None:
    recorded = pair(tmp_path, book).run_round(case, images=64, number=4)
    jobs = sorted(line for line in book.read_text().splitlines() if "job" in line)
    assert jobs == ["base job 4 64", "candidate job 4 64"]
    assert (recorded.base_memory.peak_rss_mib, recorded.candidate_memory.peak_rss_mib) == (104.0, 109.0)


def test_the_turns_of_a_side_are_kept_under_its_name(tmp_path: Path, book: Path, case: Case) -> None:
    recorded = pair(tmp_path, book, candidate="play(seconds=lambda job: 0.5)").run_round(case, images=64, number=1)
    assert {turn.wall_s for block in recorded.blocks for turn in block.base} == {0.18}
    assert {turn.wall_s for block in recorded.blocks for turn in block.candidate} == {0.5}
    assert recorded.blocks[0].noise == ()


@pytest.mark.parametrize("culprit", ["base", "candidate"])
def test_a_block_is_noisy_when_any_turn_of_either_side_is(tmp_path: Path, book: Path, case: Case, culprit: str) -> None:
    beside_another = "dataclasses.replace(QUIET, other_cores=1.0, cpu_pressure_percent=60.0)"
    recorded = pair(tmp_path, book, **{culprit: f"play(noise={beside_another})"}).run_round(case, images=64, number=1)
    assert {block.noise for block in recorded.blocks} == {("other-load",)}


@pytest.mark.parametrize(("per_image", "expected"), [(0.001, 180), (1e-5, 18_000), (0.01, 16), (1.0, 4)])
def test_images_are_counted_so_that_a_turn_is_short(
    tmp_path: Path, book: Path, case: Case, per_image: float, expected: int
) -> None:
    executor = pair(tmp_path, book, base=f"play(seconds=lambda job: {per_image} * job['images'])", candidate="1 / 0")
    images = executor.choose_image_count(case)
    assert images % case.batch_size == 0
    assert images == expected


# -------------------------------------------------------------------------------------------------------- incomparable


def test_a_base_without_the_gate_is_incomparable_by_name(tmp_path: Path, book: Path, case: Case) -> None:
    executor = pair(tmp_path, book)
    executor.base = Side("base 1234567", tmp_path)
    with pytest.raises(Incomparable, match="base 1234567 is too old"):
        executor.choose_image_count(case)


@pytest.mark.parametrize(
    ("said", "why"),
    [("PROTOCOL = 2", "speaks protocol 2 of the gate, this checkout 3"), ("", "speaks protocol unknown of the gate")],
)
def test_a_base_that_would_send_what_nobody_reads_is_never_started(
    tmp_path: Path, book: Path, case: Case, said: str, why: str
) -> None:
    for file, text in (("launch.py", ""), ("worker/paired_protocol.py", f'"""Messages."""\n\n{said}\n"""Notes."""\n')):
        (tmp_path / "old" / "bench" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "old" / "bench" / file).write_text(text)
    executor = pair(tmp_path, book)
    executor.base = Side("base 1234567", tmp_path / "old")
    with pytest.raises(Incomparable, match=f"base 1234567 {why}"):
        executor.choose_image_count(case)


@pytest.mark.parametrize("first", ["hello(protocol=99)", "os.write(EVENTS, b'welcome\\n')"])
def test_another_protocol_is_incomparable_by_name(tmp_path: Path, book: Path, case: Case, first: str) -> None:
    executor = pair(tmp_path, book, base=f"{first}; heard()")
    with pytest.raises(Incomparable, match=r"base .*protocol"):
        executor.run_round(case, images=64, number=1)
    assert children() == []


# ------------------------------------------------------------------------------------------------------------ failures


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("hello(); heard(); say(BrokenEvent(error='ValueError: no such model'))", "no such"),
        ("print('last words', file=sys.stderr); sys.exit(7)", "exit code 7"),
        ("play(turns=3)", "exit code 0"),
        ("hello(root='/elsewhere'); heard()", "ran the code of /elsewhere"),
        ("play(seconds=lambda job: os.abort())", "exit code -6"),
        ("hello(); heard(); os.write(EVENTS, b'nonsense\\n'); heard()", "no message"),
        ("hello(); heard(); say(turn()); heard()", "sent 'turn' where ReadyEvent was expected"),
    ],
)
@pytest.mark.parametrize("culprit", ["base", "candidate"])
def test_a_failure_of_one_side_is_reported_by_name_and_ends_both(
    tmp_path: Path, book: Path, case: Case, culprit: str, script: str, said: str
) -> None:
    executor = pair(tmp_path, book, **{culprit: script})
    with pytest.raises(PairedRunFailed, match=rf"(?s){culprit}: .*{said}"):
        executor.run_round(case, images=64, number=1)
    assert children() == []


def test_the_logs_last_lines_are_reported(tmp_path: Path, book: Path, case: Case) -> None:
    executor = pair(tmp_path, book, base="print('last words', file=sys.stderr); sys.exit(7)")
    with pytest.raises(PairedRunFailed, match="last words"):
        executor.run_round(case, images=64, number=1)


def test_a_side_that_stands_still_in_its_turn_is_ended(tmp_path: Path, book: Path, case: Case) -> None:
    executor = pair(tmp_path, book, candidate="play(seconds=lambda job: time.sleep(600))", stall_s=3.0)
    with pytest.raises(PairedRunFailed, match="candidate: was silent for too long"):
        executor.run_round(case, images=64, number=1)
    assert children() == []


def test_waiting_for_the_other_side_is_not_standing_still(tmp_path: Path, book: Path, case: Case) -> None:
    slow = "play(seconds=lambda job: time.sleep(0.8) or 0.8)"
    executor = pair(tmp_path, book, candidate=slow, stall_s=3.0, blocks=2)
    assert len(executor.run_round(case, images=64, number=1).blocks) == 2


@pytest.fixture
def _obedient() -> Iterator[None]:
    """Ctrl-C works, also where the tests were started with it ignored, as a shell's background jobs are."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_obedient")
def test_an_interruption_leaves_no_process(tmp_path: Path, book: Path, case: Case) -> None:
    executor = pair(tmp_path, book, base="play(seconds=lambda job: time.sleep(600))")

    def interrupt() -> None:
        while not book.exists() or "begins" not in book.read_text():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        executor.run_round(case, images=64, number=1)
    assert children() == []
