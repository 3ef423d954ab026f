"""A running `grabient dev --demo`, driven by the GraphQL calls of the UI's buttons."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import grabient_pipeline

REPOSITORY = {"repositoryLocationName": "grabient_pipeline", "repositoryName": "__repository__"}

_LAUNCH = """
mutation($params: ExecutionParams!) {
  launchPipelineExecution(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
    ... on RunConfigValidationInvalid { errors { message } }
  }
}
"""
_RUN = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
_RUNS = (
    "query($job: String!) { runsOrError(filter: {pipelineName: $job}) { ... on Runs { results { runId status } } } }"
)
_START_SENSOR = """
mutation($sensor: SensorSelector!) {
  startSensor(sensorSelector: $sensor) { __typename ... on PythonError { message } }
}
"""
_MATERIALIZED = """
query($keys: [AssetKeyInput!]!) {
  assetNodes(assetKeys: $keys) { assetMaterializations(limit: 1) { timestamp metadataEntries { label } } }
}
"""


class DagsterUI:
    """The UI, its daemon and the sandbox on a data directory. Leaving the block stops everything it started."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self.log = data_dir.parent / "dev.log"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> DagsterUI:
        environment = {**os.environ, "GRABIENT_DATA_DIR": str(self._data_dir)}
        command = [Path(sys.executable).with_name("grabient"), "dev", "--demo", "--port", str(self.port)]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            self.wait_for(self._serves, 60, "the UI to answer")
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()

    def graphql(self, query: str, **variables: Any) -> Any:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as response:
            answer = json.load(response)
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    def materialize(self, assets: Sequence[str], config: dict[str, Any] | None = None) -> str:
        """Materialize these assets as the button does; return the final status of the run."""
        ops = {name: {"config": values} for name, values in (config or {}).items()}
        selector = {
            **REPOSITORY,
            "pipelineName": "__ASSET_JOB",
            "assetSelection": [{"path": [name]} for name in assets],
        }
        params = {"selector": selector, "runConfigData": json.dumps({"ops": ops}), "mode": "default"}
        launched = self.graphql(_LAUNCH, params=params)["launchPipelineExecution"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        run_id = launched["run"]["runId"]
        ends = ("SUCCESS", "FAILURE", "CANCELED")
        self.wait_for(lambda: self._status(run_id) in ends, 90, f"the run of {', '.join(assets)}")
        return self._status(run_id)

    def start_sensor(self, sensor: str) -> None:
        answer = self.graphql(_START_SENSOR, sensor={**REPOSITORY, "sensorName": sensor})["startSensor"]
        assert answer["__typename"] == "Sensor", answer

    def runs(self, job: str) -> list[str]:
        """Return the statuses of the runs of a job."""
        return [run["status"] for run in self.graphql(_RUNS, job=job)["runsOrError"]["results"]]

    def is_idle(self, *jobs: str) -> bool:
        """Return whether no run of these jobs is queued or under way."""
        return not {"QUEUED", "NOT_STARTED", "STARTING", "STARTED"} & {
            status for job in jobs for status in self.runs(job)
        }

    def metadata_labels(self, asset: str) -> set[str] | None:
        """Return the metadata labels of an asset's last materialization, or None if there is none."""
        (node,) = self.graphql(_MATERIALIZED, keys=[{"path": [asset]}])["assetNodes"]
        materializations = node["assetMaterializations"]
        return {entry["label"] for entry in materializations[0]["metadataEntries"]} if materializations else None

    def holds(self, sql: str) -> bool:
        """Return whether a query of the published database gives true."""
        with grabient_pipeline.connect(self._data_dir / "demo") as connection:
            return bool(connection.execute(sql).fetchall()[0][0])

    def wait_for(self, condition: Any, seconds: float, what: str) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert self._process.poll() is None, f"grabient dev has ended:\n{self.log.read_text()[-3000:]}"
            assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}:\n{self.log.read_text()[-3000:]}"
            time.sleep(0.3)

    def _status(self, run_id: str) -> str:
        return self.graphql(_RUN, id=run_id)["runOrError"]["status"]

    def _serves(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/server_info", timeout=2) as response:
                return response.status == 200
        except OSError:
            return False

    def _end(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(30)
