"""What of Dask a fleet uses, and what is switched off and why.

A fleet uses Dask's connections, their TLS, its list of workers, calls to a worker and its topics. It submits no Dask
tasks: a call to a worker is awaited by whoever made it, so nothing is stolen, run again or given up behind our backs.
"""

import logging
import os
import re
import warnings
from collections.abc import Mapping, MutableMapping
from ipaddress import ip_address
from typing import Any

from bench.errors import InvalidInput, quote

DEFAULT_SCHEDULER = "tcp://127.0.0.1:8790"
"""Dask's own default is another port: who uses Dask for something else, too, has another scheduler there."""
SETTINGS: Mapping[str, Any] = {
    # A case that another worker steals runs on a machine that nobody asked for (dask/distributed#3069, #9214).
    "distributed.scheduler.work-stealing": False,
    # Removes a worker whose process was busy for so long, and with it what it was computing (#6148): home has a lease.
    "distributed.scheduler.worker-ttl": None,
    # Runs a task again after its worker died, uncounted (#6078): attempts are counted in the machine's journal.
    "distributed.scheduler.allowed-failures": 0,
    # The scheduler would end, and its workers with it, while a case of hours runs: no task means idle to it.
    "distributed.scheduler.idle-timeout": None,
    # Moves results between workers; there are none.
    "distributed.scheduler.active-memory-manager.start": False,
    # What follows wakes up beside the measured process: a profiler each 10 ms, a look at the event loop each 20 ms,
    # readings of CPU, disks, GIL and GPU each 500 ms.
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1h",
    "distributed.admin.tick.cycle": "1h",
    "distributed.admin.tick.limit": "1d",
    "distributed.admin.system-monitor.interval": "1h",
    "distributed.admin.system-monitor.disk": False,
    "distributed.admin.system-monitor.gil.enabled": False,
    "distributed.diagnostics.nvml": False,
    # Pages with what runs where, on a port of their own, for everybody who reaches it.
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    # Home asks for the list of workers itself.
    "distributed.client.scheduler-info-interval": "1h",
    # A line for each call, and where a home has just ended, a critical traceback for each thing that a machine says to
    # it; what a person has to know, the fleet says itself.
    "logging": dict.fromkeys(("distributed", "distributed.client", "tornado", "bokeh"), logging.CRITICAL + 1),
}


def import_distributed() -> Any:
    """Import Dask's distributed with these settings. Raises `InvalidInput` where it is not installed."""
    try:
        import dask  # noqa: PLC0415 - an extra
        import distributed  # noqa: PLC0415
        from distributed.config import initialize_logging  # noqa: PLC0415
    except ImportError as error:
        raise InvalidInput(
            f"a fleet needs Dask, which is not installed here ({error}): python -m pip install 'aebench[fleet]' "
            "installs it, and in a checkout: python -m pip install -e '.[fleet]'."
        ) from error
    dask.config.set(SETTINGS)
    initialize_logging(dask.config.config)
    # Python may differ; which libraries may not, the fleet says itself.
    warnings.filterwarnings("ignore", message="Mismatched versions found")
    return distributed


def remove_nanny_variables(environ: MutableMapping[str, str] = os.environ) -> list[str]:
    """Remove what a Dask nanny sets for its worker; returns it as NAME=VALUE.

    Beneath a nanny (SSHCluster, dask-jobqueue, `dask worker`) a training would get one thread and another allocator.
    Other values are the person's own, and are recorded as in any sweep.
    """
    found = [f"{name}={value}" for name, value in _OF_A_NANNY.items() if environ.get(name) == value]
    for each in found:
        del environ[each.partition("=")[0]]
    return found


_OF_A_NANNY = {
    "MALLOC_TRIM_THRESHOLD_": "65536",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


def split_address(address: str) -> tuple[str, str, int]:
    """Return protocol, host and port of a scheduler's address. Raises `InvalidInput`."""
    found = re.fullmatch(r"(tcp|tls)://(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):(\d{1,5})", address)
    if found is None or not 0 < int(found[3]) < 65536:
        raise InvalidInput(
            "--scheduler takes tcp://HOST:PORT, or tls://HOST:PORT with Dask's settings for TLS; got "
            f"{quote(address)!r}."
        )
    return found[1], found[2].strip("[]"), int(found[3])


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a host."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def describe_risk(address: str) -> str | None:
    """Say what others can do who reach an address over a network; None where nobody does.

    Users of the same computer reach loopback, too: docs/fleet.md says so.
    """
    protocol, host, port = split_address(address)
    if protocol == "tls" or is_loopback(host):
        return None
    return (
        f"Warning: {address} is not encrypted, and asks nobody who they are: whoever reaches port {port} of {host}, or "
        "a worker's, can run code there as you. Use it on a network that you trust alone, or use tls://: docs/fleet.md."
    )
