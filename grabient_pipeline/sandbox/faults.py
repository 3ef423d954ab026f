"""Misbehaviour on demand: what can go wrong between a client and a provider, armed by name.

A fault is armed for one provider or all of them, for a number of times or until it is disarmed, with its parameters.
What it does stands where it happens: creation faults in `creation`, the others in the providers' modules, which ask
`Faults.take` at their moment.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import Response

from grabient_pipeline.sandbox.abilities import PROVIDERS, Provider

Moment = Literal["any", "creation", "batch", "results", "download", "status"]


@dataclass(frozen=True, slots=True)
class Kind:
    """A sort of fault: when it strikes, what it does, its parameters with their defaults."""

    moment: Moment
    description: str
    parameters: dict[str, Any] = field(default_factory=dict[str, Any])


FAULTS: dict[str, Kind] = {
    "create_then_drop": Kind("creation", "the batch is made, then the connection is closed without an answer"),
    "create_then_500": Kind("creation", "the batch is made, then the answer is an error", {"status": 500}),
    "create_then_timeout": Kind("creation", "the batch is made, its answer comes late", {"seconds": 5.0}),
    "refuse": Kind(
        "creation",
        "the batch is not made: an error answer, with a Retry-After header if seconds are given",
        {"status": 429, "type": "", "message": "", "retry_after": None},
    ),
    "down": Kind("any", "every call is answered with 503"),
    "hang": Kind("any", "no call is answered; the connection is closed after so long", {"seconds": 30.0}),
    "slow_batch": Kind("batch", "batches made from now on take so many seconds", {"seconds": 3600.0}),
    "expire": Kind("batch", "batches made from now on expire with this share finished", {"share": 0.5}),
    "foreign_results_url": Kind("status", "Anthropic's results_url names another host", {"host": "results.invalid"}),
    "cut_download": Kind("download", "the connection breaks after so many bytes of results", {"bytes": 1000}),
    "missing_rows": Kind("results", "the first rows of the results are left out", {"count": 1}),
    "duplicate_rows": Kind("results", "the first rows of the results come twice", {"count": 1}),
    "unknown_rows": Kind("results", "rows for custom ids that were never sent are added", {"count": 1}),
    "garbage_rows": Kind("results", "lines that are not JSON are added", {"count": 1}),
}


class UnknownFaultError(ValueError):
    """A fault, provider or parameter that does not exist."""


@dataclass(slots=True)
class Fault:
    """An armed fault."""

    name: str
    provider: Provider | None
    times: int | None
    parameters: dict[str, Any]

    def __getitem__(self, parameter: str) -> Any:
        return self.parameters[parameter]


class Faults:
    """The armed faults, in the order in which they were armed."""

    def __init__(self) -> None:
        self._armed: list[Fault] = []
        self._lock = threading.Lock()

    def arm(self, name: str, provider: str | None = None, times: int | None = None, **parameters: Any) -> Fault:
        """Arm a fault for one provider or, with None, all; for so many times or, with None, until disarmed."""
        kind = FAULTS.get(name)
        if kind is None:
            raise UnknownFaultError(f"no fault {name!r}; there are {', '.join(FAULTS)}")
        known: Provider | None = next((each for each in PROVIDERS if each == provider), None)
        if provider is not None and known is None:
            raise UnknownFaultError(f"no provider {provider!r}; there are {', '.join(PROVIDERS)}")
        strangers = parameters.keys() - kind.parameters.keys()
        if strangers:
            raise UnknownFaultError(f"{name} has no parameter {', '.join(sorted(strangers))}")
        fault = Fault(name, known, times, {**kind.parameters, **parameters})
        with self._lock:
            self._armed.append(fault)
        return fault

    def disarm(self) -> None:
        """Behave again."""
        with self._lock:
            self._armed.clear()

    def armed(self) -> list[Fault]:
        with self._lock:
            return list(self._armed)

    def take(self, moment: Moment, provider: Provider) -> Fault | None:
        """The first fault that strikes now; one of its times is used up."""
        with self._lock:
            for fault in self._armed:
                if FAULTS[fault.name].moment == moment and fault.provider in (None, provider):
                    self._use(fault)
                    return fault
        return None

    def take_all(self, moment: Moment, provider: Provider) -> list[Fault]:
        """Every fault that strikes now."""
        with self._lock:
            struck = [
                fault
                for fault in self._armed
                if FAULTS[fault.name].moment == moment and fault.provider in (None, provider)
            ]
            for fault in struck:
                self._use(fault)
        return struck

    def _use(self, fault: Fault) -> None:
        if fault.times is None:
            return
        fault.times -= 1
        if fault.times <= 0:
            self._armed.remove(fault)


class Dropped(Response):
    """No answer at all: the connection is closed."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        abort = scope.get("state", {}).get("abort")
        if abort is None:
            raise ConnectionAbortedError("the sandbox drops this connection on purpose")
        abort()
        # The transport tells the server that it is gone in the next round of the loop.
        await asyncio.sleep(0.01)


ErrorAnswer = Callable[[int, str, str], Response]


async def creation(
    faults: Faults,
    provider: Provider,
    request: Request,
    make: Callable[[Request], Awaitable[Response]],
    error: ErrorAnswer,
) -> Response:
    """Make a batch, or fail at it as armed; `error(status, type, message)` speaks the provider's dialect."""
    fault = faults.take("creation", provider)
    if fault is None:
        return await make(request)
    if fault.name == "refuse":
        # The body is read first, as a real server does, so that the client is not cut off while it sends.
        async for _ in request.stream():
            pass
        answer = error(fault["status"], fault["type"], fault["message"])
        if fault["retry_after"] is not None:
            answer.headers["retry-after"] = str(fault["retry_after"])
        return answer
    answer = await make(request)
    if answer.status_code >= 400:
        return answer
    if fault.name == "create_then_500":
        return error(fault["status"], "", "")
    if fault.name == "create_then_timeout":
        await asyncio.sleep(fault["seconds"])
        return answer
    return Dropped()
