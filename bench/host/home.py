"""A home and a name for a user who has neither, as containers with a user id of their own choice have it."""

import getpass
import os


def provide_home() -> None:
    """Set HOME to / and LOGNAME to nobody, for this process and all it starts, where the system knows none.

    Matplotlib, Keras, PyTorch, pip and others raise where there is no home or no name. Container engines set this home
    for a user without an entry in passwd; where it cannot be written to, all of them use a temporary folder.
    """
    if os.name != "posix":
        return
    if os.path.expanduser("~") == "~":  # noqa: PTH111 - Path's own raises
        os.environ["HOME"] = "/"
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["LOGNAME"] = "nobody"
