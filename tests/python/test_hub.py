"""Training from the Hugging Face Hub: the same bytes as from a folder, whatever happens.

The Hub and the server of its large files are those of `hub_server.py`. Whoever asks has to send a
token, which must not come out again anywhere.
"""

import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from conftest import Saekit
from hub_server import SIGNATURE, Hub, refused
from huggingface_hub import snapshot_download
from runs import (
    MENDED,
    SHARDS,
    STOPS,
    TRAIN,
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
    trained,
)
from servers import Origin, Reply, Request, Server, Trouble, folder, status
from stores import write_parquet, write_store

FIRST, LATER = "1" * 40, "2" * 40
TOKEN = "hf_secret"
ACTS, OTHERS = NAMES = ("some/acts", "others")  # folders of a commit
REPOSITORY = "hf://datasets/owner/acts"
DATASET = f"{REPOSITORY}/{ACTS}"
REMEDY = "set HF_TOKEN to a token that may read it, and accept its terms on the Hub"


@dataclass
class Internet:
    """The Hub behind one server, and its large files behind another."""

    hub: Hub
    server: Server
    large: Server
    home: Path
    asked: list[Request]  # what the large files' server was asked

    def at(self, location: str, **more: str) -> Place:
        """An address with the environment to read it; programs that log would log all."""
        environment = {
            "HF_ENDPOINT": self.server.url,
            "HF_TOKEN": TOKEN,
            "HF_HOME": str(self.home),
            "HF_HUB_CACHE": str(self.home / "hub"),
            "HF_HUB_OFFLINE": "",
            "RUST_LOG": "trace",
            "RUST_BACKTRACE": "full",
        }
        return Place(location, environment | more, self.large, (TOKEN, SIGNATURE))


