"""The report as files: one page, Markdown, CSV and figures."""
