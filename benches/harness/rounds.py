"""What is left of several rounds."""

import statistics


def medians(rounds):
    """Of each number by itself."""
    return {field: statistics.median(one[field] for one in rounds) for field in rounds[0]}


def ratio(ours, theirs):
    """Of what was measured in the same round, a moment apart: a machine that is slow for a while
    is so for both. The median of the rounds."""
    return statistics.median(one / other for one, other in zip(ours, theirs, strict=True))
