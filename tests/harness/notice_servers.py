"""Servers of the tests' own that take notices: a mail server (SMTP by hand, no library), and an HTTP server that is a webhook
or Telegram's bot API. Each keeps what came, and can be told to refuse or to be slow. Nothing here leaves 127.0.0.1."""

import base64
import contextlib
import datetime
import email
import email.policy
import http.server
import ipaddress
import json
import socket
import ssl
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def make_certificate(folder, host="127.0.0.1", name="server"):
    """A certificate that is its own authority, for one address: (file of both, for the server; file of the certificate)."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "made up for tests")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
                   .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
                   .not_valid_after(now + datetime.timedelta(days=1))
                   .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(host))]), False)
                   .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
                   .sign(key, hashes.SHA256()))
    public, both = folder / f"{name}.crt", folder / f"{name}.pem"
    public.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    both.write_bytes(public.read_bytes() + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return both, public


def server_context(file):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


class Mail:
    """One that was taken."""

    def __init__(self, session, recipients, raw):
        self.sender, self.recipients, self.raw = session["from"], recipients, raw
        self.tls, self.user = session["tls"], session["user"]
        self.parsed = email.message_from_bytes(raw, policy=email.policy.default)
        self.subject, self.id = self.parsed["Subject"], self.parsed["Message-ID"]
        self.text = self.parsed.get_content().replace("\r\n", "\n")


class MailServer:
    """answers: a command (or "TEXT", for the end of a message) -> what is said instead of yes. hold: while it is set, a
    message was taken and nothing is said about it. certificate: STARTTLS is offered with it."""

    def __init__(self, certificate=None, users=None):
        self.mails, self.answers, self.users = [], {}, users or {}
        self.attempts = 0
        self.hold, self.held = threading.Event(), threading.Event()
        self.hold.set()
        self.context = server_context(certificate) if certificate else None
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"smtp://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.hold.set()
        self.listener.close()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(self.listener.accept()[0],), daemon=True).start()

    def _serve(self, connection):
        session = {"connection": connection, "file": connection.makefile("rb"), "tls": False, "user": None, "from": None,
                   "to": []}
        with contextlib.suppress(OSError, ssl.SSLError, ValueError), connection:
            self._say(session, "220 made up for tests")
            while line := session["file"].readline():
                if not self._command(session, line.decode().rstrip("\r\n")):
                    return

    def _say(self, session, text):
        session["connection"].sendall((text + "\r\n").encode())

    def _command(self, session, line):
        word = line.split(" ")[0].upper()
        if word in self.answers:
            self._say(session, self.answers[word])
            return not self.answers[word].startswith("421")
        handle = getattr(self, f"_{word.lower()}", None)
        if handle is None:
            self._say(session, "502 what?")
            return True
        return handle(session, line) is not False

    def _ehlo(self, session, _):
        offers = ["STARTTLS"] if self.context and not session["tls"] else []
        offers += ["AUTH PLAIN"] if self.users else []
        lines = ["made up for tests", *offers]
        self._say(session, "\r\n".join(f"250{'-' if i + 1 < len(lines) else ' '}{text}" for i, text in enumerate(lines)))

    def _starttls(self, session, _):
        self._say(session, "220 go on")
        session["connection"] = self.context.wrap_socket(session["connection"], server_side=True)
        session["file"], session["tls"] = session["connection"].makefile("rb"), True

    def _auth(self, session, line):
        words = line.split(" ")
        if len(words) == 2:
            self._say(session, "334 ")
            words.append(session["file"].readline().decode().strip())
        _, user, password = base64.b64decode(words[2]).decode().split("\0")
        if self.users.get(user) == password:
            session["user"] = user
            self._say(session, "235 welcome")
        else:
            self._say(session, "535 wrong password")

    def _mail(self, session, line):
        self.attempts += 1
        session["from"], session["to"] = line.split("<")[1].split(">")[0], []
        self._say(session, "250 ok")

    def _rcpt(self, session, line):
        session["to"].append(line.split("<")[1].split(">")[0])
        self._say(session, "250 ok")

    def _data(self, session, _):
        self._say(session, "354 go on")
        lines = []
        while (line := session["file"].readline()) != b".\r\n":
            if not line:
                return False
            lines.append(line[1:] if line.startswith(b".") else line)
        if "TEXT" in self.answers:
            self._say(session, self.answers["TEXT"])
            return True
        self.mails.append(Mail(session, session["to"], b"".join(lines)))
        if not self.hold.is_set():
            self.held.set()
            self.hold.wait()
        self._say(session, "250 taken")
        return True

    def _rset(self, session, _):
        self._say(session, "250 ok")

    def _quit(self, session, _):
        self._say(session, "221 bye")
        return False


class Call:
    def __init__(self, path, headers, body):
        self.path, self.headers, self.body = path, headers, body

    @property
    def json(self):
        return json.loads(self.body)


class WebServer:
    """answer: a function of the call -> (status, headers, body); it may wait. certificate: https."""

    def __init__(self, certificate=None, answer=None, address="127.0.0.1"):
        self.calls = []
        self.answer = answer or (lambda call: (200, {}, b"{}"))
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                call = Call(self.path, self.headers, body)
                outer.calls.append(call)
                status, headers, answer = outer.answer(call)
                self.send_response(status)
                for name, value in {"Content-Length": len(answer), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(answer)

            def do_GET(self):
                outer.calls.append(Call("GET " + self.path, self.headers, b""))
                self.send_error(405)

            def log_message(self, *_):
                pass

        class Quiet(http.server.ThreadingHTTPServer):
            daemon_threads, block_on_close = True, False

            def handle_error(self, *_):
                pass  # a client that was killed, or did not trust the certificate

        self.server = Quiet((address, 0), Handler)
        if certificate:
            self.server.socket = server_context(certificate).wrap_socket(self.server.socket, server_side=True,
                                                                         do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        self.url = f"http{'s' if certificate else ''}://{address}:{self.port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
