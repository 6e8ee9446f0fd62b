"""What docs/performance.md shows."""
