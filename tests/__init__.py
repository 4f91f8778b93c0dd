"""The tests: laws of the design on toy models. A package, so that `tests.tiny` is always this one."""
