"""Proving the hardware path: emulators, faults, bench and numbered bring-up steps."""
