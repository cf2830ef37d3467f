"""Servers on the loopback for the tests of remote stores: of a folder, and one that makes trouble.

A server answers each request through an origin, which is a folder or another server; while it has
trouble, some requests for shards are answered wrongly. It counts those for their bytes.
"""

import hashlib
import http.client
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Self
from urllib.parse import unquote, urlsplit

HOP = {"connection", "content-length", "date", "server", "transfer-encoding"}


@dataclass
class Request:
    """A request; names of headers are lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""


@dataclass
class Reply:
    """What is answered: all of the body, only its first `sent` bytes, or nothing at all."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    sent: int | None = None


Origin = Callable[[Request], Reply]
Fault = Callable[[Request, Origin], Reply]


def part(data: bytes, wanted: str) -> Reply:
    """The one range of bytes that a `Range` header asks for."""
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", wanted)
    assert found and any(found.groups()), f"a range nobody should ask for: {wanted}"
    first, last = found.groups()
    start = int(first) if first else max(len(data) - int(last), 0)
    end = min(int(last) + 1, len(data)) if first and last else len(data)
    if start >= end:
        return Reply(416, headers={"content-range": f"bytes */{len(data)}"})
    span = f"bytes {start}-{end - 1}/{len(data)}"
    return Reply(206, data[start:end], {"content-range": span})


def folder(root: Path) -> Origin:
    """The files below `root`, with ranges and entity tags, without lists of files."""

    def answer(request: Request) -> Reply:
        path = root / unquote(urlsplit(request.path).path).lstrip("/")
        if not path.is_file():
            return Reply(404, b"no such file\n")
        data = path.read_bytes()
        etag = f'"{hashlib.md5(data).hexdigest()}"'
        if request.headers.get("if-match", etag) not in (etag, "*"):
            return Reply(412)
        wanted = request.headers.get("range")
        reply = part(data, wanted) if wanted else Reply(200, data)
        reply.headers |= {"etag": etag, "accept-ranges": "bytes"}
        return reply

    return answer


def forwarded(host: str, port: int) -> Origin:
    """What the server there answers."""

    def answer(request: Request) -> Reply:
        connection = http.client.HTTPConnection(host, port)
        headers = {name: value for name, value in request.headers.items() if name not in HOP}
        connection.request(request.method, request.path, headers=headers)
        reply = connection.getresponse()
        kept = {name.lower(): value for name, value in reply.getheaders()}
        length = kept.get("content-length")
        body = reply.read() if request.method != "HEAD" else bytes(int(length or 0))
        connection.close()
        return Reply(reply.status, body, {n: v for n, v in kept.items() if n not in HOP})

    return answer


def status(code: int) -> Fault:
    """Answers with nothing but this status."""
    return lambda request, origin: Reply(code, f"status {code}\n".encode())


def short(request: Request, origin: Origin) -> Reply:
    """Closes the connection after half of the body."""
    reply = origin(request)
    reply.sent = len(reply.body) // 2
    return reply


def closed(request: Request, origin: Origin) -> Reply:
    """Closes the connection and says nothing."""
    return Reply(0)


def whole(request: Request, origin: Origin) -> Reply:
    """Gives all of the file, whatever range was asked for."""
    request.headers.pop("range", None)
    return origin(request)


def replaced(request: Request, origin: Origin) -> Reply:
    """Says that another file is in that place now."""
    if "if-match" in request.headers:
        return Reply(412)
    reply = origin(request)
    reply.headers["etag"] = '"another"'
    return reply


@dataclass
class Trouble:
    """A fault at requests for bytes of shards: after so many good ones, and so many times.

    One that stays is also met by who asks for no bytes (`HEAD`).
    """

    fault: Fault
    after: int = 0
    times: float = math.inf

    def reaches(self, request: Request, number: int) -> bool:
        """Whether it happens to this request, before which so many were counted."""
        counted = request.method == "GET" or self.times == math.inf
        return counted and self.after <= number < self.after + self.times


class Handler(BaseHTTPRequestHandler):
    """Answers a request of `Server`."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: "Server"

    def log_message(self, format: str, *args: object) -> None:
        """Keeps silent."""

    def do_GET(self) -> None:
        """Sends what the server answers, as far as that is to be sent."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        reply = self.server.answer(Request(self.command, self.path, headers, body))
        self.close_connection = reply.status == 0 or reply.sent is not None
        if reply.status == 0:
            return
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(reply.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body[: reply.sent])

    do_HEAD = do_POST = do_GET


class Server(ThreadingHTTPServer):
    """A server at a free port while it is entered; `trouble` may be set at any time."""

    def __init__(self, origin: Origin) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.origin = origin
        self.lock = Lock()
        self.reset(None)

    @property
    def url(self) -> str:
        """Where it is, without a slash at the end."""
        return f"http://127.0.0.1:{self.server_port}"

    def reset(self, trouble: Trouble | None) -> None:
        """Begins to count from 0, with this trouble or with none."""
        with self.lock:
            self.trouble = trouble
            self.asked = 0

    def answer(self, request: Request) -> Reply:
        """What the origin or the fault says."""
        if "/shards/" not in unquote(request.path):
            return self.origin(request)
        with self.lock:
            number, trouble = self.asked, self.trouble
            self.asked += request.method == "GET"
        if trouble and trouble.reaches(request, number):
            return trouble.fault(request, self.origin)
        return self.origin(request)

    def handle_error(self, *_: object) -> None:
        """Keeps silent: clients that were killed leave broken connections."""

    def __enter__(self) -> Self:
        Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()
