"""The consoles of the commands."""

from __future__ import annotations

from rich.console import Console

stdout, stderr = Console(markup=False), Console(stderr=True, markup=False)  # names of folders may hold brackets
