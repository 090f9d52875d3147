"""A thread that looks at something again and again, while the thread that opened it waits for something else."""

import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Poller(ABC):
    """Calls `look` while its context is open, with a pause before each call, until a call returns False."""

    def __init__(self) -> None:
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._poll, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        self._thread.join()

    @abstractmethod
    def pause(self) -> float:
        """Return the seconds until the next look; called before each one."""

    @abstractmethod
    def look(self) -> bool:
        """Look once, in the poller's thread; returns whether to look again."""

    def _poll(self) -> None:
        while not self._closed.wait(self.pause()) and self.look():
            pass
