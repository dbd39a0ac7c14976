"""Rooms whose members watch together."""
