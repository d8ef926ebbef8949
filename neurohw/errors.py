"""Errors with an exit status, so that every wrong input ends in one message and never in a traceback."""

from __future__ import annotations

import re

_CREDENTIALS = re.compile(r"(?<=://)\S*@")


class NeurohwError(Exception):
    """Something failed while running (exit status 1)."""

    exit_status = 1

    def __init__(self, message: str) -> None:
        super().__init__(_CREDENTIALS.sub("***@", message))  # user and password of an address are nobody's business


class InputError(NeurohwError):
    """The user's input is wrong (exit status 2): name the file, the key, the value received and what is allowed."""

    exit_status = 2


class DataError(InputError):
    """A data file is missing, truncated, swapped or corrupt (exit status 2)."""


class FolderInUse(InputError):
    """Another process writes to the folder (exit status 2)."""


class Diverged(NeurohwError):
    """Learning has left the numbers: a weight, or a change asked of one, is not finite (exit status 1)."""


class GivenUp(NeurohwError):
    """Who watches a run has seen enough of it: it ends early, and its record says so."""


class OutputLost(NeurohwError):
    """What is printed can be written no more: its reader has gone, or the disk is full (exit status 1)."""


class EnvironmentMismatch(NeurohwError):
    """An installed package does not fit the others, aihwkit and torch for instance (exit status 1)."""
