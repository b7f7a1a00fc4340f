"""Frames, the queues they wait in, and the links that carry them."""
