"""A thread that looks at something again and again while whoever opened it is blocked."""

import threading
from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Poller(ABC):
    """Looks while its context is open, a pause before each look, until one says that there is no more to be seen."""

    def __init__(self) -> None:
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._look_out, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left.set()
        self._thread.join()

    @abstractmethod
    def pause(self) -> float:
        """Seconds to the next look; asked for anew before each."""

    @abstractmethod
    def look(self) -> bool:
        """Look, in the thread; returns whether to look again."""

    def _look_out(self) -> None:
        while not self._left.wait(self.pause()) and self.look():
            pass
