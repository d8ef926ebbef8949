"""Fetching from a real server on this machine, a well-behaved one and others, and from folders."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import re
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from neurohw.data import IdxFile, download, fetch, registry
from neurohw.errors import DataError, InputError, NeurohwError

TRAIN, TEST = "train-images-idx3-ubyte", "t10k-images-idx3-ubyte"
CONTENT = {TRAIN: bytes(range(256)) * 2000, TEST: b"test" * 5000}
PACKED = {name: gzip.compress(content, compresslevel=0) for name, content in CONTENT.items()}
FILES = [IdxFile("mnist", name, (), hashlib.md5(content).hexdigest()) for name, content in CONTENT.items()]
WHOLE = len(PACKED[TRAIN])


class Server(ThreadingHTTPServer):
    """A server of a folder's files whose faults are set by the test.

    Args:
        files: what is served, by file name.
    """

    daemon_threads = True

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = files
        self.ranges = True
        self.says_length_on_416 = True
        self.break_after: int | None = None  # bytes
        self.breaks_left = 0
        self.statuses: list[int] = []  # answered before anything else
        self.asked: list[tuple[str, str | None]] = []  # file and Range

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/folder"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        name, wanted = Path(self.path).name, self.headers.get("Range")
        self.server.asked.append((name, wanted))
        if self.server.statuses:
            return self.send_error(self.server.statuses.pop(0))
        if self.path != f"/folder/{name}" or name not in self.server.files:
            return self.send_error(404)
        content = self.server.files[name]
        start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and self.server.ranges else 0
        if wanted and start >= len(content):
            self.send_response(416)
            if self.server.says_length_on_416:
                self.send_header("Content-Range", f"bytes */{len(content)}")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        self.send_response(206 if wanted and self.server.ranges else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        self.wfile.write(self.cut(content[start:]))

    def cut(self, body: bytes) -> bytes:
        """Return the part of `body` that is sent before the connection closes."""
        if self.server.breaks_left == 0:
            return body
        self.server.breaks_left -= 1
        return body[: self.server.break_after]

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Serve the two files, and make retries immediate."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(download, "DELAYS", (0.0, 0.0))
    with Server({f"{name}.gz": packed for name, packed in PACKED.items()}) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def get(source: str | Path | None, into: Path) -> list[Path]:
    return fetch("mnist", None if source is None else str(source), into=into, files=FILES, progress=False)


def assert_fetched(folder: Path, paths: list[Path]) -> None:
    """Check that the two files are there, right, and alone."""
    assert paths == [folder / f"{TRAIN}.gz", folder / f"{TEST}.gz"]
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        f"{name}.gz": packed for name, packed in PACKED.items()
    }


# From a server


def test_files_come_whole_and_only_once(server: Server, tmp_path: Path) -> None:
    assert_fetched(tmp_path, get(f"{server.url}/", tmp_path))
    assert server.asked == [(f"{TRAIN}.gz", None), (f"{TEST}.gz", None)]
    assert_fetched(tmp_path, get(server.url, tmp_path))
    assert len(server.asked) == 2


def test_broken_connection_is_continued_where_it_broke(server: Server, tmp_path: Path) -> None:
    server.break_after, server.breaks_left = 100_000, 2
    assert_fetched(tmp_path, get(server.url, tmp_path))
    assert [wanted for _, wanted in server.asked] == [None, "bytes=100000-", "bytes=200000-", None]


def test_connection_that_keeps_breaking_leaves_a_part_that_the_next_fetch_continues(
    server: Server, tmp_path: Path
) -> None:
    server.break_after, server.breaks_left = 50_000, 3
    with pytest.raises(NeurohwError) as caught:
        get(server.url, tmp_path)
    part = tmp_path / f"{TRAIN}.gz.part"
    assert not isinstance(caught.value, InputError)
    assert f"150000 bytes are kept in {part}" in str(caught.value)
    assert "running the same command again resumes" in str(caught.value)
    assert list(tmp_path.iterdir()) == [part]
    assert part.read_bytes() == PACKED[TRAIN][:150_000]
    server.asked.clear()
    assert_fetched(tmp_path, get(server.url, tmp_path))
    assert server.asked == [(f"{TRAIN}.gz", "bytes=150000-"), (f"{TEST}.gz", None)]


def test_server_that_ignores_ranges_is_read_from_the_start(server: Server, tmp_path: Path) -> None:
    server.ranges = False
    server.break_after, server.breaks_left = 100_000, 1
    assert_fetched(tmp_path, get(server.url, tmp_path))
    assert [wanted for _, wanted in server.asked] == [None, "bytes=100000-", None]


def test_part_that_is_already_whole_is_taken(server: Server, tmp_path: Path) -> None:
    (tmp_path / f"{TRAIN}.gz.part").write_bytes(PACKED[TRAIN])
    assert_fetched(tmp_path, get(server.url, tmp_path))
    assert [wanted for _, wanted in server.asked] == [f"bytes={WHOLE}-", None]


@pytest.mark.parametrize(("surplus", "says_length"), [(1, True), (1, False), (0, False)])
def test_part_that_cannot_be_continued_is_fetched_anew(
    server: Server, tmp_path: Path, surplus: int, says_length: bool
) -> None:
    server.says_length_on_416 = says_length
    (tmp_path / f"{TRAIN}.gz.part").write_bytes(PACKED[TRAIN] + b"!" * surplus)
    assert_fetched(tmp_path, get(server.url, tmp_path))
    assert [wanted for _, wanted in server.asked] == [f"bytes={WHOLE + surplus}-", None, None]


def test_busy_server_is_asked_again(server: Server, tmp_path: Path) -> None:
    server.statuses = [503, 429]
    assert_fetched(tmp_path, get(server.url, tmp_path))
    assert len(server.asked) == 4


def test_corrupt_file_is_deleted_and_the_former_one_kept(server: Server, tmp_path: Path) -> None:
    corrupt = gzip.compress(CONTENT[TRAIN][:-1] + b"!")
    server.files[f"{TRAIN}.gz"] = corrupt
    former = tmp_path / f"{TRAIN}.gz"
    former.write_bytes(b"former")
    with pytest.raises(DataError, match=f"{TRAIN} from {server.url}: found content with MD5 .*has been deleted"):
        get(server.url, tmp_path)
    assert list(tmp_path.iterdir()) == [former]
    assert former.read_bytes() == b"former"


def test_page_instead_of_a_file_is_refused(server: Server, tmp_path: Path) -> None:
    server.files[f"{TRAIN}.gz"] = b"<html>please log in</html>"
    with pytest.raises(DataError, match="expected MD5"):
        get(server.url, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_part_of_another_file_is_deleted_so_that_the_next_fetch_succeeds(server: Server, tmp_path: Path) -> None:
    (tmp_path / f"{TRAIN}.gz.part").write_bytes(b"another file")
    with pytest.raises(DataError, match="has been deleted"):
        get(server.url, tmp_path)
    assert_fetched(tmp_path, get(server.url, tmp_path))


def test_file_the_server_lacks_is_named_at_once(server: Server, tmp_path: Path) -> None:
    del server.files[f"{TRAIN}.gz"]
    with pytest.raises(InputError, match=f"{server.url}/{TRAIN}.gz: the server answered 404"):
        get(server.url, tmp_path)
    assert len(server.asked) == 1
    assert list(tmp_path.iterdir()) == []


def test_nobody_listening_is_one_message(server: Server, tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as closed:
        url = f"http://127.0.0.1:{closed.server_port}"
    with pytest.raises(NeurohwError, match=r"broke off 3 times, the last time by ConnectError.*\. 0 bytes are kept"):
        get(url, tmp_path)


@pytest.mark.parametrize("url", ["http://", "http://host:port/folder"])
def test_unusable_addresses_are_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a usable address"):
        get(url, tmp_path)


@pytest.mark.parametrize("terminal", [False, True])
def test_progress_is_drawn_on_a_terminal_only(
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    terminal: bool,
) -> None:
    monkeypatch.delenv("TTY_COMPATIBLE", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")  # rich's own way of being told that it is on one
    fetch("mnist", server.url, into=tmp_path, files=FILES)
    out, err = capsys.readouterr()
    assert out == ""
    assert (TRAIN[:5] in err) is terminal
    if not terminal:
        assert err == ""


# From servers that mean harm


class Hostile(BaseHTTPRequestHandler):
    """Answers with `start`, then with `again` for ever, waiting `pause` between one and the next."""

    start, again, pause = b"", b"", 0.0

    def handle(self) -> None:
        self.rfile.readline()
        with contextlib.suppress(OSError):
            self.wfile.write(self.start)
            while self.again:
                self.wfile.write(self.again)
                time.sleep(self.pause)


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """Return a function that sets up such a server and returns its address; nobody waits for longer than 0.2 s."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(download, "DELAYS", (0.0,))
    monkeypatch.setattr(download, "PATIENCE", 0.2)
    running = []

    def serve(start: bytes, again: bytes = b"", pause: float = 0.0) -> str:
        server = ThreadingHTTPServer(
            ("127.0.0.1", 0), type("It", (Hostile,), {"start": start, "again": again, "pause": pause})
        )
        server.daemon_threads, server.block_on_close = True, False
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        running.append(server)
        return f"http://user:s3cret@127.0.0.1:{server.server_port}/folder"

    yield serve
    for server in running:
        server.shutdown()
        server.server_close()


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("start", "again", "pause", "said"),
    [
        (OK + b"\r\n", bytes(1 << 20), 0.0, "the server sends more than 4 MiB"),
        (OK + b"Content-Length: 99999999999\r\n\r\n", b"", 0.0, "the server sends more than 4 MiB"),
        (OK + b"Content-Length: %s\r\n\r\n" % (b"9" * 5000), b"", 0.0, "broke off 2 times"),
        (OK + b"\r\n", b"x", 0.02, "broke off 2 times, the last time by _Interrupted: less than 1000 bytes/s"),
        (OK, b"x", 0.02, "broke off 2 times"),
        (OK, b"X-More: 1\r\n", 0.0, "broke off 2 times"),
        (b"", b"x", 0.02, "broke off 2 times"),
        (b"HTTP/1.1 302 Found\r\nLocation: /folder/again\r\n\r\n", b"x" * 1000, 0.0, "redirects more than 5 times"),
        (b"HTTP/1.1 302 Found\r\nLocation: ftp://127.0.0.1/x\r\n\r\n", b"", 0.0, "not a usable address"),
        (b"HTTP/1.1 302 Found\r\n\r\n", b"", 0.0, "the server answered 302"),
        (b"HTTP/1.1 404 \x1b[2J\r\n\r\n", b"", 0.0, "the server answered 404|broke off 2 times"),
    ],
)
def test_a_server_without_an_end_is_left(
    hostile: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    start: bytes,
    again: bytes,
    pause: float,
    said: str,
) -> None:
    monkeypatch.setattr(registry, "LARGEST_IDX", 4 << 20)
    began = time.monotonic()
    with pytest.raises(NeurohwError, match=said) as caught:
        get(hostile(start, again, pause), tmp_path)
    assert time.monotonic() - began < 20
    assert "s3cret" not in str(caught.value)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 4 << 20


