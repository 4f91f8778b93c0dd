"""Measuring models: figures on held-out data, the judge that reads pictures, reports for people.

Imports `dataset_builder` and `editors`, is imported by `trainer` and `ui`. Importing this package
costs nothing: ask its modules.
"""
