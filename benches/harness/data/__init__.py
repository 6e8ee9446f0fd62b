"""Users and sessions to measure with."""