@pytest.mark.parametrize("proxy", ["gopher://x", "socks5://127.0.0.1:1", "http://user:s3cret@a:b"])
def test_a_proxy_that_is_none_is_named(proxy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", proxy)
    monkeypatch.setenv("ALL_PROXY", proxy)
    with pytest.raises(InputError, match="HTTP_PROXY, HTTPS_PROXY or ALL_PROXY: not a usable proxy") as caught:
        get("http://127.0.0.1/folder", tmp_path)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("source", ["http://u:s3cret@host:port/x", "ftp://u:s3c/r@et@host", "https://u:s3cret@"])
def test_no_message_repeats_a_password(source: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        get(source, tmp_path)
    assert "s3c" not in str(caught.value)


# From a folder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a folder with one file gzipped and one plain under its dotted name."""
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / f"{TRAIN}.gz").write_bytes(PACKED[TRAIN])
    (folder / TEST.replace("-idx", ".idx")).write_bytes(CONTENT[TEST])
    return folder


def test_folder_is_copied_under_the_usual_names(source: Path, tmp_path: Path) -> None:
    into = tmp_path / "new" / "mnist"
    assert get(source, into) == [into / f"{TRAIN}.gz", into / TEST]
    assert (into / f"{TRAIN}.gz").read_bytes() == PACKED[TRAIN]
    assert (into / TEST).read_bytes() == CONTENT[TEST]
    assert len(list(into.iterdir())) == 2


def test_right_file_is_left_alone_under_any_spelling(source: Path, tmp_path: Path) -> None:
    (source / f"{TRAIN}.gz").unlink()
    into = tmp_path / "into"
    into.mkdir()
    kept = into / TRAIN.replace("-idx", ".idx")
    kept.write_bytes(CONTENT[TRAIN])
    assert get(source, into) == [kept, into / TEST]


def test_wrong_file_is_replaced_even_if_its_spelling_comes_first(source: Path, tmp_path: Path) -> None:
    into = tmp_path / "into"
    into.mkdir()
    (into / f"{TRAIN}.gz").write_bytes(b"wrong")
    (into / f"{TEST}.gz").write_bytes(PACKED[TEST][:-1])
    assert get(source, into) == [into / f"{TRAIN}.gz", into / TEST]
    assert sorted(path.name for path in into.iterdir()) == [TEST, f"{TRAIN}.gz"]
    assert (into / f"{TRAIN}.gz").read_bytes() == PACKED[TRAIN]


def test_wrong_file_in_the_folder_is_not_copied(source: Path, tmp_path: Path) -> None:
    (source / f"{TRAIN}.gz").write_bytes(PACKED[TRAIN][:-20])
    into = tmp_path / "into"
    with pytest.raises(DataError, match="truncated or corrupt gzip file"):
        get(source, into)
    assert list(into.iterdir()) == []


def test_folder_without_the_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"--from {tmp_path}: lacks {TRAIN}.gz"):
        get(tmp_path, tmp_path / "into")


