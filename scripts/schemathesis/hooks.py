"""How schemathesis logs in, and what it checks in every response besides its own checks."""

import os
import random

import requests
import schemathesis
from schemathesis import GenerationMode
from schemathesis.openapi.checks import RejectedPositiveData

BASE = os.environ["FUZZ_BASE"]
COOKIE = "session"
USERNAME = "Fuzz"

# In every response.
ALWAYS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "content-security-policy": None,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": None,
    "x-request-id": None,
}
# The protocol's own, which no description lists.
COMMON = {*ALWAYS, "cache-control", "connection", "content-length", "content-type", "date", "vary"}

# Rules that no JSON schema can express; every other refusal of valid data is a finding.
BEYOND_A_SCHEMA = (
    "is easily guessed",
    # Not every text after http:// names a host, and NFKC may make two letters of one, or none.
    "must be an http or https address",
    "must be 2 to 32 letters, digits, '.', '_' or '-'",
    "must be letters and digits of one script, none of them rare or invisible, "
    "with few marks on each",
    "must not contain a NUL character",
    # A cursor is opaque: only one that the server gave is good.
    "must be the `next` of the page before",
)


class Account:
    """The user that requests are made as, logged in again whenever a request ends the session."""

    def __init__(self):
        self.cookie = None
        self.password = "plain tea at dawn"
        body = {"username": USERNAME, "email": "fuzz@example.com", "password": self.password}
        requests.post(f"{BASE}/signup", json=body, timeout=30).raise_for_status()

    def credentials(self):
        return {"username": USERNAME, "password": self.password}

    def session(self):
        if self.cookie is None:
            answer = requests.post(f"{BASE}/login", json=self.credentials(), timeout=30)
            answer.raise_for_status()
            self.cookie = answer.cookies[COOKIE]
        return self.cookie


account = Account()
# Cookies of visitors; the third is of one who has read before, and runs into the paywall.
visitors = [None, "forged"]
# Not `random` itself, which Hypothesis winds back for every case.
dice = random.Random()


@schemathesis.auth(refresh_interval=None)
class SessionCookie:
    def get(self, case, context):
        return account.session()

    def set(self, case, data, context):
        if not isinstance(case.cookies, dict):
            case.cookies = {}
        case.cookies[COOKIE] = data


@schemathesis.hook
def before_call(context, case, kwargs):
    """Where a login is optional some requests are a visitor's; some passwords are right."""
    operation = context.operation
    is_optional = not operation.definition.raw.get("security") or {} in operation.definition.raw["security"]
    if is_optional and isinstance(case.cookies, dict) and dice.random() < 0.5:
        visitor = dice.choice(visitors)
        case.cookies.pop(COOKIE, None)
        if visitor is not None:
            case.cookies[COOKIE] = visitor
    is_valid = case.meta is not None and case.meta.generation.mode == GenerationMode.POSITIVE
    if is_valid and isinstance(case.body, dict) and dice.random() < 0.25:
        case.body |= right_values(operation.label)


def right_values(label):
    """What no generator would guess."""
    if label == "POST /login":
        return account.credentials()
    if label == "POST /password":
        return {"current_password": account.password, "new_password": dice.randbytes(9).hex()}
    if label == "POST /signup":
        name = f"new-{dice.randbytes(6).hex()}"
        return {"username": name, "email": f"{name}@example.com", "password": dice.randbytes(9).hex()}
    return {}


@schemathesis.hook
def after_call(context, case, response):
    label, status = context.operation.label, response.status_code
    cookies = [value.split(";")[0] for value in response.headers.get("set-cookie", [])]
    if label == "POST /password" and status == 204:
        account.password = case.body["new_password"]
    # A response that sets a cookie has ended the session that the request came with.
    sent = response.request.headers.get("Cookie", "")
    if account.cookie and account.cookie in sent and (cookies or status == 401):
        account.cookie = None
    if visitors[2:] and visitors[2] in sent and (cookies or status == 402 and dice.random() < 0.1):
        del visitors[2:]
    if label == "GET /posts/{id}" and cookies and not visitors[2:]:
        visitors.append(cookies[0].removeprefix(f"{COOKIE}="))


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Drops refusals of data that is valid by the schema, for reasons it cannot know."""
    if not isinstance(failure, RejectedPositiveData):
        return True
    problem = response.json()
    if problem["code"] in ("bad_credentials", "free_reads_used"):
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
