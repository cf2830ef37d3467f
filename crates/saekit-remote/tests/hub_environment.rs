//! What the environment says of the Hub: where it is, who asks, and whether anyone may.
#![cfg(all(feature = "hub", unix))]
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use common::environment::with_environment;
use common::hub::{Hub, make_cache, online};
use common::{content, impatient, open, read};
use saekit_store::Listed;

/// As files and secret stores hand it over.
fn token_of_a_file(address: SocketAddr, folder: &Path) -> Vec<(&'static str, String)> {
    let mut variables = online(address, folder);
    variables.retain(|(name, _)| *name != "HF_TOKEN");
    variables.push(("HF_TOKEN", " secret-token \r\n".to_owned()));
    variables
}

#[test]
fn a_token_may_end_with_a_line_break() {
    let test = "a_token_may_end_with_a_line_break";
    with_environment(test, token_of_a_file, |listener, _| {
        let hub = Hub::on(listener);
        let storage = saekit_remote::open("hf://datasets/owner/name", &impatient(0)).unwrap();
        let blob = open(&*storage, "acts/shards/0");
        assert_eq!(read(&*blob, 990, 10).unwrap(), content(1000)[990..]);
        let requests = hub.server.requests();
        assert!(requests.len() >= 3);
        assert!(requests.iter().all(|request| request.ends_with("Bearer secret-token")));
        assert!(hub.large.requests().iter().all(|request| !request.contains("token")));
    });
}

/// Opens an address with `HF_ENDPOINT` or `HF_TOKEN` set to something unfit, and makes no request.
#[track_caller]
fn assert_unfit(test: &str, name: &'static str, value: &'static str, expected: &str) {
    let variables = move |address: SocketAddr, folder: &Path| {
        let mut variables = online(address, folder);
        variables.retain(|(other, _)| *other != name);
        variables.push((name, value.to_owned()));
        variables
    };
    with_environment(test, variables, |listener, _| {
        let hub = Hub::on(listener);
        let error = saekit_remote::open("hf://datasets/owner/name", &impatient(9)).unwrap_err();
        let expected = format!("hf://datasets/owner/name cannot be opened: {expected}");
        assert_eq!(error.to_string(), expected);
        assert_eq!(hub.server.requests().len(), 0);
    });
}

#[test]
fn an_endpoint_without_a_scheme_is_an_error() {
    assert_unfit(
        "an_endpoint_without_a_scheme_is_an_error",
        "HF_ENDPOINT",
        "nonsense",
        "HF_ENDPOINT is not the address of a server (relative URL without a base); set it to one such as https://host or http://host:port, or unset it",
    );
}

#[test]
fn an_endpoint_of_another_scheme_is_an_error() {
    assert_unfit(
        "an_endpoint_of_another_scheme_is_an_error",
        "HF_ENDPOINT",
        "ftp://host",
        "HF_ENDPOINT is not the address of a server (it begins with neither http:// nor https://); set it to one such as https://host or http://host:port, or unset it",
    );
}

#[test]
fn a_token_in_two_lines_is_an_error() {
    assert_unfit(
        "a_token_in_two_lines_is_an_error",
        "HF_TOKEN",
        "secret\ntoken",
        "HF_TOKEN has characters that no token has; set it to a token such as hf_…, or unset it",
    );
}

fn offline(address: SocketAddr, folder: &Path) -> Vec<(&'static str, String)> {
    make_cache(folder);
    let mut variables = online(address, folder);
    variables.push(("HF_HUB_OFFLINE", "1".to_owned()));
    variables
}

#[test]
fn offline_nothing_is_asked() {
    let test = "offline_nothing_is_asked";
    with_environment(test, offline, |listener, _| {
        let hub = Hub::on(listener);
        let storage = saekit_remote::open("hf://datasets/owner/name/acts", &impatient(0)).unwrap();
        let listed = [Listed::new("shards/0", 9)];
        assert_eq!(storage.list().unwrap(), listed);
        assert_eq!(read(&*open(&*storage, "shards/0"), 5, 4).unwrap(), b"here");
        assert!(storage.open("manifest.json").unwrap().is_none());
        assert_eq!(storage.location().to_str(), Some("hf://datasets/owner/name/acts"));
        assert_eq!(hub.server.requests().len(), 0);
    });
}

