"""Running a sandbox in the background for `demo` and `dev`."""

from __future__ import annotations

import signal
from collections.abc import Generator
from contextlib import contextmanager
from urllib.request import getproxies_environment

from grabient_pipeline.sandbox import SandboxServer


@contextmanager
def running_sandbox(server: SandboxServer) -> Generator[SandboxServer]:
    """Run a sandbox in its own process while the block runs.

    Ctrl-C goes to every process of a terminal, but the block still needs the sandbox to shut down in order. So the
    sandbox ignores it, and stops when the block ends.
    """
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        server.start()
    finally:
        signal.signal(signal.SIGINT, before)
    try:
        yield server
    finally:
        server.stop()


def proxy_exceptions() -> dict[str, str]:
    """Return the variables that exempt this machine from a configured proxy."""
    proxies = getproxies_environment()
    if not proxies:
        return {}
    exceptions = ",".join(filter(None, [proxies.get("no"), "127.0.0.1"]))
    return {"NO_PROXY": exceptions, "no_proxy": exceptions}
