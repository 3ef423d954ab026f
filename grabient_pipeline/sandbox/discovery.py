"""The providers of the sandbox, discovered, and the faults that can happen at each.

Every module or package in `sandbox.providers` has a `PROVIDER`. A new provider is one such module: addresses, keys,
routes, bills and faults follow from its declaration.
"""

import pkgutil
from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib import import_module

from grabient_pipeline.sandbox import providers
from grabient_pipeline.sandbox.faults.registry import FAULT_KINDS, FaultKind
from grabient_pipeline.sandbox.provider import SandboxProvider


def find_providers() -> dict[str, SandboxProvider]:
    """The `PROVIDER` of each module in `sandbox.providers`, by its key, in alphabetical order of the modules."""
    names = sorted(module.name for module in pkgutil.iter_modules(providers.__path__))
    found: list[SandboxProvider] = [import_module(f"{providers.__name__}.{name}").PROVIDER for name in names]
    return {provider.key: provider for provider in found}


def faults_of(known: Iterable[SandboxProvider]) -> dict[str, FaultKind]:
    """The kinds of faults, each with the providers at which it can happen."""
    every = tuple(known)
    return {
        name: replace(
            kind,
            providers=tuple(provider.key for provider in every if kind.universal or name in provider.faults),
        )
        for name, kind in FAULT_KINDS.items()
    }


PROVIDERS: Mapping[str, SandboxProvider] = find_providers()
FAULTS: Mapping[str, FaultKind] = faults_of(PROVIDERS.values())
