"""A Ray cluster: one of this machine's own, or the one at an address that the user named."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from typing import Any

from dynfocus_cli.errors import DynFocusError, UsageError, first_line

LOOPBACK = "127.0.0.1"

OBJECT_STORE_BYTES = 100 << 20
"""Of a cluster of this machine's own: tasks and records go through it, videos never do."""

SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DISABLE_IMPORT_WARNING": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS": "1",
}
"""No statistics are sent, and workers without a GPU keep their environment."""

LOCAL_SETTINGS = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Has Ray take the loopback address for the node's, in place of looking for one that leads outside."""


@contextmanager
def cluster(address: str | None, cpus: int) -> Iterator[Any]:
    """The module `ray`, connected until the block ends.

    Args:
        address: None starts a cluster on this machine, which ends with the block; `auto` is the one that runs
            on this machine; else host:port or ray://host:port.
        cpus: of a cluster that is started.

    Raises:
        UsageError: Ray is not installed, or there is no cluster at the address.
        DynFocusError: it does not start.
    """
    for name, value in (SETTINGS | (LOCAL_SETTINGS if address is None else {})).items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError as error:
        raise UsageError("`engine=ray` takes Ray: pip install 'dynfocus[ray]'") from error
    with _without_messages():
        before = signal.getsignal(signal.SIGTERM)
        _connect(ray, address, cpus)
        with suppress(ValueError):  # in another thread than the main one, where Ray sets none
            signal.signal(signal.SIGTERM, before)  # Ray's own prints where each of its threads is
        try:
            yield ray
        finally:
            with suppress(Exception):
                ray.shutdown()


@contextmanager
def _without_messages() -> Iterator[None]:
    """Keeps what Ray says of workers that died off standard output, where it has no other place for it."""
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere):
        yield


def _connect(ray: Any, address: str | None, cpus: int) -> None:
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "FATAL"}
    try:
        if address is None:
            _require_loopback()
            ray.init(
                "local",
                num_cpus=cpus,
                include_dashboard=False,
                object_store_memory=OBJECT_STORE_BYTES,
                _node_ip_address=LOOPBACK,
                **quiet,
            )
        else:
            ray.init(address, **quiet)
    except DynFocusError:
        raise
    except Exception as error:  # also the bare one that Ray has for a node that takes too long to start
        if address is None:
            raise DynFocusError(f"Ray does not start on this machine: {first_line(error)}") from error
        raise UsageError(f"There is no Ray cluster at `address` {address}: {first_line(error)}") from error


def _require_loopback() -> None:
    """Ray's processes talk to each other there, and wait for minutes where they cannot.

    Raises:
        DynFocusError: it is down, as in a network namespace where nobody has set it up.
    """
    if not _is_reachable() and not _set_up():
        raise DynFocusError(
            "The loopback interface is down, by which Ray's processes talk to each other: set it up first "
            "(ip link set lo up)."
        )


def _is_reachable() -> bool:
    with socket.socket() as server, socket.socket() as client:
        client.settimeout(5)
        try:
            server.bind((LOOPBACK, 0))
            server.listen()
            client.connect(server.getsockname())
        except OSError:
            return False
    return True


def _set_up() -> bool:
    """Sets the loopback interface up, which is down in a new network namespace, where this process may."""
    try:
        import fcntl
        import struct

        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            get, set_, up = 0x8913, 0x8914, 0x1  # SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP
            request = struct.pack("16sh14x", b"lo", 0)
            _, flags = struct.unpack("16sh14x", fcntl.ioctl(control, get, request))
            fcntl.ioctl(control, set_, struct.pack("16sh14x", b"lo", flags | up))
    except (ImportError, OSError):
        return False
    return _is_reachable()
