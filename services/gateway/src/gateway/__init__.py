"""The doors through which clients reach the services."""
