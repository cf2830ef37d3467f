//! Asynchronous requests for callers that block, made again where that may help.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use saekit_core::Error as CoreError;
use tokio::runtime::{Builder, Runtime};

use crate::address::Scheme;
use crate::failure::Failure;
use crate::{Error, RemoteConfig, Result};

/// Makes the requests of one storage. Any number of threads may use it at once.
pub(crate) struct Network {
    runtime: Option<Runtime>,
    scheme: Scheme,
    timeout: Duration,
    retries: u32,
    delay: Duration,
}

impl Network {
    pub(crate) fn new(scheme: Scheme, config: &RemoteConfig) -> Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("saekit-remote")
            .enable_all()
            .build()
            .map_err(CoreError::io("start a thread for", Path::new(scheme.name())))?;
        let RemoteConfig { timeout, retries, delay, .. } = *config;
        Ok(Self { runtime: Some(runtime), scheme, timeout, retries, delay })
    }

    pub(crate) fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The result of `attempt`, which is repeated while its failure may pass. `path` is what the
    /// error is about.
    pub(crate) fn read<T>(
        &self,
        path: &Path,
        attempt: impl AsyncFnMut() -> Result<T, Failure>,
    ) -> Result<T> {
        let result = self.try_read(attempt);
        result.map_err(|(failure, attempts)| failure.into_error(path, self.scheme, attempts))
    }

    /// As [`read`](Self::read), with `None` where the server says that there is no such thing.
    pub(crate) fn find<T>(
        &self,
        path: &Path,
        attempt: impl AsyncFnMut() -> Result<T, Failure>,
    ) -> Result<Option<T>> {
        match self.try_read(attempt) {
            Ok(found) => Ok(Some(found)),
            Err((failure, _)) if failure.is_missing() => Ok(None),
            Err((failure, attempts)) => Err(failure.into_error(path, self.scheme, attempts)),
        }
    }

    /// The last failure comes with the number of attempts.
    fn try_read<T>(
        &self,
        mut attempt: impl AsyncFnMut() -> Result<T, Failure>,
    ) -> Result<T, (Failure, u32)> {
        let runtime = self.runtime.as_ref().expect("it goes when the network is dropped");
        runtime.block_on(async {
            let mut attempts = 1;
            loop {
                match attempt().await {
                    Ok(value) => return Ok(value),
                    Err(failure) if attempts > self.retries || !failure.may_pass() => {
                        return Err((failure, attempts));
                    }
                    Err(_) => tokio::time::sleep(self.wait(attempts)).await,
                }
                attempts += 1;
            }
        })
    }

    /// The wait after so many attempts.
    fn wait(&self, attempts: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(attempts - 1);
        self.delay.saturating_mul(doubled).min(RemoteConfig::LONGEST_DELAY)
    }

    /// The result of `request`, unless the server is silent for too long.
    pub(crate) async fn within<T>(
        &self,
        request: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        match tokio::time::timeout(self.timeout, request).await {
            Ok(result) => result,
            Err(_) => Err(Failure::Silent(self.timeout)),
        }
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Network").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

impl Drop for Network {
    /// Does not wait for connections that are still open.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Fails unless `offset` and `length` are within a file of `bytes` bytes.
pub(crate) fn check_range(path: &Path, bytes: u64, offset: u64, length: u64) -> Result<()> {
    if offset.checked_add(length).is_some_and(|end| end <= bytes) {
        return Ok(());
    }
    Err(Error::PastEnd { path: path.to_owned(), bytes, offset, length })
}

/// Puts pieces of an answer one after the other into a buffer of the right size.
pub(crate) struct Filler<'a> {
    out: &'a mut [u8],
    filled: usize,
}

impl<'a> Filler<'a> {
    pub(crate) fn new(out: &'a mut [u8]) -> Self {
        Self { out, filled: 0 }
    }

    /// Fails where the server sends more than was asked for: then it is not the part that was.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Result<(), Failure> {
        let end = self.filled + piece.len();
        let Some(place) = self.out.get_mut(self.filled..end) else {
            return Err(Failure::WholeFile);
        };
        place.copy_from_slice(piece);
        self.filled = end;
        Ok(())
    }

    pub(crate) fn finish(self) -> Result<(), Failure> {
        let (found, expected) = (self.filled as u64, self.out.len() as u64);
        if found == expected { Ok(()) } else { Err(Failure::Short { found, expected }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_limit_and_are_always_the_same() {
        let config = RemoteConfig { delay: Duration::from_secs(4), ..RemoteConfig::default() };
        let network = Network::new(Scheme::S3, &config).unwrap();
        let waits: Vec<_> = (1..=40).map(|attempts| network.wait(attempts).as_secs()).collect();
        assert_eq!(waits[..5], [4, 8, 16, 30, 30]);
        assert_eq!(waits[39], 30);
    }

    #[test]
    fn ranges_end_with_the_file() {
        let path = Path::new("s3://b/a");
        assert!(check_range(path, 10, 4, 6).is_ok());
        let message = check_range(path, 10, 4, 7).unwrap_err().to_string();
        let expected = "s3://b/a has 10 bytes, but 7 were asked for from byte 4 on; it was truncated or replaced, so restore it";
        assert_eq!(message, expected);
        assert!(check_range(path, 10, u64::MAX, 2).is_err());
    }
}
