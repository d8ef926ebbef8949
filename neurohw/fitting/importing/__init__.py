"""Measurements from files of any common shape: pulse trains and retention."""

from neurohw.fitting.importing.files import Imported, import_pulses
from neurohw.fitting.importing.options import ImportOptions
from neurohw.fitting.importing.retention import ImportedRetention, import_retention

__all__ = ["ImportOptions", "Imported", "ImportedRetention", "import_pulses", "import_retention"]
