"""Datasets: found, checked, loaded, divided and fetched."""

from __future__ import annotations

from neurohw.data.dataset import Dataset, as_input
from neurohw.data.fetch import fetch
from neurohw.data.idx import read_idx
from neurohw.data.load import data_checksums, load_dataset
from neurohw.data.lookup import locate, places
from neurohw.data.registry import IdxFile
from neurohw.data.splits import balanced_subset, complement, stratified_subset
from neurohw.data.summary import DatasetRow, summary

__all__ = [
    "Dataset",
    "DatasetRow",
    "IdxFile",
    "as_input",
    "balanced_subset",
    "complement",
    "data_checksums",
    "fetch",
    "load_dataset",
    "locate",
    "places",
    "read_idx",
    "stratified_subset",
    "summary",
]
