"""The supervisor: the last word before the hand. It knows no policy and is off by default."""
