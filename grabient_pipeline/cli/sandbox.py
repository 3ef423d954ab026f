"""`grabient sandbox`: the local server that speaks the four batch APIs, for people."""

from __future__ import annotations

import shlex
import signal
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grabient_pipeline.errors import SettingsError

if TYPE_CHECKING:
    from grabient_pipeline.sandbox import SandboxServer


@contextmanager
def beside(server: SandboxServer) -> Generator[SandboxServer]:
    """The sandbox in a process of its own while the block runs.

    Ctrl-C goes to every process of a terminal, and what runs here still needs the sandbox to end in order: so the
    sandbox does not hear of it, and ends when the block does.
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


def past_proxies() -> dict[str, str]:
    """The variables that keep calls to this machine away from a proxy, where one is set up."""
    from urllib.request import getproxies_environment

    proxies = getproxies_environment()
    if not proxies:
        return {}
    exceptions = ",".join(filter(None, [proxies.get("no"), "127.0.0.1"]))
    return {"NO_PROXY": exceptions, "no_proxy": exceptions}


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("sandbox", epilog="Example: grabient sandbox --port 8900 --batch-seconds 60")(sandbox)


def sandbox(
    port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65535, help="The port on 127.0.0.1; 0 is any free one.")
    ] = 0,
    state: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep batches there; otherwise they are forgotten at the end.")
    ] = None,
    batch_seconds: Annotated[float, typer.Option(metavar="S", min=0, help="How long a batch takes.")] = 2.0,
) -> None:
    """Serve the four batch APIs on this machine. Without keys or cost, until Ctrl-C."""
    from grabient_pipeline.cli import terminal
    from grabient_pipeline.sandbox import SandboxServerError, environment, serve
    from grabient_pipeline.settings import Settings

    data_dir = Settings.from_environment().demo().data_dir

    def ready(on: int) -> None:
        terminal.note(f"The sandbox is at http://127.0.0.1:{on}; Ctrl-C ends it. In another shell:")
        # Its answers are made up, so they go to a data directory of their own.
        variables = {**environment(on), **past_proxies(), "GRABIENT_SANDBOX": "1", "GRABIENT_DATA_DIR": str(data_dir)}
        for name, value in variables.items():
            print(f"export {name}={shlex.quote(value)}", flush=True)  # noqa: T201  # to be read by a shell as it stands

    try:
        with suppress(KeyboardInterrupt):
            serve(port, state, batch_seconds, ready=ready)
    except SandboxServerError as error:
        raise SettingsError(f"{error}; choose another --port") from None
    terminal.note("The sandbox has ended.")
