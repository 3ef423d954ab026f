"""The armed faults: arming, disarming, and using them up. A fault is armed for one provider or all, and for a number
of times or until it is disarmed."""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from grabient_pipeline.sandbox.faults.registry import (
    EVERY_CALL,
    PARAMETER_VALUES,
    Call,
    FaultKind,
    FaultScope,
    is_whole,
)
from grabient_pipeline.sandbox.json_values import as_object


class UnknownFaultError(ValueError):
    """A fault, provider or parameter that does not exist, or an invalid value."""


@dataclass(slots=True)
class Fault:
    """An armed fault."""

    name: str
    kind: FaultKind
    provider: str | None
    times: int | None
    parameters: dict[str, Any]
    # Times at which rate-limited calls passed, by provider.
    passed: dict[str, deque[float]] = field(default_factory=dict[str, deque[float]])

    def __getitem__(self, parameter: str) -> Any:
        return self.parameters[parameter]

    def strikes(self, provider: str) -> bool:
        """Whether it can happen to a call of this provider."""
        return self.provider in (None, provider) and provider in self.kind.providers

    def concerns(self, call: Call) -> bool:
        """Whether it is armed for this kind of call."""
        wanted = self.parameters["calls"]
        return wanted == EVERY_CALL or call in wanted.split()

    def document(self) -> dict[str, Any]:
        """Its description in the control API."""
        return {"name": self.name, "provider": self.provider, "times": self.times, "parameters": self.parameters}


class ArmedFaults:
    """The armed faults, in the order in which they were armed.

    Args:
        kinds: The faults that exist, by name.
        providers: The keys of the providers that exist.
    """

    def __init__(self, kinds: Mapping[str, FaultKind], providers: Sequence[str]) -> None:
        self.kinds = kinds
        self._providers = providers
        self._armed: list[Fault] = []
        self._lock = threading.Lock()

    def arm(self, name: str, provider: str | None = None, times: int | None = None, **parameters: Any) -> Fault:
        """Arm a fault for one provider or all (None), for a number of times or until it is disarmed (None)."""
        return self.arm_all([{"name": name, "provider": provider, "times": times, **parameters}])[0]

    def arm_all(self, wanted: Any) -> list[Fault]:
        """Arm one fault or a list of them, as described by a JSON document; if one is invalid, none is armed.

        Raises:
            UnknownFaultError: The document describes a fault that does not exist, or with invalid parameters.
        """
        documents = cast(list[Any], wanted) if isinstance(wanted, list) else [wanted]
        faults = [self._read(document) for document in documents]
        with self._lock:
            self._armed.extend(faults)
        return faults

    def _read(self, document: Any) -> Fault:
        parameters = dict(as_object(document))
        if not isinstance(parameters.get("name"), str):
            raise UnknownFaultError(f"a fault is an object with a name, not {document!r}")
        name: str = parameters.pop("name")
        provider, times = parameters.pop("provider", None), parameters.pop("times", None)
        kind = self.kinds.get(name)
        if kind is None:
            raise UnknownFaultError(f"no fault {name!r}; there are {', '.join(self.kinds)}")
        if provider is not None and provider not in self._providers:
            raise UnknownFaultError(f"no provider {provider!r}; there are {', '.join(self._providers)}")
        if provider is not None and provider not in kind.providers:
            raise UnknownFaultError(f"{name} does not apply to {provider}, only to {', '.join(kind.providers)}")
        if times is not None and not is_whole(times):
            raise UnknownFaultError(f"times must be a whole number of at least 1, not {times!r}")
        _check_parameters(name, kind, parameters)
        return Fault(name, kind, provider, times, {**kind.parameters, **parameters})

    def disarm(self) -> None:
        """Disarm every fault."""
        with self._lock:
            self._armed.clear()

    def armed(self) -> list[Fault]:
        """The faults that are armed now."""
        with self._lock:
            return list(self._armed)

    def take(self, name: str, provider: str) -> Fault | None:
        """The fault of this name if it strikes now; this uses up one of its times."""
        return self._take(lambda fault: fault.name == name and fault.strikes(provider))

    def clock_skew(self, provider: str) -> float:
        """By how many seconds the clock of this provider is off; this uses up nothing."""
        skewed = next((each for each in self.armed() if each.name == "skewed_clock" and each.strikes(provider)), None)
        return 0.0 if skewed is None else skewed["seconds"]

    def take_first(self, scope: FaultScope, provider: str) -> Fault | None:
        """The first fault in this scope that strikes now; this uses up one of its times."""
        return self._take(lambda fault: fault.kind.scope == scope and fault.strikes(provider))

    def take_for(self, name: str, provider: str, call: Call) -> Fault | None:
        """The fault of this name if it strikes this kind of call now; this uses up one of its times."""
        return self._take(lambda fault: fault.name == name and fault.strikes(provider) and fault.concerns(call))

    def take_call(self, provider: str, call: Call) -> tuple[Fault, float | None] | None:
        """The first fault that strikes a call before it is handled, and the seconds until a retry, if announced."""
        if not self._armed:
            return None
        with self._lock:
            for fault in self._armed:
                if fault.kind.scope != "call" or fault.name == "slow_calls":
                    continue
                if not fault.strikes(provider) or not fault.concerns(call):
                    continue
                wait = fault.parameters.get("retry_after")
                if fault.name == "limit_rate":
                    wait = _seconds_until_free(fault, provider)
                    if wait is None:
                        continue
                self._use(fault)
                return fault, wait
        return None

    def take_all(self, scope: FaultScope, provider: str) -> list[Fault]:
        """Every fault in this scope that strikes now; this uses up one of the times of each."""
        with self._lock:
            struck = [fault for fault in self._armed if fault.kind.scope == scope and fault.strikes(provider)]
            for fault in struck:
                self._use(fault)
        return struck

    def _take(self, matches: Callable[[Fault], bool]) -> Fault | None:
        # Usually nothing is armed, and this is called for every request.
        if not self._armed:
            return None
        with self._lock:
            fault = next((each for each in self._armed if matches(each)), None)
            if fault is not None:
                self._use(fault)
        return fault

    def _use(self, fault: Fault) -> None:
        if fault.times is None:
            return
        fault.times -= 1
        if fault.times <= 0:
            self._armed.remove(fault)


def _check_parameters(name: str, kind: FaultKind, parameters: dict[str, Any]) -> None:
    unknown = parameters.keys() - kind.parameters.keys()
    if unknown:
        raise UnknownFaultError(f"{name} has no parameter {', '.join(sorted(unknown))}")
    for parameter, value in parameters.items():
        accepts, what = PARAMETER_VALUES.get(f"{name}.{parameter}") or PARAMETER_VALUES[parameter]
        optional = value is None and kind.parameters[parameter] is None
        if not optional and not accepts(value):
            raise UnknownFaultError(f"{parameter} of {name} must be {what}, not {value!r}")


def _seconds_until_free(fault: Fault, provider: str) -> float | None:
    """Let a call pass and record it (None), or the seconds until the rate limit has room for it."""
    moment = time.monotonic()
    passed = fault.passed.setdefault(provider, deque())
    while passed and passed[0] <= moment - fault["seconds"]:
        passed.popleft()
    if len(passed) < fault["requests"]:
        passed.append(moment)
        return None
    return passed[0] + fault["seconds"] - moment
