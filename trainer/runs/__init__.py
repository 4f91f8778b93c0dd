"""Runs: their folder, their checkpoints, and where they compute."""
