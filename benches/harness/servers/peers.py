"""The servers that are compared, and how each is started."""

import os
from dataclasses import dataclass
from pathlib import Path

from ..machine import BEFORE, FOLDER, HANDSTAMP, PEERS, SERVER_CORE
from .server import Server, free_port

PASSWORD = "plain tea at dawn"
# Without rate limits.
UNLIMITED = {
    "LOGIN_FAILURES_PER_ACCOUNT": "unlimited",
    "LOGIN_FAILURES_PER_ADDRESS": "unlimited",
    "SIGNUPS_PER_ADDRESS": "unlimited",
}
DEVELOPMENT = {"APP_ENV": "development", "PASSWORDLESS_LOGIN": "on"}


@dataclass(frozen=True)
class Peer:
    name: str
    title: str
    source: str
    check_login: str = "/checklogin"
    # Of a build of handstamp.
    binary: Path | None = None

    def start(self, data, environment=None, cores=(SERVER_CORE,)):
        """A server on the data in a folder."""
        environment = environment or {}
        port = free_port()
        secret = (data / "secret").read_text()
        if not self.binary:
            environment = {
                "DATA_DIR": str(data),
                "SECRET_KEY": secret,
                "INSTALLED": "1",
            } | environment
            command = [PEERS / "start", self.name, port, FOLDER]
            return Server(command, port, environment, data, self.check_login, cores)
        environment = self.environment(data) | environment
        return Server([self.binary], port, environment, data, "/readyz", cores)

    def environment(self, data):
        """handstamp's settings: production, the rest as it comes."""
        return {
            "APP_ENV": "production",
            "DATABASE_URL": f"sqlite://{data}/handstamp.db",
            "SECRET_KEY": (data / "secret").read_text(),
            "WEB_DIR": str(data / "no-page"),
        } | UNLIMITED


AXUM = Peer("axum", "bare axum, a fixed response", "benches/peers/rust/axum/src/main.rs")
HANDSTAMP_PEER = Peer("handstamp", "handstamp", "src/auth", binary=HANDSTAMP)
BEFORE_PEER = Peer("before", "handstamp, before", "src/auth", binary=BEFORE)
OURS = [HANDSTAMP_PEER, BEFORE_PEER] if BEFORE else [HANDSTAMP_PEER]
TOWER_SESSIONS = Peer(
    "tower-sessions",
    "axum, tower-sessions, sqlx",
    "benches/peers/rust/tower-sessions/src/main.rs",
)
TOWER_SESSIONS_POSTGRES = Peer(
    "tower-sessions-postgres",
    "axum, tower-sessions, sqlx",
    "benches/peers/rust/tower-sessions-postgres/src/main.rs",
)
ACTIX = Peer("actix", "actix-web, actix-session", "benches/peers/rust/actix/src/main.rs")
FASTIFY = Peer("fastify", "Fastify, secure-session", "benches/peers/fastify/server.js")
EXPRESS = Peer("express", "Express, express-session", "benches/peers/express/server.js")
FLASK = Peer("flask", "Flask on gunicorn", "benches/peers/flask/app.py")
BETTER_AUTH = Peer(
    "better-auth", "Better Auth", "benches/peers/better-auth/server.js", "/api/auth/get-session"
)

WITH_SESSIONS = [*OURS, TOWER_SESSIONS, ACTIX, FASTIFY, EXPRESS, FLASK, BETTER_AUTH]
ALL = [AXUM, *WITH_SESSIONS]
# So far behind the others that more rounds would not tell more.
SLOW = [EXPRESS, FLASK, BETTER_AUTH]


def secret():
    return os.urandom(32).hex()
