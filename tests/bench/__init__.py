"""Benchmarks: `python -m tests.bench`, or `tox -e bench`. Never assertions of the test suite."""
