"""The core: names, messages, ports, skills, policy, gate, loop, daemon, command line.

Imports no simulator, no network library and no device: those live in ``bridges``
and are found by name through entry points.
"""
