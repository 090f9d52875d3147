"""The one error a person's input can cause."""

from bench.printable import printable


class InvalidInput(Exception):
    """What was asked for cannot be done: says what arrived, what was expected and what to do.

    The command line prints the message without a traceback and exits with code 2. What it quotes of a file may be a
    stranger's, so the message loses what a terminal would obey.
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))
