"""Standard output and error of a command: what a terminal cannot show or must not get, readers that have gone."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Callable
from typing import Any, TextIO

from rich.console import Console

from neurohw.errors import OutputLost

_PIPED = 200  # characters of a line where the output is no terminal

# but for tabs, ends of lines and sequences of colours and of a progress bar's cursor
_CONTROL = re.compile(r"\x1b(?!\[[0-9;?]*[A-Za-z])|[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f]")


def new_console(markup: bool = False) -> Console:
    """Return a console on what is the standard output now; where that is no terminal, wide, so that no table is cut.

    Args:
        markup: whether brackets in what it is given are markup; texts from files are not.
    """
    wide = not (sys.stdout.isatty() or "COLUMNS" in os.environ)
    return Console(width=_PIPED if wide else None, markup=markup)


def guarded(stream: TextIO) -> TextIO:
    """Return a standard stream that writes `?` for what its encoding lacks, and says when it can write no more.

    Control characters are `?` too: a text from a file sets no title of a terminal, and fills no clipboard.

    What fails (a reader that has gone, a full disk) raises OutputLost once; what is written later goes nowhere.
    """
    if type(stream) is not io.TextIOWrapper:  # a test's, or already guarded
        return stream
    stream.flush()
    return _Guarded(stream)


class _Guarded(io.TextIOWrapper):
    def __init__(self, stream: io.TextIOWrapper) -> None:
        super().__init__(stream.buffer, stream.encoding, "replace", line_buffering=stream.line_buffering)
        self._replaced = stream  # which would close the buffer if it were forgotten

    def write(self, text: str) -> int:
        return int(self._tried(super().write, _CONTROL.sub("?", text)))

    def flush(self) -> None:
        self._tried(super().flush)

    def _tried(self, call: Callable[..., Any], *arguments: str) -> Any:
        try:
            return call(*arguments)
        except OSError as error:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())  # also for what is still buffered
            os.close(nowhere)
            name = "standard error" if self.fileno() == 2 else "standard output"
            raise OutputLost(f"{name}: cannot be written ({error.strerror or error})") from None
