"""`grabient dev`: the Dagster UI with its daemon on this machine, all set up."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grabient_pipeline.cli.command_line import failed
from grabient_pipeline.errors import SettingsError

if TYPE_CHECKING:
    from grabient_pipeline.settings import Settings

HOST = "127.0.0.1"
USUAL_PORT = 3000

# Long enough to watch a batch under way, short enough to wait for it.
_DEMO_BATCH_SECONDS = 20.0

# Five minutes between two looks are right for providers that take hours.
_DEMO_POLL_SECONDS = "15"

# Dagster ends within four seconds when it is asked to; a step that hangs keeps it no longer than this.
_PATIENCE_SECONDS = 8.0
_LAST_SECONDS = 2.0


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("dev", epilog="Example: grabient dev --demo")(dev)


def dev(
    demo: Annotated[
        bool, typer.Option("--demo", help="On the sandbox, with the demo's data: no key, no cost.")
    ] = False,
    port: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, max=65535, help="The port on 127.0.0.1; otherwise 3000, or a free one if it is taken."
        ),
    ] = None,
) -> None:
    """Run the Dagster UI with its daemon. On 127.0.0.1, until Ctrl-C."""
    from grabient_pipeline.cli import terminal
    from grabient_pipeline.cli.data_directory import in_use
    from grabient_pipeline.settings import Settings

    settings = Settings.from_environment()
    if demo:
        settings = settings.demo()
    with ExitStack() as stack:
        stop = stack.enter_context(_StopSignals())
        stack.enter_context(in_use(settings))
        on = _port(port)
        environment = dict(os.environ)
        if demo:
            from grabient_pipeline.cli.sandbox import beside, past_proxies
            from grabient_pipeline.sandbox import SandboxServer

            # Its batches are kept, so that those which a stop leaves under way are there at the next start.
            sandbox = SandboxServer(
                where="process", state=settings.state_dir / "sandbox", batch_seconds=_DEMO_BATCH_SECONDS
            )
            stack.enter_context(beside(sandbox))
            environment |= {**sandbox.environment(), **past_proxies(), "GRABIENT_SANDBOX": "1"}
            environment.setdefault("GRABIENT_POLL_SECONDS", _DEMO_POLL_SECONDS)
        child = _start(settings, on, environment)
        try:
            _wait(child, on, settings, stop)
        finally:
            _end(child)
    if not stop.received:
        raise failed(f"Dagster has ended by itself (status {child.returncode}); its last lines above say why")
    terminal.note("Dagster has ended.")


class _StopSignals:
    """Notes the signals that mean the end.

    With handlers here, what we start begins with the usual dispositions, also where a shell ignores the signals for
    what it puts into the background: Dagster would take that over, and nothing but SIGKILL could end it.
    """

    def __init__(self) -> None:
        self.received = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> _StopSignals:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            before = signal.getsignal(number)
            # `nohup` means that the end of the terminal is not ours.
            if number == signal.SIGHUP and before is signal.SIG_IGN:
                continue
            self._before[number] = before
            signal.signal(number, self._receive)
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.received = True


def _port(wanted: int | None) -> int:
    """The port to serve on. Raises `SettingsError` if the one that was asked for is taken."""
    from grabient_pipeline.cli import terminal

    if _is_free(wanted or USUAL_PORT):
        return wanted or USUAL_PORT
    if wanted is not None:
        raise SettingsError(f"the port {wanted} is taken; choose another with --port")
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = free.getsockname()[1]
    terminal.note(f"The port {USUAL_PORT} is taken, so this is on {port}.")
    return port


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _start(settings: Settings, port: int, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    from grabient_pipeline.defs.instance import write_dagster_home

    home = write_dagster_home(settings)
    environment |= {
        "DAGSTER_HOME": str(home),
        # The setting in dagster.yaml alone does not keep the web server from sending what is in $DAGSTER_HOME/logs.
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "GRABIENT_DATA_DIR": str(settings.data_dir),
        # `dagster dev` recommends `dg dev` at each start, which is another package.
        "PYTHONWARNINGS": ",".join(
            filter(None, [environment.get("PYTHONWARNINGS"), "ignore:Function `dev_command` is superseded"])
        ),
    }
    command = [sys.executable, "-m", "dagster", "dev", "-w", str(home / "workspace.yaml"), "-h", HOST, "-p", str(port)]
    # Not in the project: Dagster reads a `.env` where it starts, and the demo must not meet the person's keys there.
    # A session of its own keeps Ctrl-C away from it, so that it is asked to end once and in order.
    return subprocess.Popen(command, cwd=home, env=environment, start_new_session=True, stdin=subprocess.DEVNULL)


def _wait(child: subprocess.Popen[bytes], port: int, settings: Settings, stop: _StopSignals) -> None:
    from grabient_pipeline.cli import terminal

    terminal.note(f"Dagster starts at http://{HOST}:{port} with the data in {settings.data_dir}")
    serves = False
    while child.poll() is None and not stop.received:
        time.sleep(0.2)
        if not serves and _serves(port):
            serves = True
            _say_what_next(port)


def _say_what_next(port: int) -> None:
    from grabient_pipeline.cli import terminal

    terminal.note()
    terminal.note(f"  http://{HOST}:{port} is ready; Ctrl-C ends it.", "bold green")
    terminal.note("  1. Assets: materialise palettes, then the four assets called after the providers")
    terminal.note("  2. Automation: turn on the sensor poll_batches, which sees to the rest")
    terminal.note()


def _serves(port: int) -> bool:
    import http.client

    connection = http.client.HTTPConnection(HOST, port, timeout=1)
    try:
        connection.request("GET", "/server_info")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _end(child: subprocess.Popen[bytes]) -> None:
    """End Dagster and everything that it started: first in order, then for certain."""
    with suppress(subprocess.TimeoutExpired):
        child.terminate()
        child.wait(_PATIENCE_SECONDS)
    for number in (signal.SIGTERM, signal.SIGKILL):
        if not _signalled(child.pid, number):
            break
        deadline = time.monotonic() + _LAST_SECONDS
        while _signalled(child.pid, 0) and time.monotonic() < deadline:
            child.poll()
            time.sleep(0.1)
    child.wait()


def _signalled(group: int, number: int) -> bool:
    """Whether there was anybody left in the group to signal."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True
