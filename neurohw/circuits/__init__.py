"""Circuits beside the crossbars: the neuron's activation and the target circuit (kWTA with homeostasis)."""
