"""Reports: what run records say, as tables, figures and one self-contained page; nothing is ever run here."""
