"""Deep-STDP (Lu & Sengupta 2024): unsupervised clustering by a spiking network that learns by STDP."""
