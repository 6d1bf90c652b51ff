"""Recordings: every tick in an MCAP file, written beside the loop, read back, replayed."""
