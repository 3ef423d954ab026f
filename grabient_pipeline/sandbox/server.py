"""Running the sandbox: in a thread for tests, in its own process for the demo, or in the foreground for people.

It listens on the loopback address only.
"""

import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Literal, cast

import orjson
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from grabient_pipeline.sandbox.app import DEFAULT_BATCH_SECONDS, DEFAULT_SEED, Sandbox
from grabient_pipeline.sandbox.batches.context import KEY_PREFIX
from grabient_pipeline.sandbox.discovery import PROVIDERS

HOST = "127.0.0.1"
_START_SECONDS = 20.0
_STOP_SECONDS = 5.0


class SandboxServerError(RuntimeError):
    """The sandbox could not be started."""


def environment(port: int) -> dict[str, str]:
    """The variables that send the pipeline, or the SDK of any provider, to the sandbox on this port."""
    keys = {provider.key_variable: f"{KEY_PREFIX}{provider.key}" for provider in PROVIDERS.values()}
    addresses = {
        provider.address_variable: f"http://{HOST}:{port}{provider.address_path}" for provider in PROVIDERS.values()
    }
    return {**keys, **addresses}


class SandboxServer:
    """A sandbox that runs for the duration of a `with` block.

    Args:
        where: "thread" starts fast and gives tests access to `sandbox`; "process" has its own core, and ends with its
            parent process, however that ends.
        port: The port, or 0 for any free one.
        state: The directory that keeps batches, files and bills; without it they are lost at the end.
        batch_seconds: The duration of a batch.
        seed: The seed of all answers.
        faults: Faults that are armed from the start, as in the control API.
        limits: Limits of the queues from the start, as in the control API; none by default.
    """

    def __init__(  # noqa: PLR0913 - by name only
        self,
        *,
        where: Literal["thread", "process"] = "thread",
        port: int = 0,
        state: Path | None = None,
        batch_seconds: float = DEFAULT_BATCH_SECONDS,
        seed: int = DEFAULT_SEED,
        faults: list[dict[str, Any]] | None = None,
        limits: Any = None,
    ) -> None:
        self._where = where
        self._wanted_port = port
        self._state = state
        self._batch_seconds = batch_seconds
        self._seed = seed
        self._faults = faults or []
        self._limits = limits
        self._sandbox: Sandbox | None = None
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        """The address without a path."""
        return f"http://{HOST}:{self.port}"

    @property
    def sandbox(self) -> Sandbox:
        """The sandbox object; only with `where="thread"`."""
        if self._sandbox is None:
            raise SandboxServerError("the sandbox runs in another process; use its control API under /_sandbox")
        return self._sandbox

    @property
    def pid(self) -> int:
        """The id of the process that serves."""
        return self._process.pid if self._process else os.getpid()

    def environment(self) -> dict[str, str]:
        """The variables that send the pipeline here."""
        return environment(self.port)

    def start(self) -> "SandboxServer":
        """Start, and wait until it serves.

        Raises:
            SandboxServerError: It did not start in time.
        """
        if self._where == "thread":
            self._start_thread()
        else:
            self._start_process()
        return self

    def stop(self) -> None:
        """Stop, and wait for the end."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(_STOP_SECONDS)
            self._server = self._thread = None
        if self._process is not None:
            self._stop_process(self._process)
            self._process = None

    def __enter__(self) -> "SandboxServer":
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _start_thread(self) -> None:
        self._sandbox = Sandbox(self._state, self._batch_seconds, self._seed, self._faults, limits=self._limits)
        listening = _listen(self._wanted_port)
        self.port = listening.getsockname()[1]
        self._server = _Server(_configuration(self._sandbox))
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listening]}, name="sandbox-server", daemon=True
        )
        self._thread.start()
        deadline = time.monotonic() + _START_SECONDS
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise SandboxServerError("the sandbox did not start")
            time.sleep(0.005)

    def _start_process(self) -> None:
        command = [sys.executable, "-m", "grabient_pipeline.sandbox", "--port", str(self._wanted_port)]
        command += ["--batch-seconds", str(self._batch_seconds), "--seed", str(self._seed), "--attached"]
        if self._state is not None:
            command += ["--state", str(self._state)]
        command += ["--faults", orjson.dumps(self._faults).decode()]
        command += ["--limits", orjson.dumps(self._limits).decode()]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], _START_SECONDS)
        line = self._process.stdout.readline() if ready else b""
        if not line:
            self.stop()
            raise SandboxServerError("the sandbox did not start")
        self.port = int(orjson.loads(line)["port"])

    @staticmethod
    def _stop_process(process: subprocess.Popen[bytes]) -> None:
        # It stops at the end of its standard input.
        cast(IO[bytes], process.stdin).close()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        cast(IO[bytes], process.stdout).close()


def serve(  # noqa: PLR0913 - by name only
    port: int = 0,
    state: Path | None = None,
    batch_seconds: float = DEFAULT_BATCH_SECONDS,
    seed: int = DEFAULT_SEED,
    *,
    faults: list[dict[str, Any]] | None = None,
    limits: Any = None,
    ready: Callable[[int], None] | None = None,
) -> None:
    """Serve in the foreground until interrupted.

    Args:
        port: The port, or 0 for any free one.
        state: The directory that keeps batches, files and bills; without it they are lost at the end.
        batch_seconds: The duration of a batch.
        seed: The seed of all answers.
        faults: Faults that are armed from the start, as in the control API.
        limits: Limits of the queues from the start, as in the control API; none by default.
        ready: Called with the port once the server accepts calls.

    Raises:
        SandboxServerError: The port is not available.
        UnknownLimitError: The limits name what does not exist, or have an invalid value.
    """
    serve_sandbox(Sandbox(state, batch_seconds, seed, faults, limits=limits), port, ready)


def serve_sandbox(
    sandbox: Sandbox, port: int, ready: Callable[[int], None] | None = None, *, attached: bool = False
) -> None:
    """Serve a sandbox like `serve`; attached, stop also when standard input ends or the parent process is gone."""
    try:
        listening = _listen(port)
    except OSError as error:
        raise SandboxServerError(f"cannot listen on {HOST}:{port}: {error.strerror or error}") from error
    server = _Server(_configuration(sandbox), ready, listening.getsockname()[1])
    if attached:
        threading.Thread(target=_watch_parent, args=(server, os.getppid()), daemon=True).start()
    server.run(sockets=[listening])


def _listen(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
    except OSError:
        listening.close()
        raise
    listening.listen(2048)
    return listening


def _configuration(sandbox: Sandbox) -> uvicorn.Config:
    return uvicorn.Config(
        sandbox.app,
        http=_Protocol,
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        # The application states the time, so that the clock of a provider can be wrong.
        date_header=False,
        timeout_graceful_shutdown=0,
    )


class _Server(uvicorn.Server):
    """A server that reports when it is ready."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[int], None] | None = None, port: int = 0) -> None:
        super().__init__(config)
        self._ready, self._port = ready, port

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._ready is not None:
            self._ready(self._port)


class _Protocol(HttpToolsProtocol):
    """Lets the application close a connection without a response, as a failing network does."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope.setdefault("state", {})["abort"] = self._abort

    def _abort(self) -> None:
        self.transport.abort()


def _watch_parent(server: uvicorn.Server, parent: int) -> None:
    while os.getppid() == parent:
        readable, _, _ = select.select([sys.stdin], [], [], 1.0)
        if readable and not os.read(sys.stdin.fileno(), 1024):
            break
    server.should_exit = True
