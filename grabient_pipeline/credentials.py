"""Credentials in environment variables: which are missing, and whether a secret can be sent. Shows no value."""

from __future__ import annotations

from collections.abc import Mapping

from grabient_pipeline.errors import SettingsError


def read_variables(environment: Mapping[str, str], variables: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Read variables by the name of what they hold.

    Returns:
        the values by name, without spaces at their ends and empty if not set; and the variables that are not set.
    """
    values = {name: environment.get(variable, "").strip() for name, variable in variables.items()}
    return values, [variables[name] for name, value in values.items() if not value]


def check_secret(variable: str, value: str, kind: str) -> None:
    """Refuse a secret that no HTTP header can carry. The HTTP libraries would quote it in their error messages.

    Args:
        kind: what it is, for the message: "an API key".

    Raises:
        SettingsError: it contains other characters than printable ASCII.
    """
    if not (value.isascii() and value.isprintable()):
        raise SettingsError(
            f"{variable} contains characters that are not valid in {kind}; check that you copied it correctly"
        )
