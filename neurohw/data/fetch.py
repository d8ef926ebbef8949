"""Getting a dataset's files from a folder or an address that the user names, verified before they count."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from neurohw.data.download import download
from neurohw.data.idx import check_md5, unpack
from neurohw.data.lookup import find_file, places
from neurohw.data.registry import LARGEST_PACKED, idx_dataset
from neurohw.errors import DataError, InputError, NeurohwError
from neurohw.reading import GZIP, read_bytes

Bring = Callable[[str, Path], Path]  # a file's name and the folder to bring it to -> the `.part` brought


def fetch(
    name: str,
    source: str | None,
    into: Path | None = None,
    checksums: Mapping[str, str] | None = None,
    progress: bool = True,
) -> list[Path]:
    """Bring the files of dataset `name` here; files that are here and right are left alone.

    Args:
        name: "mnist" or "fashion-mnist".
        source: a folder, or the http(s) address of a folder, that holds the files.
        into: where they go; `$NEUROHW_DATA/<name>` or else the user's cache, unless given.
        checksums: MD5 of the unpacked content by file name (without `.gz`); the registry's unless given.
        progress: draw a progress bar, if on a terminal.

    Returns:
        The path of each file.

    Raises:
        InputError: unknown name, or nothing to be had from `source`.
        DataError: a file is not the right one; it is not kept.
        NeurohwError: a download broke off (running it again resumes it), or a file could not be written.
    """
    wanted = checksums or {file.name: file.md5 for file in idx_dataset(name).files}
    if not source:
        raise InputError(
            f"where to fetch '{name}' from must be said, since no host is built in: "
            f"--from DIR or --from URL of a folder that holds {', '.join(f'{file}.gz' for file in wanted)}"
        )
    folder = into or places(name)[0]
    try:
        with _opened(source, progress) as bring:
            folder.mkdir(parents=True, exist_ok=True)
            return [_obtain(file, md5, folder, bring, source) for file, md5 in wanted.items()]
    except OSError as error:
        raise NeurohwError(f"{error.filename or folder}: {error.strerror}") from error


@contextmanager
def _opened(source: str, progress: bool) -> Iterator[Bring]:
    folder = Path(source)
    if source.startswith(("http://", "https://")):
        with _progress_bar(progress) as bar:
            yield partial(_download, bar, source.rstrip("/"))
    elif folder.is_dir():
        yield partial(_copy, folder)
    else:
        raise InputError(f"--from {source}: found neither a folder nor an http(s) address, expected one of them")


def _progress_bar(wanted: bool) -> Progress:
    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()
    return Progress(*columns, TimeRemainingColumn(), console=console, disable=not (wanted and console.is_terminal))


def _obtain(file: str, md5: str, folder: Path, bring: Bring, source: str) -> Path:
    """Return the right file in `folder`, brought from `source` unless it is there."""
    present = find_file(folder, file)
    if present is not None and _is_right(present, md5):
        return present
    part = bring(file, folder)
    try:
        check_md5(unpack(part), md5)
    except DataError as fault:
        part.unlink()
        raise DataError(f"{file} from {source}: {fault}; what was fetched has been deleted") from fault
    target = part.replace(part.with_suffix(""))
    while (shadow := find_file(folder, file)) not in (target, None):
        shadow.unlink()  # the wrong file, under a spelling that would be found first
    return target


def _is_right(path: Path, md5: str) -> bool:
    try:
        check_md5(unpack(path), md5)
    except DataError:
        return False
    return True


def _copy(source: Path, file: str, folder: Path) -> Path:
    original = find_file(source, file)
    if original is None:
        raise InputError(f"--from {source}: lacks {file}.gz (or {file})")
    content = read_bytes(original, LARGEST_PACKED)
    part = folder / f"{file}{'.gz' if content.startswith(GZIP) else ''}.part"
    part.write_bytes(content)
    return part


def _download(bar: Progress, source: str, file: str, folder: Path) -> Path:
    part = folder / f"{file}.gz.part"
    task = bar.add_task(file, total=None)
    url = f"{source}/{part.stem}"
    download(url, part, LARGEST_PACKED, lambda done, total: bar.update(task, completed=done, total=total))
    return part
