"""Real providers over the network, and the recording and replay of their streams."""
