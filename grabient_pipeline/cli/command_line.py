"""How every command ends: status 0, or 1 with one line that explains the failure, or 2 for wrong usage.

An exception that nobody foresaw is a fault of ours; it says so in one line too, and `GRABIENT_DEBUG=1` shows its
traceback.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from typer.core import TyperGroup

from grabient_pipeline.errors import GrabientError

INTERRUPTED = 130

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


class CommandLine(TyperGroup):
    """A group of commands that explains failures in one line."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        def run() -> Any:
            return super(CommandLine, self).main(
                args, prog_name, complete_var, standalone_mode=False, windows_expand_args=windows_expand_args, **extra
            )

        status = _explained(run)
        if standalone_mode:
            sys.exit(status)
        return status


def application(name: str, help: str, epilog: str | None = None) -> typer.Typer:
    """An application or a group in it: without a command it shows its help, which is wrong usage all the same."""
    app = typer.Typer(
        name=name,
        cls=CommandLine,
        help=help,
        epilog=epilog,
        invoke_without_command=True,
        # Plain help takes a third of the time. Tracebacks of theirs show local variables, and so perhaps a key.
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        pretty_exceptions_show_locals=False,
    )

    @app.callback()
    def show_help(context: typer.Context) -> None:  # pyright: ignore[reportUnusedFunction]
        if context.invoked_subcommand is None:
            typer.echo(context.get_help(), err=True)
            raise typer.Exit(2)

    return app


def failed(explanation: str) -> typer.Exit:
    """Say why in one line; raise what this gives."""
    _explain(explanation)
    return typer.Exit(1)


def _explained(run: Callable[[], object]) -> int:
    try:
        status = run()
    except typer.TyperException as error:
        return _usage(error)
    except GrabientError as error:
        _explain(str(error))
        return 1
    except OSError as error:
        _explain(f"{error.strerror or error}" + (f": {error.filename}" if error.filename else ""))
        return _unforeseen(error, 1)
    except (KeyboardInterrupt, typer.Abort):
        return _interrupted()
    except Exception as error:
        # The message is left out: whatever an exception of somebody else's says, there might be a key in it.
        _explain(
            f"{type(error).__name__} at {_place(error)}: this is a fault of grabient itself. "
            "GRABIENT_DEBUG=1 shows where; what was done so far is safe"
        )
        return _unforeseen(error, 1)
    # Typer turns an interruption into this status and says nothing.
    return _interrupted() if status == INTERRUPTED else status if isinstance(status, int) else 0


def _usage(error: typer.TyperException) -> int:
    context = cast("typer.Context | None", getattr(error, "ctx", None))
    path = context.command_path if context else "grabient"
    _explain(f"{error.format_message().rstrip('.')} ({path} --help tells more)", command=path)
    return error.exit_code


def _interrupted() -> int:
    _explain("interrupted; what was done so far is safe")
    return INTERRUPTED


def _unforeseen(error: Exception, status: int) -> int:
    if os.environ.get("GRABIENT_DEBUG"):
        traceback.print_exception(error)
    return status


def _explain(explanation: str, command: str = "grabient") -> None:
    from grabient_pipeline.cli import terminal

    terminal.note(f"{command}: {' '.join(explanation.split())}", "red")


def _place(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(last.filename).name}:{last.lineno}"
