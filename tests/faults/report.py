"""What clients saw, and what of it they must not see."""

import os

SECONDS = float(os.environ.get("FAULT_SECONDS", "10"))


def rounds(usual):
    return int(os.environ.get("FAULT_ROUNDS", usual))


class Skipped(Exception):
    """The fault cannot be made here."""


class Seen:
    def __init__(self):
        self.parts = []
        self.wrong = []

    def note(self, part):
        self.parts.append(part)

    def must(self, is_so, otherwise):
        if not is_so:
            self.wrong.append(otherwise)

    def text(self):
        return ", ".join(self.parts)


def fault(function):
    """Marks a function that makes a fault, and returns what was `Seen`."""
    function.is_fault = True
    return function


def need_root(what):
    if os.geteuid() != 0:
        raise Skipped(f"{what} takes root")
