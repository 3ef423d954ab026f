"""`make audit`: are there known vulnerabilities in what the project depends on?

pip-audit asks a database on the network about every package of the hashed requirements files. By itself it counts a
package that it could not ask about as fine; here nothing counts as checked that was not: status 0 if all were and are
fine, 1 if there is a vulnerability, 2 if the database could not be asked about all of them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ("requirements/run.txt", "requirements/dev.txt")


def main() -> int:
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--no-deps"]
    command += ["--format", "json", "--progress-spinner", "off"]
    for name in REQUIREMENTS:
        command += ["--requirement", str(PROJECT / name)]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        packages = json.loads(asked.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        reason = next((line for line in reversed(asked.stderr.splitlines()) if line.strip()), "no answer")
        return offline(f"nothing was checked: {reason.strip()}")
    vulnerable = {package["name"]: package["vulns"] for package in packages if package.get("vulns")}
    unasked = sorted({package["name"] for package in packages if "skip_reason" in package})
    for name, found in sorted(vulnerable.items()):
        for each in found:
            fixed = ", ".join(each.get("fix_versions") or ()) or "no version"
            print(f"{name}: {each['id']} (fixed in {fixed})")
    checked = len({package["name"] for package in packages}) - len(unasked)
    if vulnerable:
        print(f"{len(vulnerable)} of {checked} checked packages have known vulnerabilities")
        return 1
    if unasked or not checked:
        named = ", ".join(unasked[:5]) + (" ..." if len(unasked) > 5 else "")
        return offline(f"{len(unasked)} packages could not be checked ({named}), {checked} are fine")
    print(f"none of {checked} packages has a known vulnerability")
    return 0


def offline(what: str) -> int:
    print(f"NOT AUDITED: {what}. The database of vulnerabilities is on the network; can it be reached?")
    return 2


if __name__ == "__main__":
    sys.exit(main())
