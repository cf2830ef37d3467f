"""Training from Google's and Azure's buckets: the same bytes as from a folder.

The servers are those of `bucket_servers.py`. Secrets must not come out again anywhere. What is the
same for all buckets is in `test_remote.py`, with those of Amazon.
"""

import base64
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from bucket_servers import azure, google
from conftest import Saekit
from runs import (
    MENDED,
    SHARDS,
    STOPS,
    Place,
    activations,
    assert_mended,
    assert_same_manifest,
    assert_silent,
    assert_stops,
    dictionaries,
    dictionary,
    find_middle,
    kill_and_resume,
    train,
)
from servers import Origin, Request, Server, Trouble
from stores import write_parquet, write_store

ACTS, OTHERS = NAMES = ("some/acts", "others")  # folders of the bucket
BUCKET, ACCOUNT = "saekit", "saekitaccount"
SECRET = "c2VjcmV0"  # also as base64, which Azure's keys are
GOOGLE = "set GOOGLE_APPLICATION_CREDENTIALS or GOOGLE_SERVICE_ACCOUNT to a file with credentials"
AZURE = "set AZURE_STORAGE_ACCOUNT_NAME with AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_TOKEN"
REMEDIES = {"gs": GOOGLE, "az": AZURE}
NOWHERE = {  # what a cloud's machine is asked for its credentials
    "GCE_METADATA_HOST": "127.0.0.1:1",
    "GCE_METADATA_IP": "127.0.0.1:1",
    "AZURE_MSI_ENDPOINT": "http://127.0.0.1:1/metadata/identity/oauth2/token",
}


