"""How an object shows itself in a notebook: a heading and a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from markupsafe import escape


def as_html(heading: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a heading and a table as HTML; whatever the texts hold is text."""
    import pandas as pd  # not before it is needed: commands begin faster without

    frame = pd.DataFrame([[str(cell) for cell in row] for row in rows], columns=list(columns))
    with pd.option_context("display.max_colwidth", None):
        return f"<p><b>{escape(heading)}</b></p>\n{frame.to_html(index=False, border=0, justify='left')}"
