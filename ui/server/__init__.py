"""The server around the page: who may ask, whose turn it is, which models are there."""
