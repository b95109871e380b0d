"""A mail server of one's own, for the tests: aiosmtpd, whose every mail becomes a JSON file.

    server.py DIRECTORY PORT [--login USER PASSWORD] [--tls CERTIFICATE KEY] [--refuse CODE]

With --tls it takes mail over STARTTLS only, with --login only of whoever says this password; with --refuse none, saying so.
Prints a line when it is ready, and serves until it is killed.
"""

import argparse
import itertools
import json
import ssl
import threading
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword


class Letters:
    def __init__(self, directory, refuse):
        self.directory, self.refuse, self.numbers = Path(directory), refuse, itertools.count(1)

    async def handle_DATA(self, server, session, envelope):
        if self.refuse:
            return f"{self.refuse} not taken here"
        letter = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "text": envelope.content.decode("utf-8"),
            "encrypted": session.ssl is not None,
            "signed_in": session.authenticated,
        }
        path = self.directory / f"{next(self.numbers):03}.json"
        path.with_suffix(".part").write_text(json.dumps(letter))
        path.with_suffix(".part").rename(path)
        return "250 taken"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("directory")
    parser.add_argument("port", type=int)
    parser.add_argument("--login", nargs=2)
    parser.add_argument("--tls", nargs=2)
    parser.add_argument("--refuse")
    wanted = parser.parse_args()
    options = {}
    if wanted.tls:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*wanted.tls)
        options |= {"tls_context": context, "require_starttls": True}
    if wanted.login:
        expected = LoginPassword(*(part.encode() for part in wanted.login))

        def check(server, session, envelope, mechanism, login):
            return AuthResult(success=login == expected)

        options |= {"authenticator": check, "auth_required": True, "auth_require_tls": bool(wanted.tls)}
    handler = Letters(wanted.directory, wanted.refuse)
    Controller(handler, hostname="127.0.0.1", port=wanted.port, **options).start()
    print("ready", flush=True)
    threading.Event().wait()


main()
