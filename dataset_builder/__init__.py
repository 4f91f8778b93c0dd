"""Captions to triplets to pairs to shards: everything that makes training data.

Imports `editors`, is imported by `evaluation`, `trainer` and `ui`. Importing this package costs
nothing: ask its modules.
"""
