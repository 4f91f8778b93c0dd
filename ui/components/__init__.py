"""Components of the tabs."""