@pytest.fixture(autouse=True)
def no_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Leaves nothing of this machine's clouds in the environment."""
    for name in os.environ:
        if name.startswith(("GOOGLE_", "GCE_", "AZURE_", "AZURITE_", "IDENTITY_")):
            monkeypatch.delenv(name)
    monkeypatch.delenv("SERVICE_ACCOUNT", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of one bucket, with a store and with Parquet files without a manifest."""
    root = tmp_path_factory.mktemp("buckets")
    write_store(root / BUCKET / ACTS, activations(), SHARDS)
    write_parquet(root / BUCKET / OTHERS, activations(), SHARDS)
    return root


@pytest.fixture(scope="module")
def expected(
    saekit: Saekit, root: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    return dictionaries(saekit, root / BUCKET, NAMES, tmp_path_factory.mktemp("expected"))


def signed(request: Request) -> bool:
    """Whether Azure is shown a signature; whether it is right is not looked at."""
    shown = request.headers.get("authorization", "")
    account = request.path.split("/")[1]
    return shown.startswith(f"SharedKey {account}:") or f"sig={SECRET}" in request.path


def google_key(url: str) -> str:
    """Credentials as emulators want them: they say where the server is, and prove nothing."""
    key = {"private_key": SECRET, "private_key_id": "1", "client_email": "a@b"}
    return json.dumps(key | {"gcs_base_url": url, "disable_oauth": True})


def origin(way: str, root: Path) -> Origin:
    """The server that is reached in this way."""
    if way.startswith("az"):
        account = "devstoreaccount1" if way == "az-azurite" else ACCOUNT
        return azure(root, account, (lambda _: True) if way == "az-public" else signed)
    return google(root, SECRET if way == "gs-token" else None)


def environment(way: str, url: str) -> dict[str, str]:
    """What makes saekit go to the server at this address, and let it in."""
    emulator = {"AZURE_STORAGE_USE_EMULATOR": "true", "AZURITE_BLOB_STORAGE_URL": url}
    account = {"AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT}
    key = {"AZURE_STORAGE_ACCOUNT_KEY": SECRET}
    endpoint = {"AZURE_STORAGE_ENDPOINT": f"{url}/{ACCOUNT}"}
    return (
        NOWHERE
        | {
            "gs-key": {"GOOGLE_SERVICE_ACCOUNT_KEY": google_key(url)},
            "gs-token": {"GOOGLE_BASE_URL": url, "GOOGLE_BEARER_TOKEN": SECRET},
            "gs-public": {"GOOGLE_BASE_URL": url, "GOOGLE_SKIP_SIGNATURE": "true"},
            "az-azurite": emulator,
            "az-emulator": account | key | emulator,
            "az-endpoint": account | key | endpoint,
            "az-sas": account | endpoint | {"AZURE_STORAGE_SAS_TOKEN": f"sv=2024&sig={SECRET}"},
            "az-public": account | endpoint | {"AZURE_SKIP_SIGNATURE": "true"},
        }[way]
    )


WAYS = ["gs-key", "gs-token", "gs-public"]
WAYS += ["az-azurite", "az-emulator", "az-endpoint", "az-sas", "az-public"]
CLOUDS = ["gs-token", "az-endpoint"]


@contextmanager
def place(way: str, root: Path, name: str = ACTS) -> Iterator[Place]:
    """A folder of the bucket."""
    with Server(origin(way, root)) as server:
        location = f"{way[:2]}://{BUCKET}/{name}"
        more = environment(way, server.url) | {"RUST_LOG": "trace"}
        yield Place(location, more, server, (SECRET,))


@pytest.mark.parametrize("way", WAYS)
def test_ways_to_a_bucket(way: str, saekit: Saekit, root: Path) -> None:
    with place(way, root) as at:
        assert_same_manifest(saekit, root / BUCKET / ACTS, at)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("way", CLOUDS)
def test_the_same_from_afar(
    way: str, name: str, saekit: Saekit, root: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    """A store, and files that the bucket has to list, which takes two pages."""
    with place(way, root, name) as at:
        ended = train(saekit, at, tmp_path / "run")
        assert ended and ended.code == 0, ended
        assert dictionary(tmp_path / "run") == expected[name]
        assert_silent(ended, at, tmp_path / "run")
        assert saekit.run("verify", at.location, **at.environment).code == 0


@pytest.fixture(scope="module")
def middle(saekit: Saekit, root: Path, tmp_path_factory: pytest.TempPathFactory) -> int:
    with place("gs-token", root) as at:
        return find_middle(saekit, at, tmp_path_factory.mktemp("undisturbed") / "run", 2 * SHARDS)


@pytest.mark.parametrize("fault", MENDED)
@pytest.mark.parametrize("way", CLOUDS)
def test_what_passes_is_mended(
    way: str,
    fault: str,
    saekit: Saekit,
    root: Path,
    middle: int,
    expected: dict[str, bytes],
    tmp_path: Path,
) -> None:
    what, times = MENDED[fault]
    with place(way, root) as at:
        trouble = Trouble(what, middle, times)
        assert_mended(saekit, at, trouble, tmp_path / "run", expected[ACTS])


@pytest.mark.parametrize("fault", STOPS)
@pytest.mark.parametrize("way", CLOUDS)
def test_what_stays_ends_the_run_until_it_is_gone(
    way: str,
    fault: str,
    saekit: Saekit,
    root: Path,
    middle: int,
    expected: dict[str, bytes],
    tmp_path: Path,
) -> None:
    what, message = STOPS[fault]
    with place(way, root) as at:
        trouble = Trouble(what, middle)
        assert_stops(saekit, at, trouble, message, tmp_path / "run", expected[ACTS])


@pytest.mark.parametrize("way", CLOUDS)
def test_killed_runs_go_on_to_the_same_bytes(
    way: str, saekit: Saekit, root: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    with place(way, root) as at:
        kill_and_resume(saekit, at, tmp_path, 3, expected[ACTS])


@pytest.mark.parametrize("way", CLOUDS)
def test_what_is_not_there_is_named(way: str, saekit: Saekit, root: Path, tmp_path: Path) -> None:
    """A shard, a folder, a bucket."""
    shutil.copytree(root, tmp_path / "copy")
    (tmp_path / "copy" / BUCKET / ACTS / "shards/shard-00002.parquet").unlink()
    with place(way, tmp_path / "copy") as at:
        folder, bucket = f"{way[:2]}://{BUCKET}/none", f"{way[:2]}://none"
        for location, message in {
            at.location: f"{at.location}/shards/shard-00002.parquet is missing",
            folder: f"{folder} is not a store: it has no `manifest.json`",
            bucket: f"there is nothing at {bucket}: the server answered 404; check the address",
        }.items():
            ended = saekit.run("inspect", location, **at.environment)
            assert ended.code == 1 and ended.err.startswith(f"error: {message}"), ended


@pytest.mark.parametrize("way", CLOUDS)
def test_credentials_that_are_missing_or_wrong(way: str, saekit: Saekit, root: Path) -> None:
    """The message says which variables to set, and no secret."""
    wrong = base64.b64encode(b"another").decode()
    with place(way, root) as at:
        there = {name: v for name, v in at.environment.items() if SECRET not in v}
        ended = saekit.run("inspect", at.location, **there)
        manifest, remedy = f"{at.location}/manifest.json", REMEDIES[way[:2]]
        message = f"error: {manifest} may not be read: no credentials were found; {remedy}"
        assert ended.code == 1 and ended.err.startswith(message), ended
        sas = {"AZURE_STORAGE_SAS_TOKEN": f"sv=2024&sig={wrong}"}
        more = sas if way.startswith("az") else {"GOOGLE_BEARER_TOKEN": wrong}
        ended = saekit.run("inspect", at.location, **(there | more))
        assert ended.code == 1 and wrong not in ended.err, ended
        found = r"may not be read: the server answered (403 \(Auth|401 \(Auth)\w+\); "
        assert re.search(re.escape(manifest) + f" {found}{remedy}", ended.err), ended


def test_an_account_has_to_be_named(saekit: Saekit) -> None:
    ended = saekit.run("inspect", f"az://{BUCKET}/{ACTS}", AZURE_STORAGE_ACCOUNT_KEY=SECRET)
    message = f"error: az://{BUCKET}/{ACTS} cannot be opened: Account must be specified; {AZURE}"
    assert ended.code == 1 and ended.err.startswith(message), ended
