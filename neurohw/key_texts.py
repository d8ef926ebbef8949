"""What is said of a key: its meaning out of docstrings, and in words what its type allows."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import TypeAdapter


def documented(kind: Any) -> dict[str, str]:
    """Return what docstrings of a class and of those it is made from say of each argument, under `Args:`."""
    texts: dict[str, str] = {}
    fields = {name for each in kind.__mro__ for name in inspect.get_annotations(each)}
    known = "|".join([*fields, *getattr(kind, "also", ())])
    for each in reversed(kind.__mro__):
        doc = inspect.cleandoc(each.__dict__.get("__doc__") or "")
        block = re.search(r"^Args:\n((?:[ ]+.*\n?|\n)+)", doc, re.M)
        entries = re.findall(r"^ {4}(\w[\w, ]*): (.*(?:\n {8}.*)*)", block[1], re.M) if block else []
        for arguments, text in entries:
            for part in re.split(rf"; (?=(?:{known}): )", f"{arguments}: {' '.join(text.split())}"):
                named, _, meaning = part.partition(": ")
                texts |= {name: meaning.rstrip(".") for name in named.split(", ")}
    return texts


def allowed_values(kind: Any, name: str) -> str:
    """Return what a field of a model, or of a dataclass, allows, in words."""
    schema = _schema(kind)
    return _in_words(schema["properties"][name], schema.get("$defs", {}))


@cache
def _schema(kind: Any) -> dict[str, Any]:
    return TypeAdapter(kind).json_schema()


def _in_words(schema: Mapping[str, Any], others: Mapping[str, Any]) -> str:
    """Return what a JSON schema allows, in words."""
    if "$ref" in schema:
        return _in_words(others[schema["$ref"].rpartition("/")[2]], others)
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_in_words(each, others) for each in schema["anyOf"]))
    kind = schema.get("type")
    if kind == "array":
        items = schema.get("items") or (schema.get("prefixItems") or [{}])[0]
        inner = _in_words(items, others) or "values"
        exactly = schema.get("maxItems")
        return f"list of {exactly} {inner}" if exactly and exactly == schema.get("minItems") else f"list of {inner}"
    words = {"integer": "integers", "number": "numbers", "boolean": "true, false", "string": "text", "null": "none",
             "object": "table"}.get(str(kind), "")  # fmt: skip
    signs = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {schema[name]:g}" for name, sign in signs.items() if name in schema]
    return " ".join([words, ", ".join(bounds)]) if bounds else words
