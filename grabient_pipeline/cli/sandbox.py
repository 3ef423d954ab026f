"""`grabient sandbox`."""

from __future__ import annotations

import shlex
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, cast

import orjson
import typer

from grabient_pipeline.cli import lazy, terminal
from grabient_pipeline.errors import SettingsError


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("sandbox", epilog="Example: grabient sandbox --port 8900 --batch-seconds 60")(sandbox)


def sandbox(
    port: Annotated[
        int, typer.Option(metavar="N", min=0, max=65535, help="The port on 127.0.0.1; 0 chooses a free one.")
    ] = 0,
    state: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep batches in this folder.", show_default="in memory")
    ] = None,
    batch_seconds: Annotated[float, typer.Option(metavar="S", min=0, help="How long a batch takes.")] = 2.0,
    limits: Annotated[
        str | None,
        typer.Option(
            metavar="TIER|JSON",
            help="Limit what batches may hold: the number of a tier at all providers, or JSON as in docs/sandbox.md.",
            show_default="no limits",
        ),
    ] = None,
) -> None:
    """Serve the batch APIs of all providers on this machine. Runs until Ctrl-C, without API keys or cost."""
    wanted = _read_limits(limits)
    data_dir = lazy.Settings.from_environment().demo().data_dir

    def say_ready(port: int) -> None:
        terminal.note(f"The sandbox is at http://127.0.0.1:{port}; Ctrl-C stops it. In another shell:")
        # Made-up answers do not mix with real ones.
        variables = {
            **lazy.sandbox.environment(port),
            **lazy.proxy_exceptions(),
            "GRABIENT_SANDBOX": "1",
            "GRABIENT_DATA_DIR": str(data_dir),
        }
        for name, value in variables.items():
            print(f"export {name}={shlex.quote(value)}", flush=True)  # noqa: T201  # a shell evaluates it

    try:
        with suppress(KeyboardInterrupt):
            lazy.sandbox.serve(port, state, batch_seconds, limits=wanted, ready=say_ready)
    except lazy.sandbox.UnknownLimitError as error:
        raise typer.BadParameter(f"--limits: {error}") from None
    except lazy.sandbox.SandboxServerError as error:
        raise SettingsError(f"{error}; choose another --port") from None
    terminal.note("The sandbox has stopped.")


def _read_limits(text: str | None) -> Any:
    """Read the option: a tier, or what the control API takes; None without limits."""
    if text is None:
        return None
    try:
        wanted: Any = orjson.loads(text)
    except orjson.JSONDecodeError:
        wanted = None
    if isinstance(wanted, int) and not isinstance(wanted, bool):
        return {"tier": wanted}
    if not isinstance(wanted, dict | list):
        raise typer.BadParameter(
            f"--limits must be the number of a tier, such as 1, or JSON, such as '{{\"tier\": 1}}'; not {text!r}"
        )
    return cast("Any", wanted)
