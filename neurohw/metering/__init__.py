"""Metering: what a run does to arrays and target circuits is counted here; nothing has a price."""
