"""Skills, one file each: intention channels, goal, observation terms, success."""
