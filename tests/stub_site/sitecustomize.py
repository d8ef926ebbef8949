"""Imported by Python at its start where the folder is in PYTHONPATH: it then knows the kind of `tests.stubs`."""

from tests.stubs import register

register()
