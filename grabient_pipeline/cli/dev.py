"""`grabient dev`: the Dagster UI and daemon on this machine."""

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

from grabient_pipeline.cli import lazy, terminal
from grabient_pipeline.cli.command_line import failed
from grabient_pipeline.errors import SettingsError

if TYPE_CHECKING:
    from grabient_pipeline.settings import Settings

HOST = "127.0.0.1"
DEFAULT_PORT = 3000

# Long enough to watch a pending batch, short enough to wait for it.
_DEMO_BATCH_SECONDS = 20.0

# The default of five minutes suits providers that take hours.
_DEMO_POLL_SECONDS = "15"

# Dagster stops within four seconds of SIGTERM; a step that hangs gets this long, then SIGTERM and SIGKILL follow.
_GRACE_SECONDS = 8.0
_KILL_SECONDS = 2.0


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("dev", epilog="Example: grabient dev --demo")(dev)


def dev(
    demo: Annotated[
        bool, typer.Option("--demo", help="Use the sandbox and the demo's data: no API key, no cost.")
    ] = False,
    port: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, max=65535, help="The port on 127.0.0.1.", show_default="3000, or a free one"),
    ] = None,
) -> None:
    """Run the Dagster UI and daemon. Serves on 127.0.0.1 until Ctrl-C."""
    settings = lazy.Settings.from_environment()
    if demo:
        settings = settings.demo()
    lazy.Warehouse(settings.warehouse, settings.published).refuse_loss()
    with ExitStack() as stack:
        stop = stack.enter_context(_StopSignals())
        stack.enter_context(lazy.in_use(settings))
        chosen_port = _choose_port(port)
        environment = dict(os.environ)
        if demo:
            # The sandbox keeps its batches, so that pending ones survive a restart.
            sandbox = lazy.sandbox.SandboxServer(
                where="process", state=settings.state_dir / "sandbox", batch_seconds=_DEMO_BATCH_SECONDS
            )
            stack.enter_context(lazy.running_sandbox(sandbox))
            environment |= {**sandbox.environment(), **lazy.proxy_exceptions(), "GRABIENT_SANDBOX": "1"}
            environment.setdefault("GRABIENT_POLL_SECONDS", _DEMO_POLL_SECONDS)
        child = _start(settings, chosen_port, environment)
        try:
            _wait(child, chosen_port, settings, stop)
        finally:
            _stop(child)
    if not stop.received:
        raise failed(f"Dagster stopped unexpectedly (status {child.returncode}); see its output above")
    terminal.note("Dagster has stopped.")


class _StopSignals:
    """Records the signals that ask for a stop.

    A shell may ignore these signals for background jobs, and child processes inherit that: only SIGKILL could stop
    Dagster then. With handlers installed here, child processes start with the default dispositions.
    """

    def __init__(self) -> None:
        self.received = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> _StopSignals:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            before = signal.getsignal(number)
            # Under `nohup`, closing the terminal must not stop us.
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


def _choose_port(wanted: int | None) -> int:
    """Return the port to serve on. Raises `SettingsError` if the requested one is taken."""
    if _is_free(wanted or DEFAULT_PORT):
        return wanted or DEFAULT_PORT
    if wanted is not None:
        raise SettingsError(f"the port {wanted} is taken; choose another with --port")
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = free.getsockname()[1]
    terminal.note(f"Port {DEFAULT_PORT} is taken; using {port}.")
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
    home = lazy.write_dagster_home(settings)
    environment |= {
        "DAGSTER_HOME": str(home),
        # Despite the setting in dagster.yaml, the web server would upload what is in $DAGSTER_HOME/logs.
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "GRABIENT_DATA_DIR": str(settings.data_dir),
        # `dagster dev` recommends `dg dev` on each start, which is in another package.
        "PYTHONWARNINGS": ",".join(
            filter(None, [environment.get("PYTHONWARNINGS"), "ignore:Function `dev_command` is superseded"])
        ),
    }
    command = [sys.executable, "-m", "dagster", "dev", "-w", str(home / "workspace.yaml"), "-h", HOST, "-p", str(port)]
    # Dagster reads `.env` from its working directory; in the project that would give the demo real API keys.
    # In its own session it does not receive Ctrl-C, and is stopped once and in order by `_stop`.
    return subprocess.Popen(command, cwd=home, env=environment, start_new_session=True, stdin=subprocess.DEVNULL)


def _wait(child: subprocess.Popen[bytes], port: int, settings: Settings, stop: _StopSignals) -> None:
    terminal.note(f"Starting Dagster at http://{HOST}:{port} with the data in {settings.data_dir}")
    ready = False
    while child.poll() is None and not stop.received:
        time.sleep(0.2)
        if not ready and _serves(port):
            ready = True
            _say_next_steps(port)


def _say_next_steps(port: int) -> None:
    terminal.note()
    terminal.note(f"  http://{HOST}:{port} is ready; Ctrl-C stops it.", "bold green")
    terminal.note("  1. Assets: materialize palettes, then the assets named after the providers")
    terminal.note("  2. Automation: turn on the sensor poll_batches, which does the rest")
    terminal.note()


def _serves(port: int) -> bool:
    # Slow to import, and only needed here.
    import http.client

    connection = http.client.HTTPConnection(HOST, port, timeout=1)
    try:
        connection.request("GET", "/server_info")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _stop(child: subprocess.Popen[bytes]) -> None:
    """Stop Dagster and all processes that it started: in order if possible, otherwise by SIGKILL."""
    with suppress(subprocess.TimeoutExpired):
        child.terminate()
        child.wait(_GRACE_SECONDS)
    for number in (signal.SIGTERM, signal.SIGKILL):
        if not _signal_group(child.pid, number):
            break
        deadline = time.monotonic() + _KILL_SECONDS
        while _signal_group(child.pid, 0) and time.monotonic() < deadline:
            child.poll()
            time.sleep(0.1)
    child.wait()


def _signal_group(group: int, number: int) -> bool:
    """Signal a process group; return whether it still had a process."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True
