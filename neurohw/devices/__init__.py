"""Devices: models as data, their library, pulse-response laws, and what they do, computed."""
