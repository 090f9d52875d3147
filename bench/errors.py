"""The one error a person's input can cause."""


class InvalidInput(Exception):
    """What was asked for cannot be done: says what arrived, what was expected and what to do.

    The command line prints the message without a traceback and exits with code 2.
    """
