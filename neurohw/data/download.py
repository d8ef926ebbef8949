"""One file over HTTP, continued where it broke off."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import httpx

from neurohw.errors import InputError, NeurohwError

DELAYS = (0.5, 1.0, 2.0, 4.0)  # s, between one attempt and the next
PASSING = (408, 429, 500, 502, 503, 504)  # statuses that may be gone at the next attempt

Report = Callable[[int, int | None], None]  # bytes so far, and of the whole where the server says


class _Interrupted(Exception):
    """An attempt ended early; another may go further."""


def download(client: httpx.Client, url: str, part: Path, report: Report) -> None:
    """Bring the file at `url` into `part`, continuing what `part` already holds.

    Args:
        client: the connection to use.
        url: the file's address.
        part: where its bytes go; kept if the download breaks off, so that a later call continues it.
        report: told of the progress.

    Raises:
        InputError: the address is unusable, or the server does not have the file.
        NeurohwError: the download broke off again and again.
    """
    for delay in (*DELAYS, None):
        try:
            return _attempt(client, url, part, report)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise InputError(f"{url}: not a usable address ({error})") from error
        except (httpx.RequestError, _Interrupted) as error:
            if delay is None:
                raise NeurohwError(
                    f"{url}: broke off {len(DELAYS) + 1} times, the last time by {type(error).__name__}: {error}. "
                    f"{_size(part)} bytes are kept in {part}; running the same command again resumes there"
                ) from error
            time.sleep(delay)


def _attempt(client: httpx.Client, url: str, part: Path, report: Report) -> None:
    have = _size(part)
    # "identity": a resumed file must be the same bytes, so nothing is compressed on the way
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with client.stream("GET", url, headers=headers) as response:
        if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            _settle_range(response, part, have)
        elif response.status_code in PASSING:
            raise _Interrupted(f"status {response.status_code}")
        elif not response.is_success:
            raise InputError(f"{url}: the server answered {response.status_code} {response.reason_phrase}")
        else:
            _save(response, part, have, report)


def _settle_range(response: httpx.Response, part: Path, have: int) -> None:
    """Accept a part that is already the whole file; delete any other that the server cannot continue."""
    if response.headers.get("Content-Range") != f"bytes */{have}":
        part.unlink(missing_ok=True)
        raise _Interrupted("the part was longer than the file")


def _save(response: httpx.Response, part: Path, have: int, report: Report) -> None:
    """Append to `part` what the server sends, or start it anew where the server ignored the range."""
    resumed = response.status_code == httpx.codes.PARTIAL_CONTENT
    done = have if resumed else 0
    length = response.headers.get("Content-Length")
    total = done + int(length) if length else None
    with part.open("ab" if resumed else "wb") as file:
        for block in response.iter_raw():
            file.write(block)
            done += len(block)
            report(done, total)


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0
