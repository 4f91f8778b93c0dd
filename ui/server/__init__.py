"""What serves the page and stands around it: who may ask, whose turn it is, which models are there."""
