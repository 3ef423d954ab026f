"""`python -m grabient_pipeline.sandbox`: the process behind `SandboxServer(where="process")`."""

import argparse
import sys
from pathlib import Path

import orjson

from grabient_pipeline.sandbox.app import DEFAULT_BATCH_SECONDS, DEFAULT_SEED, Sandbox
from grabient_pipeline.sandbox.batches.queues import UnknownLimitError
from grabient_pipeline.sandbox.faults.armed import UnknownFaultError
from grabient_pipeline.sandbox.server import SandboxServerError, serve_sandbox


def main() -> None:
    """Serve; the first line on standard output is a JSON object with the port."""
    parser = argparse.ArgumentParser(prog="python -m grabient_pipeline.sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--state", type=Path, default=None)
    parser.add_argument("--batch-seconds", type=float, default=DEFAULT_BATCH_SECONDS)
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED)
    parser.add_argument("--faults", type=orjson.loads, default=[], help='a JSON list, such as [{"name": "down"}]')
    parser.add_argument("--limits", type=orjson.loads, default=None, help='limits of the queues, such as {"tier": 1}')
    parser.add_argument("--attached", action="store_true", help="stop at the end of standard input")
    options = parser.parse_args()
    try:
        sandbox = Sandbox(options.state, options.batch_seconds, options.seed, options.faults, limits=options.limits)
        serve_sandbox(sandbox, options.port, _print_port, attached=options.attached)
    except (SandboxServerError, UnknownFaultError, UnknownLimitError) as problem:
        parser.error(str(problem))


def _print_port(port: int) -> None:
    sys.stdout.buffer.write(orjson.dumps({"port": port}) + b"\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
