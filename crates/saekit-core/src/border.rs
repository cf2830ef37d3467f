//! The border to libraries that assert what a file says.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};

thread_local! {
    /// How many calls of [`caught`] this thread is in.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// Runs `work`, which reads a file through a library that may panic on a damaged one.
///
/// Returns the message of a panic as the error, for the caller to add the file's name. A panic hook
/// that asks [`is_caught`] prints nothing. Whatever `work` was changing must not be used after an
/// error.
pub fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    let _guard = Guard::new();
    panic::catch_unwind(AssertUnwindSafe(work)).map_err(|payload| message(&*payload))
}

/// Whether a panic of this thread, now, is returned by [`caught`] as an error.
pub fn is_caught() -> bool {
    DEPTH.get() > 0
}

/// Counts a call of [`caught`], however it ends.
struct Guard;

impl Guard {
    fn new() -> Self {
        DEPTH.set(DEPTH.get() + 1);
        Self
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
    }
}

/// The first line of a panic's message.
fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    text.and_then(|text| text.lines().next()).unwrap_or("its reader gave up").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_and_nothing_else_is() {
        assert_eq!(caught(|| 5), Ok(5));
        let found = caught(|| {
            assert!(is_caught());
            panic!("{} is odd\nand more", 3)
        });
        assert_eq!(found, Err::<(), _>("3 is odd".to_owned()));
        assert!(!is_caught());
    }
}
