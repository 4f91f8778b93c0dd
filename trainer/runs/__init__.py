"""How it is trained: the loop, its folder, its checkpoints, and where it computes."""
