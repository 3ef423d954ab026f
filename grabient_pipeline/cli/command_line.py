"""Exit statuses: 0 on success, 1 on a failure, 2 on wrong usage, 130 on Ctrl-C. Failures are explained in one line.

An unexpected exception is reported in one line too; `GRABIENT_DEBUG=1` adds its traceback.
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

from grabient_pipeline.cli import lazy, terminal
from grabient_pipeline.errors import GrabientError

INTERRUPTED = 130

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


class CommandLine(TyperGroup):
    """A group of commands that reports failures in one line."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command and exit with its status; not in standalone mode: return the status."""

        def run() -> Any:
            return super(CommandLine, self).main(
                args, prog_name, complete_var, standalone_mode=False, windows_expand_args=windows_expand_args, **extra
            )

        status = _run_and_report(run)
        if standalone_mode:
            sys.exit(status)
        return status


def application(name: str, help: str, epilog: str | None = None) -> typer.Typer:
    """Return an application or a command group. Without a command it prints its help and exits with status 2."""
    app = typer.Typer(
        name=name,
        cls=CommandLine,
        help=help,
        epilog=epilog,
        invoke_without_command=True,
        # Plain help takes a third of the time of Rich's. Rich's tracebacks show local variables, perhaps an API key.
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
    """Print why a command failed; return the exception to raise."""
    _print_error(explanation)
    return typer.Exit(1)


def _run_and_report(run: Callable[[], object]) -> int:
    try:
        status = run()
    except typer.TyperException as error:
        return _usage(error)
    except GrabientError as error:
        _print_error(str(error))
        return 1
    except OSError as error:
        _print_error(f"{error.strerror or error}" + (f": {error.filename}" if error.filename else ""))
        return _unexpected(error)
    except (KeyboardInterrupt, typer.Abort):
        return _interrupted()
    except Exception as error:
        if (explained := _explain_database_error(error)) is not None:
            _print_error(explained)
            return _unexpected(error)
        # Without its message, which might contain an API key.
        _print_error(
            f"{type(error).__name__} at {_location(error)}: internal error; please report it. Completed work is saved. "
            "Set GRABIENT_DEBUG=1 for a traceback"
        )
        return _unexpected(error)
    # Typer turns an interruption into this status without a message.
    return _interrupted() if status == INTERRUPTED else status if isinstance(status, int) else 0


def _explain_database_error(error: Exception) -> str | None:
    """Say what an error of DuckDB means for the file; None for another error, which is a bug."""
    if not type(error).__module__.lstrip("_").startswith("duckdb"):
        return None
    return lazy.explain_database_error(error)


def _usage(error: typer.TyperException) -> int:
    context = cast("typer.Context | None", getattr(error, "ctx", None))
    path = context.command_path if context else "grabient"
    _print_error(f"{error.format_message().rstrip('.')} (see {path} --help)", command=path)
    return error.exit_code


def _interrupted() -> int:
    _print_error("interrupted; completed work is saved")
    return INTERRUPTED


def _unexpected(error: Exception) -> int:
    if os.environ.get("GRABIENT_DEBUG"):
        traceback.print_exception(error)
    return 1


def _print_error(explanation: str, command: str = "grabient") -> None:
    terminal.note(f"{command}: {' '.join(explanation.split())}", "red")


def _location(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(last.filename).name}:{last.lineno}"