@pytest.fixture(scope="module")
def commits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two commits of a store and of Parquet files without a manifest; the later has other bytes."""
    root = tmp_path_factory.mktemp("commits")
    x = activations()
    for commit, rows in {FIRST: x, LATER: -x}.items():
        write_store(root / commit / "some/acts", rows, SHARDS)
        write_parquet(root / commit / "others/shards", rows, SHARDS)
    return root


@contextmanager
def connected(commits: Path, home: Path) -> Iterator[Internet]:
    """Both servers; that of large files keeps what it is asked."""
    asked: list[Request] = []

    def serve(request: Request) -> Reply:
        asked.append(request)
        return folder(commits)(request)

    refs = {"main": FIRST, "v1": FIRST, "refs/pr/1": FIRST}
    with Server(serve) as large:
        hub = Hub(commits, refs, large.url, TOKEN)
        with Server(hub) as server:
            yield Internet(hub, server, large, home, asked)


@pytest.fixture
def internet(commits: Path, tmp_path: Path) -> Iterator[Internet]:
    with connected(commits, tmp_path / "home") as internet:
        yield internet


@pytest.fixture(scope="module")
def expected(
    saekit: Saekit, commits: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    return dictionaries(saekit, commits / FIRST, NAMES, tmp_path_factory.mktemp("expected"))


@pytest.fixture(scope="module")
def middles(
    saekit: Saekit, commits: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, int]:
    """Half the requests for shards' bytes of runs that nothing happens to, by the folder's name."""
    out = tmp_path_factory.mktemp("undisturbed")
    with connected(commits, out / "home") as internet:
        places = {name: internet.at(f"{REPOSITORY}/{name}") for name in NAMES}
        return {n: find_middle(saekit, at, out / n, 4 * SHARDS) for n, at in places.items()}


@pytest.mark.parametrize(
    "location",
    [
        DATASET,
        f"{REPOSITORY}@{FIRST}/{ACTS}",
        f"{REPOSITORY}@refs%2Fpr%2F1/{ACTS}/manifest.json",
        "hf://owner/sae/some/acts",
        "hf://owner/sae@v1/some/acts/",
        f"{REPOSITORY}/{OTHERS}",
    ],
)
def test_the_same_from_the_hub(
    location: str, saekit: Saekit, internet: Internet, expected: dict[str, bytes], tmp_path: Path
) -> None:
    """One revision is looked up once; the token goes to the Hub, and nowhere else."""
    at = internet.at(location)
    ended = train(saekit, at, tmp_path / "run")
    assert ended and ended.code == 0, ended
    name = OTHERS if location.endswith(OTHERS) else ACTS
    assert dictionary(tmp_path / "run") == expected[name]
    requests = internet.hub.requests
    assert sum("/revision/" in request.path for request in requests) == 1
    assert all(f"/{FIRST}" in request.path for request in requests[1:])
    assert all(r.headers["authorization"] == f"Bearer {TOKEN}" for r in requests)
    assert internet.asked, "nothing was large"
    assert not any("authorization" in request.headers for request in internet.asked)
    assert_silent(ended, at, tmp_path / "run")


def test_what_inspect_and_verify_say(saekit: Saekit, internet: Internet, commits: Path) -> None:
    at = internet.at(DATASET)
    assert_same_manifest(saekit, commits / FIRST / ACTS, at)
    ended = saekit.run("verify", at.location, **at.environment)
    assert ended.code == 0 and f"{SHARDS} hashes agree" in ended.out, ended


@pytest.mark.parametrize("fault", [*MENDED, "too-many-requests"])
@pytest.mark.parametrize("where", ["hub", "large"])
def test_what_passes_is_mended(
    where: str,
    fault: str,
    saekit: Saekit,
    internet: Internet,
    middles: dict[str, int],
    expected: dict[str, bytes],
    tmp_path: Path,
) -> None:
    what, times = MENDED.get(fault, (status(429), 1))
    server = internet.server if where == "hub" else internet.large
    at = replace(internet.at(DATASET), server=server)
    trouble = Trouble(what, middles[ACTS], times)
    assert_mended(saekit, at, trouble, tmp_path / "run", expected[ACTS])


# Commits do not change, so an etag of another file means nothing there.
STAYS = {name: stop for name, stop in STOPS.items() if name != "replaced"} | {
    "unauthorised": (status(401), rf"server answered 401; {REMEDY}"),
}


@pytest.mark.parametrize("fault", STAYS)
def test_what_stays_ends_the_run_until_it_is_gone(
    fault: str,
    saekit: Saekit,
    internet: Internet,
    middles: dict[str, int],
    expected: dict[str, bytes],
    tmp_path: Path,
) -> None:
    what, message = STAYS[fault]
    at, trouble = internet.at(DATASET), Trouble(what, middles[ACTS])
    assert_stops(saekit, at, trouble, message, tmp_path / "run", expected[ACTS])


@pytest.mark.parametrize("name", NAMES)
def test_a_push_during_a_run_changes_nothing(
    name: str, saekit: Saekit, internet: Internet, expected: dict[str, bytes], tmp_path: Path
) -> None:
    def pushed(request: Request, origin: Origin) -> Reply:
        internet.hub.refs["main"] = LATER
        return origin(request)

    internet.large.reset(Trouble(pushed, 4 * SHARDS, 1))
    at = internet.at(f"{REPOSITORY}/{name}")
    assert trained(saekit, at, tmp_path / "run") == expected[name]
    assert internet.hub.refs["main"] == LATER


@pytest.mark.parametrize("name", NAMES)
def test_a_push_between_two_runs_is_no_resume(
    name: str,
    saekit: Saekit,
    internet: Internet,
    middles: dict[str, int],
    expected: dict[str, bytes],
    tmp_path: Path,
) -> None:
    """What began with other bytes does not go on with these, until they are back."""
    at = internet.at(f"{REPOSITORY}/{name}")

    def refused_late(request: Request, origin: Origin) -> Reply:
        """No, but not before there is something to resume."""
        deadline = time.monotonic() + 10
        while not (tmp_path / "run/checkpoints").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        return Reply(403)

    internet.large.reset(Trouble(refused_late, middles[name] * 7 // 4))
    ended = train(saekit, at, tmp_path / "run")
    assert ended and ended.code == 1 and (tmp_path / "run/checkpoints").exists(), ended
    internet.large.reset(None)
    internet.hub.refs["main"] = LATER
    ended = train(saekit, at, tmp_path / "run")
    assert ended and ended.code == 1 and "sha256" in ended.err, ended
    assert "--force" in ended.err and not (tmp_path / "run/dictionary").exists()
    plan = (tmp_path / "run/plan.toml").read_text()
    commit = re.search(r'^revision = "(\w+)"$', plan, re.MULTILINE)
    assert commit and commit[1] == FIRST, plan
    begun = internet.at(f"{REPOSITORY}@{commit[1]}/{name}")
    assert trained(saekit, begun, tmp_path / "run") == expected[name]


def test_a_commit_that_is_removed_ends_the_run(
    saekit: Saekit, internet: Internet, commits: Path, tmp_path: Path
) -> None:
    shutil.copytree(commits, tmp_path / "copy")
    internet.hub.root = tmp_path / "copy"

    def removed(request: Request, origin: Origin) -> Reply:
        shutil.rmtree(tmp_path / "copy" / FIRST)
        return origin(request)

    internet.server.reset(Trouble(removed, 4 * SHARDS, 1))
    ended = train(saekit, internet.at(DATASET), tmp_path / "run")
    assert ended and ended.code == 1 and not (tmp_path / "run/dictionary").exists(), ended
    assert re.search(rf"{DATASET}/shards/shard-\S+ was changed while it was read", ended.err)


def test_killed_runs_go_on_to_the_same_bytes(
    saekit: Saekit, internet: Internet, expected: dict[str, bytes], tmp_path: Path
) -> None:
    kill_and_resume(saekit, internet.at(DATASET), tmp_path, 8, expected[ACTS])


MESSAGES = {
    "no-token": (DATASET, {"HF_TOKEN": ""}, f"may not be read: the server answered 401; {REMEDY}"),
    "wrong-token": (DATASET, {"HF_TOKEN": "hf_secret_too"}, f"the server answered 401; {REMEDY}"),
    "no-repository": ("hf://datasets/owner/none", {}, "there is nothing at {}: .* check the addr"),
    "no-revision": ("hf://owner/sae@v9", {}, "there is nothing at {}: .* check the address"),
    "no-folder": ("hf://owner/sae/none", {}, "there is no folder {}; check the address"),
    "a-file": (f"{DATASET}/shards/shard-00000.parquet", {}, "there is no folder {}; check the ad"),
    "no-owner": ("hf://sae", {}, "{} is not a valid address: .* expected hf://datasets/owner/name"),
    "endpoint": (DATASET, {"HF_ENDPOINT": "no-url"}, "{} cannot be opened: HF_ENDPOINT is not"),
    "offline": (DATASET, {"HF_HUB_OFFLINE": "1"}, "{} is not in the cache .*; unset it, or down"),
}


@pytest.mark.parametrize("what", MESSAGES)
def test_messages_name_the_address_and_the_remedy(
    what: str, saekit: Saekit, internet: Internet
) -> None:
    location, more, message = MESSAGES[what]
    at = internet.at(location, **more)
    ended = saekit.run("inspect", at.location, **at.environment)
    assert ended.code == 1 and ended.out == "", ended
    assert re.search(message.format(re.escape(location)), ended.err), ended
    assert location in ended.err and "panicked" not in ended.err, ended
    assert_silent(ended, at)


def test_a_gated_repository_is_said_to_be_one(saekit: Saekit, internet: Internet) -> None:
    internet.server.origin = lambda _: refused(403, "GatedRepo", f"{TOKEN} may not read this")
    at = internet.at(DATASET)
    ended = saekit.run("inspect", at.location, **at.environment)
    expected = f"error: {DATASET} may not be read: the server answered 403 (GatedRepo); {REMEDY}"
    assert ended.code == 1 and ended.err.startswith(expected), ended
    assert_silent(ended, at)


def test_a_missing_shard_is_named(
    saekit: Saekit, internet: Internet, commits: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy" / FIRST
    shutil.copytree(commits / FIRST, copy)
    (copy / "some/acts/shards/shard-00002.parquet").unlink()
    internet.hub.root = tmp_path / "copy"
    ended = train(saekit, internet.at(DATASET), tmp_path / "run")
    assert ended and ended.code == 1, ended
    assert f"{DATASET}/shards/shard-00002.parquet is missing" in ended.err, ended


def test_the_token_of_a_login_is_used(saekit: Saekit, internet: Internet) -> None:
    """The file that `hf auth login` leaves."""
    internet.home.mkdir()
    (internet.home / "token").write_text(f"{TOKEN}\n")
    at = internet.at(DATASET, HF_TOKEN="")
    ended = saekit.run("inspect", at.location, **at.environment)
    assert ended.code == 0, ended


def test_ranges_are_kept(
    saekit: Saekit, internet: Internet, expected: dict[str, bytes], tmp_path: Path
) -> None:
    """With a folder for them a second run asks for no bytes, and gives the same."""
    at = internet.at(DATASET)
    for run in ("first", "second"):
        internet.large.reset(None)
        arguments = ["train", "--store", at.location, "--out", tmp_path / run, *TRAIN.split()]
        ended = saekit.run(*arguments, "--cache", tmp_path / "ranges", **at.environment)
        assert ended.code == 0 and dictionary(tmp_path / run) == expected[ACTS], ended
        assert (internet.large.asked == 0) == (run == "second")
    assert_silent(ended, at, tmp_path)


@pytest.fixture
def downloaded(internet: Internet, tmp_path: Path) -> Place:
    """What the Hub's own client has put into its cache, for a run that must ask nobody."""
    at = internet.at(DATASET, HF_HUB_CACHE=str(tmp_path / "cache"), HF_HUB_OFFLINE="1")
    snapshot_download(
        "owner/acts",
        repo_type="dataset",
        allow_patterns="some/acts/*",
        endpoint=internet.server.url,
        token=TOKEN,
        cache_dir=tmp_path / "cache",
    )
    internet.hub.requests.clear()
    internet.asked.clear()
    return at