#[test]
fn offline_what_the_cache_lacks_is_named() {
    let test = "offline_what_the_cache_lacks_is_named";
    with_environment(test, offline, |listener, folder| {
        let hub = Hub::on(listener);
        let cache = folder.join("hub");
        let open = |address: &str| saekit_remote::open(address, &impatient(0));
        let lacks = |what: &str| {
            format!(
                "{what} is not in the cache {}, and HF_HUB_OFFLINE is set; unset it, or download the files first",
                cache.display()
            )
        };
        for address in ["hf://datasets/owner/name@v1", "hf://datasets/owner/name/others"] {
            assert_eq!(open(address).unwrap_err().to_string(), lacks(address));
        }
        let storage = open("hf://datasets/owner/name/acts").unwrap();
        let shard = "hf://datasets/owner/name/acts/shards/1";
        assert_eq!(storage.open("shards/1").unwrap_err().to_string(), lacks(shard));
        fs::remove_file(cache.join("datasets--owner--name/blobs/aa")).unwrap();
        let shard = "hf://datasets/owner/name/acts/shards/0";
        assert_eq!(storage.open("shards/0").unwrap_err().to_string(), lacks(shard));
        let location = "hf://datasets/owner/name/acts";
        assert_eq!(storage.list().unwrap_err().to_string(), lacks(location));
        assert_eq!(hub.server.requests().len(), 0);
    });
}

/// A store's shards without its manifest are some of them; files of other tools have none.
#[test]
fn offline_shards_without_their_manifest_are_no_store() {
    let test = "offline_shards_without_their_manifest_are_no_store";
    with_environment(test, offline, |listener, folder| {
        let hub = Hub::on(listener);
        let snapshot = folder
            .join("hub/datasets--owner--name/snapshots/1111111111111111111111111111111111111111");
        let open = |address: &str| saekit_remote::open(address, &impatient(0)).unwrap();
        let address = "hf://datasets/owner/name/acts";
        assert_eq!(open(address).list().unwrap().len(), 1);
        fs::write(snapshot.join("acts/shards/shard-00000.parquet"), "one of many").unwrap();
        let expected = format!(
            "{address}/manifest.json is not in the cache {}, and HF_HUB_OFFLINE is set; unset it, or download the files first",
            folder.join("hub").display()
        );
        assert_eq!(open(address).list().unwrap_err().to_string(), expected);
        assert_eq!(open(address).open("manifest.json").unwrap_err().to_string(), expected);
        let above = "hf://datasets/owner/name";
        assert_eq!(open(above).list().unwrap_err().to_string(), expected);
        fs::write(snapshot.join("acts/manifest.json"), "{}").unwrap();
        assert_eq!(open(address).list().unwrap().len(), 3);
        assert!(open(above).open("manifest.json").unwrap().is_none());
        fs::write(snapshot.join("acts/other-00000.parquet"), "of another tool").unwrap();
        fs::remove_file(snapshot.join("acts/shards/shard-00000.parquet")).unwrap();
        fs::remove_file(snapshot.join("acts/manifest.json")).unwrap();
        assert_eq!(open(address).list().unwrap().len(), 2);
        assert_eq!(hub.server.requests().len(), 0);
    });
}

#[test]
fn words_that_pythons_client_reads_as_no_are_a_no() {
    let test = "words_that_pythons_client_reads_as_no_are_a_no";
    let variables = |address: SocketAddr, folder: &Path| {
        let mut variables = online(address, folder);
        variables.push(("HF_HUB_OFFLINE", "perhaps".to_owned()));
        variables
    };
    with_environment(test, variables, |listener, _| {
        let hub = Hub::on(listener);
        saekit_remote::open("hf://datasets/owner/name", &impatient(0)).unwrap();
        assert_eq!(hub.server.requests().len(), 1);
    });
}

#[test]
fn offline_an_address_names_a_folder_too() {
    let test = "offline_an_address_names_a_folder_too";
    with_environment(test, offline, |_, _| {
        let address = "hf://datasets/owner/name/acts/shards/0";
        let error = saekit_remote::open(address, &impatient(0)).unwrap_err();
        let expected = format!(
            "there is no folder {address}; check the address, which names a folder, neither a file nor a pattern"
        );
        assert_eq!(error.to_string(), expected);
    });
}
