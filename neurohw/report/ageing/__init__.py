"""Accuracy as the trained chip ages, with and without compensation of drift and re-training."""
