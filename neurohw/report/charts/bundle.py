"""The libraries that draw the page's figures, as one text to be embedded: Vega, Vega-Lite and Vega-Embed."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from pathlib import Path

import vl_convert
from platformdirs import user_cache_dir

from neurohw.errors import NeurohwError
from neurohw.runs.files import write_text

_EXPORTED = "window.vegaEmbed = vegaEmbed;"
_END = "/* end of the libraries */"  # of a file that was written whole


@cache
def bundle() -> str:
    """Return the libraries; made in three seconds, once for each version where a cache can be kept."""
    kept = Path(user_cache_dir("neurohw")) / f"vega-{version('vl-convert-python')}.js"
    try:
        known = kept.read_text(encoding="utf-8")
    except OSError:
        known = ""
    if known.rstrip().endswith(_END):
        return known
    made = vl_convert.javascript_bundle(_EXPORTED).replace("</script", "<\\/script") + f"\n{_END}\n"
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_text(kept, made)
    except (OSError, NeurohwError):  # a cache is a convenience
        pass
    return made
