"""Training: data, objectives, the loop, and the programs that run it."""
