"""The matinee command: everything an operator does, on one machine or against a cluster."""
