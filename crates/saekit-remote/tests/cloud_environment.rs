//! Variables of the clouds that hold what they cannot mean: errors that name the variable, and no
//! secret, before any request is made.
#![cfg(all(feature = "cloud", unix))]
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod common;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use common::environment::with_environment;
use common::http::Reply;
use common::{Fault, Server, content, files, impatient, open, read};

const SERVER: &str = "set it to one such as https://host or http://host:port, or unset it";
const FILE: &str = "set it to the path of a service account's key as Google gives it, or unset it";

/// Opens `address` with these variables. In a value `DIR` stands for a folder with some files.
#[track_caller]
fn assert_unfit(test: &str, address: &str, variables: &[(&'static str, &str)], expected: &str) {
    let environment = |_: SocketAddr, folder: &Path| {
        fs::write(folder.join("broken.json"), "{\"private_key\": secret}").unwrap();
        fs::write(folder.join("text.json"), "\"secret\"").unwrap();
        fs::write(folder.join("partial.json"), "{\"private_key\": \"secret\"}").unwrap();
        let key =
            "{\"private_key\": \"secret\", \"private_key_id\": \"1\", \"client_email\": \"a@b\"}";
        fs::write(folder.join("key.json"), key).unwrap();
        let nowhere = key.replace('}', ", \"gcs_base_url\": \"secret\", \"disable_oauth\": true}");
        fs::write(folder.join("nowhere.json"), nowhere).unwrap();
        let dir = folder.to_str().unwrap();
        variables.iter().map(|(name, value)| (*name, value.replace("DIR", dir))).collect()
    };
    with_environment(test, environment, |_, _| {
        let error = saekit_remote::open(address, &impatient(9)).unwrap_err();
        assert_eq!(error.to_string(), format!("{address} cannot be opened: {expected}"));
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    });
}

/// Tests with a name, an address, variables, and what the message says after the address.
macro_rules! unfit {
    ($($name:ident: $address:literal, $variables:expr, $expected:expr;)*) => {
        $(#[test]
        fn $name() {
            let expected: String = $expected.into();
            assert_unfit(stringify!($name), $address, &$variables, &expected);
        })*
    };
}

fn no_server(name: &str, problem: &str) -> String {
    format!("{name} is not the address of a server ({problem}); {SERVER}")
}

const NO_BASE: &str = "relative URL without a base";
const NOT_WEB: &str = "it begins with neither http:// nor https://";

unfit! {
    an_endpoint_of_s3_without_a_scheme: "s3://bucket/acts",
        [("AWS_ENDPOINT_URL", "nonsense"), ("AWS_SKIP_SIGNATURE", "true")],
        no_server("AWS_ENDPOINT_URL", NO_BASE);
    an_endpoint_of_s3_with_a_space: "s3://bucket/acts",
        [("AWS_ENDPOINT_URL_S3", "local host:80"), ("AWS_SKIP_SIGNATURE", "true")],
        no_server("AWS_ENDPOINT_URL_S3", NO_BASE);
    a_base_url_of_google_without_a_scheme: "gs://bucket/acts",
        [("GOOGLE_BASE_URL", "nonsense"), ("GOOGLE_SKIP_SIGNATURE", "true")],
        no_server("GOOGLE_BASE_URL", NO_BASE);
    an_endpoint_of_azure_that_is_mail: "az://container/acts",
        [("AZURE_STORAGE_ENDPOINT", "mailto:x"), ("AZURE_STORAGE_ACCOUNT_NAME", "a")],
        no_server("AZURE_STORAGE_ENDPOINT", NOT_WEB);
    an_emulator_of_azure_without_a_scheme: "az://container/acts",
        [("AZURITE_BLOB_STORAGE_URL", "localhost:1"), ("AZURE_STORAGE_USE_EMULATOR", "true")],
        no_server("AZURITE_BLOB_STORAGE_URL", NOT_WEB);
    a_session_token_with_a_line_break: "s3://bucket/acts",
        [("AWS_SESSION_TOKEN", "secret\n"), ("AWS_SKIP_SIGNATURE", "true")],
        "AWS_SESSION_TOKEN has a space, a line break or another character that cannot be sent; set it to nothing but its letters, digits and signs";
    a_flag_that_is_neither: "s3://bucket/acts", [("AWS_SKIP_SIGNATURE", "secret")],
        "AWS_SKIP_SIGNATURE says neither yes nor no; set it to true or false, or unset it";
    a_service_account_that_is_missing: "gs://bucket/acts",
        [("GOOGLE_SERVICE_ACCOUNT", "DIR/none.json")],
        format!("the file that GOOGLE_SERVICE_ACCOUNT names cannot be read (No such file or directory (os error 2)); {FILE}");
    a_service_account_that_is_no_json: "gs://bucket/acts",
        [("GOOGLE_SERVICE_ACCOUNT_PATH", "DIR/broken.json")],
        format!("the file that GOOGLE_SERVICE_ACCOUNT_PATH names is no JSON of credentials (line 1 column 17); {FILE}");
    a_service_account_that_is_a_text: "gs://bucket/acts",
        [("GOOGLE_SERVICE_ACCOUNT", "DIR/text.json")],
        format!("the file that GOOGLE_SERVICE_ACCOUNT names is no JSON of credentials (line 1 column 8); {FILE}");
    a_service_account_without_all_fields: "gs://bucket/acts",
        [("GOOGLE_SERVICE_ACCOUNT", "DIR/partial.json")],
        format!("the file that GOOGLE_SERVICE_ACCOUNT names is not complete (missing field `private_key_id` at line 1 column 25); {FILE}");
    a_service_account_without_a_key: "gs://bucket/acts",
        [("GOOGLE_SERVICE_ACCOUNT", "DIR/key.json")],
        format!("the file that GOOGLE_SERVICE_ACCOUNT names has no private key in the format PEM that can be used; {FILE}");
    a_service_account_key_that_is_no_json: "gs://bucket/acts",
        [("GOOGLE_SERVICE_ACCOUNT_KEY", "secret")],
        "GOOGLE_SERVICE_ACCOUNT_KEY is no JSON of credentials (line 1 column 1); set it to the text of a service account's key as Google gives it, or unset it";
    a_service_account_with_a_server_that_is_none: "gs://bucket/acts",
        [("GOOGLE_SERVICE_ACCOUNT", "DIR/nowhere.json")],
        format!("`gcs_base_url` in the file that GOOGLE_SERVICE_ACCOUNT names is not the address of a server ({NO_BASE}); {SERVER}");
    two_service_accounts: "gs://bucket/acts",
        [("GOOGLE_SERVICE_ACCOUNT", "DIR/key.json"), ("GOOGLE_SERVICE_ACCOUNT_KEY", "secret")],
        "GOOGLE_SERVICE_ACCOUNT and GOOGLE_SERVICE_ACCOUNT_KEY are both set; unset one of them";
    application_credentials_that_are_missing: "gs://bucket/acts",
        [("GOOGLE_APPLICATION_CREDENTIALS", "DIR/none.json")],
        "the file that GOOGLE_APPLICATION_CREDENTIALS names cannot be read (No such file or directory (os error 2)); set it to the path of a key or of credentials as Google gives them, or unset it";
    an_account_key_that_is_not_base64: "az://container/acts",
        [("AZURE_STORAGE_ACCOUNT_NAME", "a"), ("AZURE_STORAGE_ACCOUNT_KEY", "secret!")],
        "AZURE_STORAGE_ACCOUNT_KEY is not base64, which keys are; set it to one of the account's two keys, or unset it";
    a_signature_without_pairs: "az://container/acts",
        [("AZURE_STORAGE_ACCOUNT_NAME", "a"), ("AZURE_STORAGE_SAS_TOKEN", "sv=1&secret")],
        "AZURE_STORAGE_SAS_TOKEN is not made of pairs `name=value` with `&` between them; set it to a token such as sv=…&sig=…, or unset it";
}

#[test]
fn buckets_have_plain_names() {
    for address in ["s3://buck et/acts", "gs://bück/acts", "az://a%b", "s3://a\nb", "s3://[a]"] {
        let message = saekit_remote::open(address, &impatient(0)).unwrap_err().to_string();
        let expected = "is not a valid address: it needs the name of a bucket, and has no user, query or fragment; expected ";
        assert!(message.contains(expected), "{message}");
    }
}

/// Without `AZURE_ALLOW_HTTP`.
#[test]
fn an_endpoint_of_azure_may_begin_with_http() {
    let test = "an_endpoint_of_azure_may_begin_with_http";
    let variables = |address: SocketAddr, _: &Path| {
        vec![
            ("AZURE_STORAGE_ACCOUNT_NAME", "account".to_owned()),
            ("AZURE_STORAGE_ENDPOINT", format!("http://{address}/account")),
            ("AZURE_SKIP_SIGNATURE", "true".to_owned()),
        ]
    };
    with_environment(test, variables, |listener, _| {
        let _server = Server::on(listener, |request| match request.path() {
            "/account/container/acts/a" => files::serve(request, &content(1000)),
            _ => Reply::new(404, ""),
        });
        let storage = saekit_remote::open("az://container/acts", &impatient(0)).unwrap();
        assert_eq!(read(&*open(&*storage, "a"), 100, 10).unwrap(), content(1000)[100..110]);
    });
}

/// Files may have the paths at which machines of Azure are asked for their credentials.
#[test]
fn files_that_are_called_as_metadata_are_files() {
    let test = "files_that_are_called_as_metadata_are_files";
    let variables = |address: SocketAddr, _: &Path| {
        vec![
            ("AZURE_STORAGE_ACCOUNT_NAME", "account".to_owned()),
            ("AZURE_STORAGE_ENDPOINT", format!("http://{address}")),
            ("AZURE_SKIP_SIGNATURE", "true".to_owned()),
        ]
    };
    with_environment(test, variables, |listener, _| {
        let server = Server::on(listener, |request| match request.path() {
            "/metadata/identity/a" => files::serve(request, &content(1000)),
            _ => Reply::new(404, ""),
        });
        let storage = saekit_remote::open("az://metadata/identity", &impatient(1)).unwrap();
        assert!(storage.open("b").unwrap().is_none());
        let blob = open(&*storage, "a");
        server.inject("GET", 1, Fault::Status(503, ""));
        assert_eq!(read(&*blob, 100, 10).unwrap(), content(1000)[100..110]);
        server.inject("GET", 1, Fault::WholeFile);
        assert!(read(&*blob, 100, 10).unwrap_err().contains("ignores the header `Range`"));
    });
}

/// As all that `object_store` takes from the environment for its client.
#[test]
fn a_proxy_of_the_environment_is_asked() {
    let test = "a_proxy_of_the_environment_is_asked";
    let variables = |address: SocketAddr, _: &Path| {
        vec![
            ("AWS_ENDPOINT_URL", "http://storage.invalid".to_owned()),
            ("AWS_SKIP_SIGNATURE", "true".to_owned()),
            ("AWS_PROXY_URL", format!("http://{address}")),
        ]
    };
    with_environment(test, variables, |listener, _| {
        let server = Server::on(listener, |request| files::serve(request, &content(1000)));
        let storage = saekit_remote::open("s3://bucket/acts", &impatient(0)).unwrap();
        assert_eq!(read(&*open(&*storage, "a"), 100, 10).unwrap(), content(1000)[100..110]);
        let asked = "http://storage.invalid/bucket/acts/a";
        let expected = [format!("HEAD {asked}"), format!("GET {asked} bytes=100-109 \"v1\"")];
        assert_eq!(server.requests(), expected);
    });
}

/// An address that cannot be asked now cannot be asked later.
#[test]
fn an_address_that_may_not_be_asked_is_not_asked_again() {
    let test = "an_address_that_may_not_be_asked_is_not_asked_again";
    let variables = |address: SocketAddr, _: &Path| {
        vec![
            ("AZURE_STORAGE_ACCOUNT_NAME", "account".to_owned()),
            ("AZURE_STORAGE_TOKEN", "t".to_owned()),
            ("AZURE_STORAGE_CLIENT_ID", "id".to_owned()),
            ("AZURE_STORAGE_CLIENT_SECRET", "secret".to_owned()),
            ("AZURE_STORAGE_TENANT_ID", "tenant".to_owned()),
            ("AZURE_CREDENTIAL_TYPE", "client_secret".to_owned()),
            ("AZURE_AUTHORITY_HOST", format!("http://{address}")),
        ]
    };
    with_environment(test, variables, |_, _| {
        let storage = saekit_remote::open("az://container/acts", &impatient(9)).unwrap();
        let expected = "az://container/acts cannot be read: URL scheme is not allowed; check the address, and the settings of its server";
        assert_eq!(storage.list().unwrap_err().to_string(), expected);
    });
}
