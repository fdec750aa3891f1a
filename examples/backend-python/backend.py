"""A backend for Wirepost in plain Python: login by a session cookie, replies, and a log of events.

README.md says how to start it. Nothing but the standard library is needed.
"""

import argparse
import collections
import html
import json
import os
import pathlib
import secrets
import sys
import threading
import time
import urllib.parse
import urllib.request
from http import cookies
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks import Forged, verify

SESSION_SECONDS = 8 * 3600
PAGE = (pathlib.Path(__file__).parent / "page.html").read_text()


class Sessions:
    """The users that are logged in, by the value of their cookie."""

    def __init__(self):
        self._lock = threading.Lock()
        self._users = {}  # cookie -> (user, when it ends)

    def begin(self, user):
        cookie = secrets.token_urlsafe(24)
        with self._lock:
            self._users[cookie] = user, time.time() + SESSION_SECONDS
        return cookie

    def user(self, header):
        """Returns the user of a Cookie header, or None."""
        with self._lock:
            user, end = self._users.get(session_cookie(header), (None, 0))
        return user if end > time.time() else None

    def end(self, header):
        with self._lock:
            self._users.pop(session_cookie(header), None)


def session_cookie(header):
    try:
        found = cookies.SimpleCookie(header or "").get("session")
    except cookies.CookieError:
        return None
    return found and found.value


class Events:
    """A file with one event a line. A batch may come twice, so the latest IDs are remembered.

    An ID is better than the sequence: if Wirepost gets a new data directory, its sequences
    begin with 1 again.
    """

    REMEMBERED = 1000  # a batch has at most 100 events

    def __init__(self, path):
        self._lock = threading.Lock()
        self._path = path
        self._ids = collections.deque(maxlen=self.REMEMBERED)
        if path.exists():
            with path.open() as log:
                for line in collections.deque(log, maxlen=self.REMEMBERED):
                    self._ids.append(json.loads(line)["id"])

    def add(self, batch):
        with self._lock, self._path.open("a") as log:
            for event in batch:
                if event["id"] not in self._ids:
                    log.write(json.dumps(event) + "\n")
                    self._ids.append(event["id"])
            log.flush()
            os.fsync(log.fileno())  # only then is the batch acknowledged


# Answers to Wirepost's questions. Each returns a status and an object, or None for no body.


def connect(app, question):
    """Who is this? The browser sent our cookie to Wirepost, which passes it on."""
    header = "; ".join(question["headers"].get("cookie", []))
    user = app.sessions.user(header)
    if user is None:
        return 401, {"title": "Unauthorized", "status": 401, "detail": "log in first"}
    # Asked again before ten minutes are over, so that a session that ended ends the connection.
    return 200, {"user": user, "expires": "10m", "info": {"name": user}}


def message(app, question):
    text = question.get("data")
    if text == "time":
        return 200, {"data": time.strftime("%H:%M:%S")}
    if isinstance(text, str):
        return 200, {"data": f"{question['user']} said {len(text)} characters: {text}"}
    return 204, None


def call(app, question):
    if question["method"] == "whoami":
        return 200, {"data": {"user": question["user"], "device": question["device"]}}
    return 404, {"title": "Not Found", "status": 404, "code": "not_found", "detail": "there is no such method"}


HOOKS = {"connect": connect, "message": message, "call": call}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # so that Wirepost can keep its connections
    timeout = 120

    def do_GET(self):
        if self.path != "/":
            return self.respond(404, b"not found")
        user = self.server.app.sessions.user(self.headers.get("cookie"))
        page = PAGE.replace("{{user}}", html.escape(user or "")).replace("{{wirepost}}", html.escape(self.server.app.wirepost))
        self.respond(200, page.encode(), "text/html; charset=utf-8")

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        route = {"/login": self.login, "/logout": self.logout, "/hook": self.hook, "/events": self.events}.get(self.path)
        if route is None:
            return self.respond(404, b"not found")
        route(body)

    def login(self, body):
        """A real login would check a password."""
        user = urllib.parse.parse_qs(body.decode()).get("name", [""])[0].strip()
        if not user or not user.isalnum() or len(user) > 30:
            return self.respond(400, b"a name of letters and digits is needed")
        cookie = self.server.app.sessions.begin(user)
        self.redirect(f"session={cookie}; Path=/; HttpOnly; SameSite=Lax; Max-Age={SESSION_SECONDS}")

    def logout(self, body):
        app, header = self.server.app, self.headers.get("cookie")
        user = app.sessions.user(header)
        app.sessions.end(header)
        if user is not None:
            app.disconnect(user)
        self.redirect("session=; Path=/; Max-Age=0")

    def hook(self, body):
        if not self.signed(body):
            return
        question = json.loads(body)
        answer = HOOKS.get(question["type"])
        if answer is None:
            return self.respond(404, b"")
        status, result = answer(self.server.app, question)
        kind = "application/json" if status < 400 else "application/problem+json"
        self.respond(status, b"" if result is None else json.dumps(result).encode(), kind)

    def events(self, body):
        if not self.signed(body):
            return
        self.server.app.events.add(json.loads(body)["events"])
        self.respond(204, b"")

    def signed(self, body):
        try:
            verify(self.server.app.secrets, self.headers, body)
        except Forged as e:
            self.respond(400, f"not signed: {e}".encode())
            return False
        return True

    def redirect(self, cookie):
        self.send_response(303)
        self.send_header("Location", "/")
        self.send_header("Set-Cookie", cookie)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def respond(self, status, body, kind="text/plain; charset=utf-8"):
        self.send_response(status)
        if body:
            self.send_header("Content-Type", kind)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):
        print(f"{self.command} {self.path} {format % args}", file=sys.stderr)


class App:
    def __init__(self, wirepost, hook_secrets, api_key, events):
        self.wirepost, self.secrets, self.api_key = wirepost, hook_secrets, api_key
        self.sessions, self.events = Sessions(), Events(events)

    def disconnect(self, user):
        """Closes the user's connections at once, rather than at the next refresh."""
        request = urllib.request.Request(f"{self.wirepost}/v1/users/{urllib.parse.quote(user)}/sessions", method="DELETE")
        if self.api_key:
            request.add_header("Authorization", f"Bearer {self.api_key}")
        try:
            urllib.request.urlopen(request, timeout=5).close()
        except OSError as e:
            print(f"disconnect {user}: {e}", file=sys.stderr)


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--listen", default="127.0.0.1:5000", metavar="HOST:PORT")
    options.add_argument("--wirepost", default="http://127.0.0.1:8080", metavar="URL")
    options.add_argument("--events", default="events.log", metavar="FILE", type=pathlib.Path)
    args = options.parse_args()
    hook_secrets = os.environ.get("HOOK_SECRET", "").split()
    if not hook_secrets:
        sys.exit('set HOOK_SECRET, which signs requests: export HOOK_SECRET="whsec_$(openssl rand -base64 32)"')
    host, port = args.listen.rsplit(":", 1)
    server = ThreadingHTTPServer((host, int(port)), Handler)
    server.daemon_threads = True
    server.app = App(args.wirepost, hook_secrets, os.environ.get("WIREPOST_API_KEY"), args.events)
    print(f"listening on http://{host}:{server.server_address[1]}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
