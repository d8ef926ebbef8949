"""Getting a dataset's files from a folder or an address that the user names, verified before they count."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from neurohw.data.download import download
from neurohw.data.idx import check_md5, unpack
from neurohw.data.lookup import find_file, places
from neurohw.data.registry import DataFile, file_dataset
from neurohw.errors import DataError, InputError, NeurohwError
from neurohw.reading import GZIP, read_bytes

Bring = Callable[[DataFile, Path], Path]  # a file and the folder to bring it to -> the `.part` brought


def fetch(
    name: str,
    source: str | None,
    into: Path | None = None,
    files: Sequence[DataFile] | None = None,
    progress: bool = True,
) -> list[Path]:
    """Bring the files of dataset `name` here; files that are here and right are left alone.

    Args:
        name: a dataset of files, as "mnist".
        source: a folder, or the http(s) address of a folder, that holds the files.
        into: where they go; `$NEUROHW_DATA/<name>` or else the user's cache, unless given.
        files: what is fetched; one of the registry's forms unless given.
        progress: draw a progress bar, if on a terminal.

    Returns:
        The path of each file.

    Raises:
        InputError: unknown name, or nothing to be had from `source`.
        DataError: a file is not the right one; it is not kept.
        NeurohwError: a download broke off (running it again resumes it), or a file could not be written.
    """
    forms = (tuple(files),) if files else file_dataset(name).forms
    if not source:
        raise InputError(
            f"where to fetch '{name}' from must be said, since no host is built in: "
            f"--from DIR or --from URL of a folder that holds {', '.join(file.served for file in forms[-1])}"
        )
    folder = into or places(name)[0]
    try:
        with _opened(source, progress) as bring:
            folder.mkdir(parents=True, exist_ok=True)
            wanted = _form(forms, folder, source)
            paths = [_obtain(file, folder, bring, source) for file in wanted]
            _clear(folder, [file for form in forms if form != wanted for file in form])
            return paths
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


def _form(forms: Sequence[tuple[DataFile, ...]], folder: Path, source: str) -> tuple[DataFile, ...]:
    """Return the form that is here and right, or that the source, a folder, has; or else what is distributed."""
    for form in forms:
        if all((path := find_file(folder, file)) and _is_right(path, file) for file in form):
            return form
    had = (form for form in forms if all(find_file(Path(source), file) for file in form))
    return next(had, forms[-1])


def _clear(folder: Path, files: Sequence[DataFile]) -> None:
    """Delete those files that are wrong, and would be found before the right ones."""
    for file in files:
        path = find_file(folder, file)
        if path is not None and not _is_right(path, file):
            path.unlink()


def _obtain(file: DataFile, folder: Path, bring: Bring, source: str) -> Path:
    """Return the right file in `folder`, brought from `source` unless it is there."""
    present = find_file(folder, file)
    if present is not None and _is_right(present, file):
        return present
    (folder / file.served).parent.mkdir(exist_ok=True)
    part = bring(file, folder)
    try:
        check_md5(unpack(part, file), file)
    except DataError as fault:
        part.unlink()
        raise DataError(f"{file.name} from {source}: {fault}; what was fetched has been deleted") from fault
    target = part.replace(part.with_suffix(""))
    while (shadow := find_file(folder, file)) not in (target, None):
        shadow.unlink()  # the wrong file, under a spelling that would be found first
    return target


def _is_right(path: Path, file: DataFile) -> bool:
    try:
        check_md5(unpack(path, file), file)
    except DataError:
        return False
    return True


def _copy(source: Path, file: DataFile, folder: Path) -> Path:
    original = find_file(source, file)
    if original is None:
        plain = f" (or {file.name})" if file.served != file.name else ""
        raise InputError(f"--from {source}: lacks {file.served}{plain}")
    content = read_bytes(original, file.limit)
    part = folder / f"{file.served if content.startswith(GZIP) else file.name}.part"
    part.write_bytes(content)
    return part


def _download(bar: Progress, source: str, file: DataFile, folder: Path) -> Path:
    part = folder / f"{file.served}.part"
    task = bar.add_task(file.name, total=None)
    url = f"{source}/{file.served}"
    download(url, part, file.limit, lambda done, total: bar.update(task, completed=done, total=total))
    return part
