"""Fitting: measured pulse trains and retention in, a device model and a verdict out."""
