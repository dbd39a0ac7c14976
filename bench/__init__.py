"""Measured comparisons with peers on the same machine: `make bench`, or `make bench-NAME` for one of them."""