def test_offline_the_cache_is_read(
    saekit: Saekit,
    internet: Internet,
    downloaded: Place,
    expected: dict[str, bytes],
    tmp_path: Path,
) -> None:
    assert trained(saekit, downloaded, tmp_path / "run") == expected[ACTS]
    other = saekit.run("inspect", f"{REPOSITORY}@v1/{ACTS}", **downloaded.environment)
    assert other.code == 1 and "HF_HUB_OFFLINE is set" in other.err, other
    (shard,) = (tmp_path / "cache").rglob("shard-00001.parquet")
    os.remove(shard)
    ended = saekit.run("verify", downloaded.location, **downloaded.environment)
    assert ended.code == 1 and f"{DATASET}/shards/shard-00001.parquet is not in the" in ended.err
    assert not internet.hub.requests and not internet.asked


def test_online_only_what_the_cache_lacks_is_asked_for(
    saekit: Saekit,
    internet: Internet,
    downloaded: Place,
    expected: dict[str, bytes],
    tmp_path: Path,
) -> None:
    (shard,) = (tmp_path / "cache").rglob("shard-00001.parquet")
    os.remove(shard)
    at = replace(downloaded, environment=downloaded.environment | {"HF_HUB_OFFLINE": "0"})
    assert trained(saekit, at, tmp_path / "run") == expected[ACTS]
    assert internet.asked and all("shard-00001" in request.path for request in internet.asked)
