"""Real providers over the network, and the recording of them."""
