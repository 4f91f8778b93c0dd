"""Datasets as folders of shards: written whole or not at all, resumed, read, verified."""
