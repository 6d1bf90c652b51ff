"""ZeroMQ: tell others (follower), be a hand elsewhere (plant), hear an intention (source).

docs/zmq.md is the protocol, for whoever writes the other side.
"""
