"""What the Hugging Face Hub answers to those who list and read repositories, from folders."""

import hashlib
import json
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from servers import Reply, Request, folder

REPOSITORIES = {"datasets/owner/acts", "models/owner/sae"}
PAGE = 3  # entries of a list; the Hub's pages have a thousand
API = re.compile(r"/api/([^/]+/[^/]+/[^/]+)/(revision|tree|paths-info)/([^/]+)/?(.*)")
FILE = re.compile(r"/((?:datasets/)?[^/]+/[^/]+)/resolve/([^/]+)/(.+)")
SIGNATURE = "secret-signature"


def refused(status: int, code: str, message: str = "") -> Reply:
    """An error as the Hub has them; it may repeat what it was sent."""
    headers = {"x-error-code": code, "x-error-message": message}
    return Reply(status, json.dumps({"error": message}).encode(), headers)


def as_json(value: Any) -> Reply:
    return Reply(200, json.dumps(value).encode(), {"content-type": "application/json"})


def is_large(path: str) -> bool:
    """Whether a file is one of those that Git leaves to another server."""
    return path.endswith(".parquet")


@dataclass
class Hub:
    """A data set and a model repository with the same commits, each a folder of `root`.

    Large files lie at the address `large`, where the same folder has to be served. With a token, who
    does not send it is refused.
    """

    root: Path
    refs: dict[str, str]
    large: str
    token: str | None = None
    requests: list[Request] = field(default_factory=list)

    def __call__(self, request: Request) -> Reply:
        """What the Hub says."""
        self.requests.append(request)
        sent = request.headers.get("authorization", "nothing")
        if self.token and sent != f"Bearer {self.token}":
            return refused(401, "", f"Invalid username or password: {sent}")
        path = urlsplit(request.path).path
        if found := API.fullmatch(path):
            repository, what, revision, below = map(unquote, found.groups())
        elif found := FILE.fullmatch(path):
            repository, revision, below = map(unquote, found.groups())
            repository = repository if repository.count("/") == 2 else f"models/{repository}"
            what = "file"
        else:
            return Reply(404)
        if repository not in REPOSITORIES:
            return refused(404, "RepoNotFound", f"{sent} finds nothing")
        commit = self.refs.get(revision, revision)
        if not (self.root / commit).is_dir():
            return refused(404, "RevisionNotFound")
        answers = {
            "revision": self.revision,
            "tree": self.tree,
            "paths-info": self.paths_info,
            "file": self.file,
        }
        return answers[what](request, commit, below)

    def revision(self, _: Request, commit: str, below: str) -> Reply:
        """The commit that a revision stands for, and its files."""
        siblings = [{"rfilename": entry["path"]} for entry in self.entries(commit)]
        return as_json({"id": "owner/acts", "_id": "1", "sha": commit, "siblings": siblings})

    def tree(self, request: Request, commit: str, below: str) -> Reply:
        """A page of what a folder holds, and where the next one is."""
        url = urlsplit(request.path)
        start = int(parse_qs(url.query).get("cursor", ["0"])[0])
        entries = [e for e in self.entries(commit) if e["path"].startswith(f"{below}/".lstrip("/"))]
        if not entries:
            return refused(404, "EntryNotFound")
        reply = as_json(entries[start : start + PAGE])
        if start + PAGE < len(entries):
            following = f"http://{request.headers['host']}{url.path}?cursor={start + PAGE}"
            reply.headers["link"] = f'<{following}>; rel="next"'
        return reply

    def paths_info(self, request: Request, commit: str, below: str) -> Reply:
        """What there is of the paths that were asked for."""
        wanted = json.loads(request.body)["paths"]
        return as_json([entry for entry in self.entries(commit) if entry["path"] in wanted])

    def file(self, request: Request, commit: str, path: str) -> Reply:
        """The file's bytes, or where they are."""
        found = [entry for entry in self.entries(commit) if entry["path"] == path]
        if not found or found[0]["type"] != "file":
            return refused(404, "EntryNotFound")
        if not is_large(path):
            inner = Request(request.method, f"/{commit}/{path}", request.headers)
            reply = folder(self.root)(inner)
        else:
            reply = Reply(302)
            reply.headers["location"] = f"{self.large}/{commit}/{path}?Signature={SIGNATURE}"
            reply.headers["x-linked-size"] = str(found[0]["size"])
            reply.headers["x-linked-etag"] = f'"{found[0]["lfs"]["oid"]}"'
        reply.headers["x-repo-commit"] = commit
        return reply

    def entries(self, commit: str) -> list[dict[str, Any]]:
        return entries(self.root / commit)


@cache
def entries(top: Path) -> list[dict[str, Any]]:
    """All files and folders of a commit; commits do not change."""
    return [entry(path, path.relative_to(top).as_posix()) for path in sorted(top.rglob("*"))]


def entry(path: Path, name: str) -> dict[str, Any]:
    """What a list says of a file or a folder."""
    if path.is_dir():
        return {"type": "directory", "oid": "0" * 40, "size": 0, "path": name}
    data = path.read_bytes()
    oid = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
    found = {"type": "file", "oid": oid, "size": len(data), "path": name}
    if is_large(name):
        sha256 = hashlib.sha256(data).hexdigest()
        found["lfs"] = {"oid": sha256, "sha256": sha256, "size": len(data), "pointerSize": 130}
    return found
