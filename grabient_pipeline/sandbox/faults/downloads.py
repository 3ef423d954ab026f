"""The download of results as the armed faults leave it: damaged rows, another page, or a part of the file."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from starlette.concurrency import iterate_in_threadpool
from starlette.responses import Response, StreamingResponse

from grabient_pipeline.sandbox.faults.armed import ArmedFaults, Fault
from grabient_pipeline.sandbox.faults.corruption import UnknownRow, corrupt_lines
from grabient_pipeline.sandbox.responses import CutResponse, ResultsResponse
from grabient_pipeline.sandbox.store import lines_of


def damaged_download(
    faults: ArmedFaults, provider: str, path: Path, media_type: str, unknown_row: UnknownRow
) -> Response:
    """A download of the results in a file, with every armed fault that concerns it.

    A foreign page replaces the file, so it uses up none of the faults of the file or its rows.
    """
    foreign = faults.take("foreign_download", provider)
    if foreign is not None:
        response: Response = Response(foreign["body"], media_type=foreign["media_type"])
    else:
        response = _damaged_results(faults, provider, path, media_type, unknown_row)
    if faults.take("no_content_type", provider) is not None:
        del response.headers["content-type"]
    return response


def _damaged_results(
    faults: ArmedFaults, provider: str, path: Path, media_type: str, unknown_row: UnknownRow
) -> Response:
    cut = faults.take("cut_download", provider)
    row_faults = faults.take_all("results", provider)
    if cut is not None:
        return CutResponse(path, int(cut["bytes"]), media_type)
    short = faults.take("short_download", provider)
    if short is not None:
        lines = corrupt_lines(lines_of(path), row_faults, unknown_row)
        return Response(_first_share(lines, short), media_type=media_type)
    if row_faults:
        content = iterate_in_threadpool(corrupt_lines(lines_of(path), row_faults, unknown_row))
        return StreamingResponse(content, media_type=media_type)
    return ResultsResponse(path, media_type=media_type)


def _first_share(chunks: Iterator[bytes], fault: Fault) -> bytes:
    """The first lines of a file, as many as the fault's share of them, and perhaps half of the line after them."""
    lines = [line + b"\n" for line in chain.from_iterable(chunk.split(b"\n")[:-1] for chunk in chunks)]
    kept = int(len(lines) * fault["share"])
    half = b"" if fault["whole_lines"] else b"".join(line[: len(line) // 2] for line in lines[kept : kept + 1])
    return b"".join(lines[:kept]) + half
