"""Learning on the chip: EP and BP on simulated analog crossbars."""

__version__ = "0.1.0"
