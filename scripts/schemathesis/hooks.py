"""How schemathesis logs in, and what it checks of every answer besides its own checks."""

import os
import random

import requests
import schemathesis
from schemathesis.openapi.checks import RejectedPositiveData

BASE = os.environ["FUZZ_BASE"]
COOKIE = "session"
USERNAME = "Fuzz"

# On every answer, whatever it is of.
ALWAYS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "content-security-policy": None,
    "x-request-id": None,
}
# The protocol's own, which no description lists.
COMMON = {*ALWAYS, "cache-control", "connection", "content-length", "content-type", "date", "vary"}

# What no JSON schema can tell of a value; every other refusal of valid data is a finding.
BEYOND_A_SCHEMA = (
    "is easily guessed",
    "must not contain a NUL character",
    # A cursor is opaque: only one that the server gave is good.
    "must be the `next` of the page before",
)


class Account:
    """One user for the whole run, whose password POST /password may change on the way."""

    def __init__(self):
        self.password = "plain tea at dawn"
        body = {"username": USERNAME, "email": "fuzz@example.com", "password": self.password}
        requests.post(f"{BASE}/signup", json=body, timeout=30).raise_for_status()

    def log_in(self):
        body = {"username": USERNAME, "password": self.password}
        answer = requests.post(f"{BASE}/login", json=body, timeout=30)
        answer.raise_for_status()
        return answer.cookies[COOKIE]


account = Account()
# Cookies of visitors, who read and run into the paywall.
visitors = [None, "forged"]


@schemathesis.auth(retry_on=[401])
class SessionCookie:
    """Logs in, and again whenever the session has ended: it is logged out, too."""

    def get(self, case, context):
        return account.log_in()

    def set(self, case, data, context):
        if not isinstance(case.cookies, dict):
            case.cookies = {}
        case.cookies[COOKIE] = data


@schemathesis.hook
def before_call(context, case, kwargs):
    """Where a log-in is optional, some requests are a visitor's."""
    security = context.operation.definition.raw.get("security", [])
    is_optional = {} in security or not security
    if is_optional and isinstance(case.cookies, dict) and random.random() < 0.5:
        visitor = random.choice(visitors)
        case.cookies.pop(COOKIE, None)
        if visitor is not None:
            case.cookies[COOKIE] = visitor


@schemathesis.hook
def after_call(context, case, response):
    label = context.operation.label
    if label == "POST /password" and response.status_code == 204:
        account.password = case.body["new_password"]
    if label == "GET /posts/{id}" and response.status_code == 200:
        for value in response.headers.get("set-cookie", []):
            visitors[2:] = [value.removeprefix(f"{COOKIE}=").split(";")[0]]


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Drops refusals of data that is valid by the schema, for reasons it cannot know."""
    if not isinstance(failure, RejectedPositiveData):
        return True
    problem = response.json()
    if problem["code"] == "bad_credentials":
        return False
    messages = [message for field in problem.get("errors", {}).values() for message in field]
    return not messages or not all(message.startswith(BEYOND_A_SCHEMA) for message in messages)


@schemathesis.check
def every_answer_has_its_headers(ctx, response, case):
    for name, value in ALWAYS.items():
        values = response.headers.get(name)
        assert values, f"{name} is missing"
        assert value in (None, values[0]), f"{name}: {values[0]}"
    assert "server" not in response.headers


@schemathesis.check
def every_error_is_a_problem(ctx, response, case):
    if response.status_code < 400:
        return
    assert response.headers["content-type"] == ["application/problem+json"]
    assert response.headers["cache-control"] == ["no-store"]
    problem = response.json()
    assert problem["status"] == response.status_code
    assert problem["title"] and problem["detail"] and problem["code"]


@schemathesis.check
def no_header_is_undocumented(ctx, response, case):
    described = case.operation.responses.find_by_status_code(response.status_code)
    names = {name.lower() for name, _ in described.headers.items()} if described else {"allow"}
    unknown = set(response.headers) - names - COMMON
    assert not unknown, f"not described: {', '.join(sorted(unknown))}"
