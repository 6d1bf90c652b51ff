"""One adapter for each thing outside: the MuJoCo hand, Lab Streaming Layer, devices."""
