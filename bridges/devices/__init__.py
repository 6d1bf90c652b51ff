"""Devices: for each a codec (bytes only), a mapping (numbers only), a dialogue (rules only).

One driver process serves them all; see ``bridges.devices.driver``.
"""
