"""`make audit`: check the dependencies for known vulnerabilities.

pip-audit queries a database on the network about every package of the hashed requirements files. It passes packages
that it could not look up; this script does not. The exit status is 0 if every package was checked and none is
vulnerable, 1 if one is vulnerable, and 2 if some could not be checked.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ("requirements/run.txt", "requirements/dev.txt")


def main() -> int:
    """Print the vulnerabilities and return the exit status."""
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--no-deps"]
    command += ["--format", "json", "--progress-spinner", "off"]
    for name in REQUIREMENTS:
        command += ["--requirement", str(PROJECT / name)]
    completed = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        packages = json.loads(completed.stdout)["dependencies"]
    except (ValueError, KeyError, TypeError):
        reason = next((line for line in reversed(completed.stderr.splitlines()) if line.strip()), "no response")
        return report_incomplete(f"nothing was checked: {reason.strip()}")
    vulnerable = {package["name"]: package["vulns"] for package in packages if package.get("vulns")}
    unchecked = sorted({package["name"] for package in packages if "skip_reason" in package})
    for name, vulnerabilities in sorted(vulnerable.items()):
        for each in vulnerabilities:
            fixed = ", ".join(each.get("fix_versions") or ()) or "no version"
            print(f"{name}: {each['id']} (fixed in {fixed})")
    checked = len({package["name"] for package in packages}) - len(unchecked)
    if vulnerable:
        print(f"{len(vulnerable)} of {checked} checked packages have known vulnerabilities")
        return 1
    if unchecked or not checked:
        examples = ", ".join(unchecked[:5]) + (" ..." if len(unchecked) > 5 else "")
        return report_incomplete(f"{len(unchecked)} packages could not be checked ({examples}), {checked} are fine")
    print(f"none of {checked} packages has a known vulnerability")
    return 0


def report_incomplete(what: str) -> int:
    """Print what could not be checked and return the exit status."""
    print(f"NOT AUDITED: {what}. The database of vulnerabilities is on the network: check that it can be reached.")
    return 2


if __name__ == "__main__":
    sys.exit(main())
