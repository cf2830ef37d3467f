"""What Google Cloud Storage and Azure's blob storage answer to those who read, from folders.

The first folder of a path is the bucket. Lists come in short pages.
"""

from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from servers import Origin, Reply, Request, folder

PAGE = 3  # entries of a list; those of the clouds have thousands
DATE = 1_700_000_000  # seconds after 1970 at which every file was written
MODIFIED = formatdate(DATE, usegmt=True)


def in_google(file: str, size: int) -> str:
    """A file in Google's list."""
    date = "2023-11-14T22:13:20.000Z"
    text = f"<Key>{escape(file)}</Key><Size>{size}</Size><LastModified>{date}</LastModified>"
    return f'<Contents>{text}<ETag>"1"</ETag></Contents>'


def in_azure(file: str, size: int) -> str:
    """A file in Azure's list."""
    properties = {
        "Last-Modified": MODIFIED,
        "Etag": "1",
        "Content-Length": size,
        "Content-Type": "application/octet-stream",
    }
    text = "".join(f"<{name}>{value}</{name}>" for name, value in properties.items())
    return f"<Blob><Name>{escape(file)}</Name><Properties>{text}</Properties></Blob>"


def page(files: list[tuple[str, int]], token: str, entry: Callable[[str, int], str]) -> list[str]:
    """Entries of files after those that the token counts, and the next token or nothing."""
    start = int(token or 0)
    shown = "".join(entry(*file) for file in files[start : start + PAGE])
    return [shown, str(start + PAGE) if start + PAGE < len(files) else ""]


def below(bucket: Path, prefix: str) -> list[tuple[str, int]]:
    """Names that begin with the prefix, and sizes."""
    paths = sorted(path for path in bucket.rglob("*") if path.is_file())
    named = [(path.relative_to(bucket).as_posix(), path.stat().st_size) for path in paths]
    return [(name, size) for name, size in named if name.startswith(prefix)]


def error(status: int, code: str) -> Reply:
    """An error as both clouds have them; Azure also says the code in a header."""
    body = f"<Error><Code>{code}</Code><Message>secret</Message></Error>".encode()
    return Reply(status, body, {"x-ms-error-code": code})


def google(root: Path, token: str | None = None) -> Origin:
    """The buckets of `root`; who does not send the token is refused, if there is one."""

    def answer(request: Request) -> Reply:
        path, query = split(request)
        if token is not None and request.headers.get("authorization") != f"Bearer {token}":
            return error(401, "AuthenticationRequired")
        if not (root / path.split("/")[1]).is_dir():
            return error(404, "NoSuchBucket")
        if query.get("list-type") != "2":
            return file(root, path, request, "NoSuchKey")
        files = below(root / path.strip("/"), query.get("prefix", ""))
        shown, token_after = page(files, query.get("continuation-token", ""), in_google)
        after = f"<NextContinuationToken>{token_after}</NextContinuationToken>"
        return xml("ListBucketResult", shown + (after if token_after else ""))

    return answer


def azure(root: Path, account: str, allowed: Callable[[Request], bool]) -> Origin:
    """The containers of `root`, below the name of an account as an emulator has them."""

    def answer(request: Request) -> Reply:
        path, query = split(request)
        if not allowed(request):
            return error(403, "AuthenticationFailed")
        path = path.removeprefix(f"/{account}")
        if not (root / path.split("/")[1]).is_dir():
            return error(404, "ContainerNotFound")
        if query.get("comp") != "list":
            return file(root, path, request, "BlobNotFound")
        files = below(root / path.strip("/"), query.get("prefix", ""))
        shown, after = page(files, query.get("marker", ""), in_azure)
        return xml("EnumerationResults", f"<Blobs>{shown}</Blobs><NextMarker>{after}</NextMarker>")

    return answer


def split(request: Request) -> tuple[str, dict[str, str]]:
    """Path and query without their escapes."""
    url = urlsplit(request.path)
    return unquote(url.path), {name: values[0] for name, values in parse_qs(url.query).items()}


def xml(name: str, inner: str) -> Reply:
    body = f'<?xml version="1.0" encoding="UTF-8"?><{name}>{inner}</{name}>'
    return Reply(200, body.encode(), {"content-type": "application/xml"})


def file(root: Path, path: str, request: Request, missing: str) -> Reply:
    """A file with the headers that the clouds add."""
    reply = folder(root)(Request(request.method, path, request.headers))
    if reply.status == 404:
        return error(404, missing)
    reply.headers["last-modified"] = MODIFIED
    return reply
