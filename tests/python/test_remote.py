"""Training from a bucket and from a web server: the same bytes as from a folder, whatever happens.

The bucket is moto's, and the web server one of `servers.py`. What goes wrong there either is mended by
asking again, or ends the run with a message; the same command then goes on, to the same bytes.
"""

import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
import pytest
from conftest import Saekit
from layouts import rows
from moto.server import ThreadedMotoServer
from runs import (
    MENDED,
    STOPS,
    Place,
    assert_mended,
    assert_same_manifest,
    assert_silent,
    assert_stops,
    dictionary,
    find_middle,
    kill_and_resume,
    train,
    trained,
)
from servers import Server, Trouble, folder, forwarded, status
from stores import write_parquet, write_store

ROWS, WIDTH, SHARDS = 32768, 64, 8
KILLS = {"folder": 16, "bucket": 17, "web": 17}
BUCKET = "saekit"
TROUBLED = ["troubled-bucket", "web"]
KEYS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store") / "acts"
    write_store(path, rows(7, ROWS, WIDTH), SHARDS)
    return path


@pytest.fixture(scope="module")
def moto() -> Iterator[tuple[str, int]]:
    """Host and port of a server of buckets."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield server.get_host_and_port()
    server.stop()


def upload(endpoint: str, path: Path, prefix: str) -> None:
    """Puts the files of a folder into the bucket."""
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=KEYS["AWS_REGION"],
        aws_access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
    )
    client.create_bucket(Bucket=BUCKET)
    for file in sorted(file for file in path.rglob("*") if file.is_file()):
        client.upload_file(str(file), BUCKET, f"{prefix}/{file.relative_to(path).as_posix()}")


@pytest.fixture(scope="module")
def bucket(moto: tuple[str, int], store: Path) -> str:
    """The URL of the server; the store is in its bucket, below `some/acts`."""
    url = f"http://{moto[0]}:{moto[1]}"
    upload(url, store, "some/acts")
    return url


def in_bucket(endpoint: str, prefix: str = "some/acts", server: Server | None = None) -> Place:
    keys = KEYS | {"AWS_ENDPOINT_URL": endpoint, "AWS_ALLOW_HTTP": "true"}
    return Place(f"s3://{BUCKET}/{prefix}", keys, server)


@contextmanager
def place(kind: str, store: Path, bucket: str) -> Iterator[Place]:
    """The store in a folder, in the bucket itself, or behind a server that can make trouble."""
    if kind == "folder":
        yield Place(str(store))
    elif kind == "bucket":
        yield in_bucket(bucket)
    elif kind == "troubled-bucket":
        host, port = bucket.removeprefix("http://").split(":")
        with Server(forwarded(host, int(port))) as server:
            yield in_bucket(server.url, server=server)
    else:
        with Server(folder(store.parent)) as server:
            yield Place(f"{server.url}/acts/", {}, server)


@pytest.fixture(scope="module")
def expected(saekit: Saekit, store: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The dictionary of a run from the folder that nothing happened to."""
    return trained(saekit, Place(str(store)), tmp_path_factory.mktemp("expected") / "run")


@pytest.mark.parametrize("kind", ["bucket", "web"])
def test_the_same_from_afar(
    kind: str, saekit: Saekit, store: Path, bucket: str, expected: bytes, tmp_path: Path
) -> None:
    with place(kind, store, bucket) as at:
        assert trained(saekit, at, tmp_path / "run") == expected
        assert_same_manifest(saekit, store, at)
        assert saekit.run("verify", at.location, **at.environment).code == 0


