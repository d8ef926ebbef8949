"""Damage to files and to what they hold, drawn by hypothesis."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st

OTHERS = st.sampled_from([
    None, True, -1, 0, 1, 10**6, 2**70, 10**400, -5.5, 0.5, 1e300, -1e300, 1e59, float("nan"), float("inf"), "", "x",
    "[/x]", "$\\foo$", "=1+1", "../../x", "ep", "ideal", [], [1], [[]], {}, {"a": 1},
    dict.fromkeys(("low", "nominal", "high"), 1),
])  # fmt: skip


@st.composite
def damaged(draw: st.DrawFn, whole: Any, others: st.SearchStrategy[Any] = OTHERS) -> Any:
    """Plain data of which one to three entries are dropped, renamed, negated, nested or replaced by something else."""
    content = copy.deepcopy(whole)
    for _ in range(draw(st.integers(1, 3))):
        inside, key = content, None
        for _ in range(draw(st.integers(1, 8))):
            keys = list(inside) if isinstance(inside, dict) else list(range(min(len(inside), 3)))
            if not keys:
                break
            parent, key = inside, draw(st.sampled_from(keys))
            inside = parent[key]
            if not isinstance(inside, dict | list):
                break
        if key is None:
            continue
        how = draw(st.sampled_from(["drop", "other", "negate", "nest", "rename"]))
        if how == "drop":
            del parent[key]
        elif how == "negate" and isinstance(inside, int | float) and not isinstance(inside, bool):
            parent[key] = -inside
        elif how == "nest":
            parent[key] = draw(st.sampled_from([[inside], {"inside": inside}]))
        elif how == "rename" and isinstance(parent, dict):
            parent[f"{key}x"] = parent.pop(key)
        else:
            parent[key] = copy.deepcopy(draw(others))
    return content


@st.composite
def damaged_bytes(draw: st.DrawFn, whole: bytes) -> bytes:
    """A file that ends early, or whose bits are flipped, or with something in between."""
    content = bytearray(whole)
    for _ in range(draw(st.integers(0, 3))):
        content[draw(st.integers(0, len(content) - 1))] ^= 1 << draw(st.integers(0, 7))
    at = draw(st.integers(0, len(content)))
    content[at:at] = draw(st.sampled_from([b"", b"\0", b"\n", b",", b'"', b"\xff\xfe", b"-", b"9" * 400, b"{" * 3000]))
    return bytes(content if draw(st.booleans()) else content[: draw(st.integers(0, len(content)))])
