"""One file over HTTP, continued where it broke off."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from neurohw.errors import InputError, NeurohwError
from neurohw.reading import size_text

DELAYS = (0.5, 1.0, 2.0, 4.0)  # s, between one attempt and the next
TIMEOUT = 30.0  # s, without a sign of life from the server
PATIENCE = 60.0  # s, until an answer begins, and over which the slowest rate is measured
SLOWEST = 1000.0  # bytes/s
REDIRECTS = 5
PASSING = (408, 429, 500, 502, 503, 504)  # statuses that may be gone at the next attempt

Report = Callable[[int, int | None], None]  # bytes so far, and of the whole where the server says


class _Interrupted(Exception):
    """An attempt ended early; another may go further."""


def download(url: str, part: Path, limit: int, report: Report) -> None:
    """Bring the file at `url` into `part`, continuing what `part` already holds.

    Args:
        url: the file's address.
        part: where its bytes go; kept if the download breaks off, so that a later call continues it.
        limit: bytes that the file may have.
        report: told of the progress.

    Raises:
        InputError: the address or a proxy is unusable, or the server does not have the file, or has one that is too
            large.
        NeurohwError: the download broke off again and again.
    """
    client = _client()
    try:
        for delay in (*DELAYS, None):
            try:
                return _attempt(client, url, part, limit, report)
            except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
                reason = "***" if "@" in url else str(error)  # which may repeat a part of the password
                raise InputError(f"{url}: not a usable address ({reason})") from error
            except (httpx.RequestError, _Interrupted) as error:
                if delay is None:
                    raise NeurohwError(
                        f"{url}: broke off {len(DELAYS) + 1} times, the last time by {type(error).__name__}: {error}. "
                        f"{_size(part)} bytes are kept in {part}; running the same command again resumes there"
                    ) from error
            time.sleep(delay)
            client = _client() if client.is_closed else client
    finally:
        client.close()


def _client() -> httpx.Client:
    try:
        return httpx.Client(timeout=TIMEOUT)
    except (ValueError, ImportError, httpx.InvalidURL) as error:
        raise InputError(f"HTTP_PROXY, HTTPS_PROXY or ALL_PROXY: not a usable proxy ({error}); allowed: "
                         "the address of an HTTP proxy, or none") from error  # fmt: skip


def _attempt(client: httpx.Client, url: str, part: Path, limit: int, report: Report) -> None:
    have = _size(part)
    # "identity": a resumed file must be the same bytes, so nothing is compressed on the way
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    patience = threading.Timer(PATIENCE, client.close)  # an answer may begin letter by letter, without an end
    patience.daemon = True
    patience.start()
    try:
        response = _answer(client, client.build_request("GET", url, headers=headers))
    finally:
        patience.cancel()
    with contextlib.closing(response):
        if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            _settle_range(response, part, have)
        elif response.status_code in PASSING:
            raise _Interrupted(f"status {response.status_code}")
        elif not response.is_success:
            raise InputError(f"{url}: the server answered {response.status_code} {response.reason_phrase}")
        else:
            _save(response, part, have, limit, report)


def _answer(client: httpx.Client, request: httpx.Request) -> httpx.Response:
    """Return the answer to a request, redirects followed; what these say besides, perhaps without end, is not read."""
    asked = request.url
    for _ in range(REDIRECTS + 1):
        response = client.send(request, stream=True)
        if response.next_request is None:
            return response
        response.close()
        request = response.next_request
    raise InputError(f"{asked}: the server redirects more than {REDIRECTS} times")


def _settle_range(response: httpx.Response, part: Path, have: int) -> None:
    """Accept a part that is already the whole file; delete any other that the server cannot continue."""
    if response.headers.get("Content-Range") != f"bytes */{have}":
        part.unlink(missing_ok=True)
        raise _Interrupted("the part was longer than the file")


def _save(response: httpx.Response, part: Path, have: int, limit: int, report: Report) -> None:
    """Append to `part` what the server sends, or start it anew where the server ignored the range."""
    began = time.monotonic()
    resumed = response.status_code == httpx.codes.PARTIAL_CONTENT
    done = have if resumed else 0
    length = response.headers.get("Content-Length")
    total = done + int(length) if length else None
    started = done
    if total is not None and total > limit:
        raise _too_large(response, part, limit)
    with part.open("ab" if resumed else "wb") as file:
        for block in response.iter_raw():
            done += len(block)
            if done > limit:
                raise _too_large(response, part, limit)
            file.write(block)
            report(done, total)
            passed = time.monotonic() - began
            if passed > PATIENCE and done - started < SLOWEST * passed:
                raise _Interrupted(f"less than {SLOWEST:g} bytes/s")


def _too_large(response: httpx.Response, part: Path, limit: int) -> InputError:
    """Delete what was fetched, which is no part of the right file, and say so."""
    part.unlink(missing_ok=True)
    return InputError(f"{response.url}: the server sends more than {size_text(limit)}, the largest that is right")


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0
