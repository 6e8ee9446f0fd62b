"""handstamp beside its peers: what `scripts/bench` runs."""
