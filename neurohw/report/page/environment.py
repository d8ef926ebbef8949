"""How templates of pages are rendered."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined

from neurohw.report.page.html_table import plain_table
from neurohw.report.table import markdown_cell


def page_environment() -> Environment:
    """Return where the templates of `templates/` are found: HTML is escaped, Markdown is not."""
    environment = Environment(
        loader=PackageLoader("neurohw.report.page"),
        autoescape=lambda name: name is not None and ".html" in name,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["cell"] = markdown_cell
    environment.globals["plain_table"] = plain_table
    return environment
