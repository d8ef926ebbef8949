"""Sensitivities in reports: their numbers, tables and figures."""
