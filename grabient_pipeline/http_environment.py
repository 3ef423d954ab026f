"""What HTTP clients take from the environment: certificates and proxies, and errors that name the variable.

The HTTP libraries read `SSL_CERT_FILE`, `SSL_CERT_DIR` and the proxy variables of the process themselves, and a client
that is built with an unusable one fails with an exception of the library, the interpreter or OpenSSL.
"""

from __future__ import annotations

import importlib.util
import os
import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.request import getproxies

from grabient_pipeline.errors import GrabientError, SettingsError
from grabient_pipeline.formatting import printable

if TYPE_CHECKING:
    import ssl

# OpenSSL finds the certificates of a folder by these names, which `openssl rehash` makes.
_CERTIFICATE_NAME: Final = re.compile(r"[0-9a-fA-F]{8}\.[0-9]+")
_LONGEST_PATH: Final = 200
_PROXY_SCHEMES: Final = ("http", "https", "all")


@cache
def tls_context() -> ssl.SSLContext:
    """Return the TLS context that all clients share: each would otherwise load the certificates again, in 20 ms.

    Raises:
        SettingsError: `SSL_CERT_FILE` or `SSL_CERT_DIR` has no certificates. The next call tries again.
    """
    import httpx2

    with explain_client_errors():
        return httpx2.create_ssl_context()


@contextmanager
def explain_client_errors() -> Generator[None]:
    """Turn what building an HTTP client raises because of a variable into an error that names the variable.

    Exceptions that no variable explains pass unchanged.

    Raises:
        SettingsError: A variable for certificates or a proxy cannot be used.
    """
    # Building a client does not fail with a folder that has no certificates, but all of its calls do.
    problem = _certificate_folder_problem()
    if problem is not None:
        raise SettingsError(problem)
    try:
        yield
    except GrabientError:
        raise
    except Exception:
        problem = _certificate_file_problem() or _proxy_problem()
        if problem is None:
            raise
        # Without the chain, because the exceptions quote addresses of proxies, which may contain passwords.
        raise SettingsError(problem) from None


def untrusted_certificate(error: BaseException) -> str | None:
    """Return what to do about a call that failed because of the other side's certificate; None for another error.

    Such a call sent nothing.
    """
    for cause in error_chain(error):
        if type(cause).__name__ == "SSLCertVerificationError":
            reason = getattr(cause, "verify_message", "") or cause
            return (
                f"its certificate is not trusted ({printable(reason, _LONGEST_PATH)}); "
                "set SSL_CERT_FILE to a file with the certificates of your organisation"
            )
    return None


def error_chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an exception and its causes, the outermost first."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _certificate_folder_problem() -> str | None:
    folders = os.environ.get("SSL_CERT_DIR")
    # The file takes precedence in all libraries but Google's, which is given a context.
    if not folders or os.environ.get("SSL_CERT_FILE"):
        return None
    for folder in folders.split(os.pathsep):
        try:
            if any(_CERTIFICATE_NAME.fullmatch(path.name) for path in Path(folder).iterdir()):
                return None
        except OSError:
            continue
    return (
        f"SSL_CERT_DIR ({printable(folders, _LONGEST_PATH)}) is not a folder of certificates under the names that "
        "openssl rehash gives them; correct or unset it"
    )


def _certificate_file_problem() -> str | None:
    path = os.environ.get("SSL_CERT_FILE")
    if not path:
        return None
    import ssl

    try:
        ssl.create_default_context(cafile=path)
    except ssl.SSLError as error:
        reason = str(error.reason or error).lower().replace("_", " ")
    except OSError as error:
        reason = error.strerror or str(error)
    else:
        return None
    return (
        f"SSL_CERT_FILE ({printable(path, _LONGEST_PATH)}) is not a file of certificates ({printable(reason)}); "
        "correct or unset it"
    )


def _proxy_problem() -> str | None:
    """Return what is wrong with the first proxy that cannot be used. Its address may contain a password."""
    import httpx2

    proxies = getproxies()
    for scheme in _PROXY_SCHEMES:
        address = proxies.get(scheme)
        if not address:
            continue
        name = _proxy_variable(scheme)
        try:
            proxy = httpx2.Proxy(address if "://" in address else f"http://{address}")
        except (ValueError, httpx2.InvalidURL):
            return f"{name} is not the address of a proxy such as http://proxy.example.com:8080; correct or unset it"
        if proxy.url.scheme.startswith("socks") and importlib.util.find_spec("socksio") is None:
            return f"{name} is a SOCKS proxy, which needs the package socksio; install it, or use an HTTP proxy"
    return None


def _proxy_variable(scheme: str) -> str:
    """Return the variable that sets the proxy of a scheme; the lower-case spelling takes precedence."""
    names = [name for name, value in os.environ.items() if name.lower() == f"{scheme}_proxy" and value]
    return min(names, key=lambda name: not name.islower(), default=f"the system's {scheme} proxy")
