/// Somebody who watches long work: a progress bar, a log, a test.
///
/// Every method has an empty body; implement what you show.
pub trait Observer {
    /// A phase begins: `total` units of `unit` are to come, where that is known.
    fn begin(&mut self, _phase: &str, _total: Option<u64>, _unit: &str) {}

    /// `done` units of the phase are done; `note` says what else is worth showing.
    fn advance(&mut self, _done: u64, _note: &str) {}

    /// The phase is over.
    fn end(&mut self) {}

    /// A line that the user may want to read, such as what is about to be done.
    fn say(&mut self, _line: &str) {}

    /// Something the user should read even though the work goes on.
    fn warn(&mut self, _message: &str) {}
}

/// An [`Observer`] that shows nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {}
