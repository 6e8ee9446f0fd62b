#!/usr/bin/env python3
"""A mail server (aiosmtpd) that prints each mail as a line of JSON, after a line with its port.

Recipients say how it treats them: refused@… gets 550, deferred@… 450 until it has been asked three
times, and on dropped@… the connection is lost once, after the mail has arrived and before the answer."""

import argparse
import asyncio
import email
import email.policy
import json
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int, default=0)
parser.add_argument("--tls", choices=["none", "starttls", "implicit"], default="none")
parser.add_argument("--certificate")
parser.add_argument("--key")
parser.add_argument("--login", help="USER:PASSWORD, without which no mail is taken")
parser.add_argument("--login-without-tls", action="store_true")
parser.add_argument("--refuse-senders", type=int, default=0, help="the first so many times")
options = parser.parse_args()

times = {}


def has_asked(address, often):
    times[address] = times.get(address, 0) + 1
    return times[address] <= often


def say(line):
    print(line, flush=True)


class Handler:
    async def handle_MAIL(self, server, session, envelope, address, mail_options):
        if has_asked("every sender", options.refuse_senders):
            return "550 5.7.1 this account may not send"
        envelope.mail_from = address
        envelope.mail_options.extend(mail_options)
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        if address.startswith("refused@"):
            return "550 5.1.1 nobody of this name"
        if address.startswith("deferred@") and has_asked(address, 3):
            return "450 4.2.1 come back later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)

        def part(kind):
            found = message.get_body(preferencelist=(kind,))
            return found.get_content().replace("\r\n", "\n") if found else None

        received = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "headers": {name.lower(): value for name, value in message.items()},
            "subject": message["subject"],
            "text": part("plain"),
            "html": part("html"),
            "tls": session.ssl is not None or options.tls == "implicit",
            "login": session.auth_data.login.decode() if session.auth_data else None,
        }
        say(json.dumps(received))
        to = envelope.rcpt_tos[0]
        if to.startswith("dropped@") and has_asked(to, 1):
            server.transport.abort()
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    is_right = [data.login, data.password] == options.login.encode().split(b":", 1)
    # Not handled: the server itself is to say so.
    return AuthResult(success=is_right, handled=False, auth_data=data)


def context():
    made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    made.load_cert_chain(options.certificate, options.key)
    return made


def connection():
    starttls = context() if options.tls == "starttls" else None
    return SMTP(
        Handler(),
        enable_SMTPUTF8=True,
        tls_context=starttls,
        authenticator=authenticate if options.login else None,
        auth_required=bool(options.login),
        auth_require_tls=options.tls == "starttls" and not options.login_without_tls,
    )


async def main():
    implicit = context() if options.tls == "implicit" else None
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        connection, "127.0.0.1", options.port, ssl=implicit, reuse_address=True
    )
    say(server.sockets[0].getsockname()[1])
    await server.serve_forever()


try:
    asyncio.run(main())
except KeyboardInterrupt:
    sys.exit()
