"""Thread pools as the kernel sees them, for backends that do not say how many threads they use."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from time import sleep

_ATTEMPTS = 200
_PAUSE_S = 0.001


def count_started_threads(call: Callable[[], object], task: Path = Path("/proc/self/task")) -> Counter[str]:
    """How many threads ``call`` leaves waiting for work, by their names; "" for those that have no name of their own.

    Empty where there is no ``/proc`` (``call`` is then not called), and where they do not come to rest. Names are those
    of proc_pid_stat(5): at most 15 characters; a thread without one has its starter's (pthread_setname_np(3)).
    """
    before = _read_threads(task)
    if not before:
        return Counter()
    call()
    last = None
    for _ in range(_ATTEMPTS):
        new = {thread: seen for thread, seen in _read_threads(task).items() if thread not in before}
        # A thread names itself, so that its name counts only once it has got as far as waiting.
        if new == last and all(state == "S" for _, state in new.values()):
            inherited = {name for name, _ in before.values()}
            return Counter("" if name in inherited else name for name, _ in new.values())
        last = new
        sleep(_PAUSE_S)
    return Counter()


def _read_threads(task: Path) -> dict[str, tuple[str, str]]:
    """Name and state of this process' threads by their ids; empty where there is no ``/proc``."""
    found = {}
    for stat in task.glob("*/stat"):
        try:
            name, _, rest = stat.read_text(errors="replace").partition("(")[2].rpartition(")")
        except OSError:  # it has ended
            continue
        found[stat.parent.name] = (name, rest.split()[0])
    return found
