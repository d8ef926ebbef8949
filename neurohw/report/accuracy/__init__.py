"""Accuracies in reports: their numbers, tables and figures."""
