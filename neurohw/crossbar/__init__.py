"""Synapse arrays: weights as physical objects that are read, pulsed, programmed and left to age."""