@pytest.mark.parametrize("nowhere", ["no/such/folder", "ftp://host/folder"])
def test_source_that_is_neither_folder_nor_address_is_refused(nowhere: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"--from {nowhere}: found neither a folder nor"):
        get(nowhere, tmp_path)


def test_source_must_be_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no host is built in: --from DIR or --from URL"):
        get(None, tmp_path)


def test_destination_that_cannot_be_written_is_one_message(source: Path, tmp_path: Path) -> None:
    obstacle = tmp_path / "obstacle"
    obstacle.write_text("a file")
    with pytest.raises(NeurohwError, match=f"{obstacle}.*: Not a directory"):
        get(source, obstacle / "mnist")


def test_destination_is_neurohw_data_or_the_cache(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NEUROHW_DATA", str(tmp_path / "data"))
    assert fetch("mnist", str(source), files=FILES)[0].parent == tmp_path / "data" / "mnist"
    monkeypatch.delenv("NEUROHW_DATA")
    cached = fetch("mnist", str(source), files=FILES)[0]
    assert cached.is_relative_to(tmp_path / "cache")
    assert cached.parts[-3:-1] == ("data", "mnist")


def test_registry_decides_what_is_right_unless_told_otherwise(source: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="expected MD5 6bbc9ace898e44ae57da46a324031adb"):
        fetch("mnist", str(source), into=tmp_path / "into")


@pytest.mark.parametrize("name", ["imagenet", "digits"])
def test_only_datasets_of_files_are_fetched(name: str, source: Path) -> None:
    with pytest.raises(InputError, match=name):
        fetch(name, str(source))


def test_no_host_is_built_in() -> None:
    package = Path(download.__file__).parent
    addresses = re.compile(r"https?://\w")
    assert not [path.name for path in package.glob("*.py") if addresses.search(path.read_text())]
