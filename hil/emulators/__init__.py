"""Emulated devices: the model of each is pure; ``line`` gives it a pty and its faults."""