@pytest.mark.parametrize("kind", ["bucket", "web"])
def test_a_flipped_bit_is_found(
    kind: str, saekit: Saekit, store: Path, bucket: str, tmp_path: Path
) -> None:
    """`verify` reads every byte there is and names the file."""
    copy = tmp_path / "broken"
    shutil.copytree(store, copy)
    broken = copy / "shards/shard-00003.parquet"
    data = bytearray(broken.read_bytes())
    data[len(data) // 2] ^= 1
    broken.write_bytes(data)
    with Server(folder(tmp_path)) as server:
        at = Place(f"{server.url}/broken/")
        if kind == "bucket":
            upload(bucket, copy, "broken")
            at = in_bucket(bucket, "broken")
        ended = saekit.run("verify", at.location, **at.environment)
    assert ended.code == 1 and broken.name in ended.err, ended


def test_parquet_of_others_from_a_bucket(saekit: Saekit, bucket: str, tmp_path: Path) -> None:
    """Files without a manifest, which the bucket lists."""
    write_parquet(tmp_path / "acts", rows(8, ROWS, WIDTH), 3)
    upload(bucket, tmp_path / "acts", "parquet")
    near = trained(saekit, Place(str(tmp_path / "acts")), tmp_path / "near")
    assert trained(saekit, in_bucket(bucket, "parquet"), tmp_path / "far") == near


def test_what_is_secret_of_an_address_is_not_kept(
    saekit: Saekit, store: Path, expected: bytes, tmp_path: Path
) -> None:
    """Neither in the run's folder, which people share, nor in what is printed."""
    with Server(folder(store.parent)) as server:
        address = server.url.replace("://", "://somebody:passphrase@")
        at = Place(f"{address}/acts/?signature=abcdef", secrets=("passphrase", "abcdef"))
        ended = train(saekit, at, tmp_path / "run")
        assert ended and ended.code == 0 and dictionary(tmp_path / "run") == expected, ended
        assert_silent(ended, at, tmp_path / "run")
        assert f"{server.url}/acts" in (tmp_path / "run/plan.toml").read_text()


def test_a_cache_may_come_and_go(
    saekit: Saekit, store: Path, expected: bytes, tmp_path: Path
) -> None:
    """It changes no row, so that the same run succeeds with what a failed one left in it, or with none."""
    cache = ["--cache", str(tmp_path / "cache"), "--cache-gib", "1"]
    with Server(folder(store.parent)) as server:
        at = Place(f"{server.url}/acts/", {}, server)
        server.reset(Trouble(status(404), SHARDS + 4))
        ended = train(saekit, at, tmp_path / "run", more=cache)
        assert ended and ended.code == 1, ended
        server.reset(None)
        assert trained(saekit, at, tmp_path / "run") == expected


@pytest.fixture(scope="module")
def middles(
    saekit: Saekit, store: Path, bucket: str, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, int]:
    """Half the requests for shards' bytes of a run that nothing happens to, by kind of place."""
    found = {}
    for kind in TROUBLED:
        with place(kind, store, bucket) as at:
            found[kind] = find_middle(saekit, at, tmp_path_factory.mktemp(kind) / "run", SHARDS)
    return found


@pytest.mark.parametrize("fault", MENDED)
@pytest.mark.parametrize("kind", TROUBLED)
def test_what_passes_is_mended(
    kind: str,
    fault: str,
    saekit: Saekit,
    store: Path,
    bucket: str,
    middles: dict[str, int],
    expected: bytes,
    tmp_path: Path,
) -> None:
    what, times = MENDED[fault]
    with place(kind, store, bucket) as at:
        for after in (0, middles[kind]):
            out = tmp_path / f"run-{after}"
            assert_mended(saekit, at, Trouble(what, after, times), out, expected)


@pytest.mark.parametrize("fault", STOPS)
@pytest.mark.parametrize("kind", TROUBLED)
def test_what_stays_ends_the_run_until_it_is_gone(
    kind: str,
    fault: str,
    saekit: Saekit,
    store: Path,
    bucket: str,
    middles: dict[str, int],
    expected: bytes,
    tmp_path: Path,
) -> None:
    what, message = STOPS[fault]
    with place(kind, store, bucket) as at:
        for after in (0, middles[kind]) if fault != "replaced" else (middles[kind],):
            out = tmp_path / f"run-{after}"
            assert_stops(saekit, at, Trouble(what, after), message, out, expected)


@pytest.mark.parametrize("kind", KILLS)
def test_killed_runs_go_on_to_the_same_bytes(
    kind: str, saekit: Saekit, store: Path, bucket: str, expected: bytes, tmp_path: Path
) -> None:
    with place(kind, store, bucket) as at:
        kill_and_resume(saekit, at, tmp_path, KILLS[kind], expected)
