//! Builds without one of the features.

#[cfg(not(all(feature = "cloud", feature = "hub")))]
#[test]
fn a_build_names_the_feature_that_it_lacks() {
    let open = |address: &str| {
        saekit_remote::open(address, &saekit_remote::RemoteConfig::default())
            .map_err(|e| e.to_string())
    };
    if cfg!(not(feature = "hub")) {
        let expected =
            "hf://owner/name cannot be read by this build; build saekit with feature `hub`";
        assert_eq!(open("hf://owner/name").unwrap_err(), expected);
    }
    if cfg!(not(feature = "cloud")) {
        let expected =
            "s3://bucket cannot be read by this build; build saekit with feature `cloud`";
        assert_eq!(open("s3://bucket").unwrap_err(), expected);
    }
}
