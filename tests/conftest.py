"""One thread for every test and for the processes they start: the networks are small, and machines are shared."""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"
