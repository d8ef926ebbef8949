"""Runs that learn from clusters: what equal accuracy takes."""
