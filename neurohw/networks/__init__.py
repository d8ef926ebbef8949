"""Networks of crossbars: what BP and EP want written, and how classes are read out."""
