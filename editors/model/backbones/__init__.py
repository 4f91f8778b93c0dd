"""Models of other families, each in one file, as what every editor calls: a `DiffusionModel`."""
