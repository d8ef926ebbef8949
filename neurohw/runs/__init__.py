"""Runs: the only place that reads a configuration and builds the concrete parts."""
