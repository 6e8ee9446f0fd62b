"""Faults, made on purpose while clients use the server."""
