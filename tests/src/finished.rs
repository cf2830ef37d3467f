use std::process::{Command, ExitStatus};

/// How a command ended and what it printed.
#[derive(Debug)]
pub struct Finished {
    /// Its end.
    pub status: ExitStatus,
    /// Results.
    pub stdout: String,
    /// Progress, remarks and errors.
    pub stderr: String,
}

/// Lines of a terminal's screen.
const SCREEN: usize = 24;

impl Finished {
    /// Runs `command` to its end.
    pub fn of(mut command: Command) -> Self {
        let output = command.output().expect("the command starts");
        Self {
            status: output.status,
            stdout: String::from_utf8(output.stdout).expect("UTF-8 on stdout"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8 on stderr"),
        }
    }

    /// What it printed to stdout.
    pub fn ok(self) -> String {
        assert!(self.status.success(), "{}\n{}{}", self.status, self.stdout, self.stderr);
        self.stdout
    }

    /// The error message of a command that failed as it should: exit code 1 or 2, nothing on stdout,
    /// a message on stderr that begins with `error: ` and fits a screen.
    pub fn error(self) -> String {
        let all = format!("{}\n{}{}", self.status, self.stdout, self.stderr);
        assert!(matches!(self.status.code(), Some(1 | 2)), "{all}");
        assert_eq!(self.stdout, "", "{all}");
        assert!(!self.stderr.contains("unexpectedly"), "{all}");
        let at = self.stderr.find("error: ").unwrap_or_else(|| panic!("no message: {all}"));
        assert!(self.stderr.lines().count() <= SCREEN, "{all}");
        let (begin, last) = self.stderr.trim_end().rsplit_once(": ").unwrap_or_default();
        assert!(!begin.contains(last) || last.is_empty(), "said twice: {all}");
        self.stderr[at..].to_owned()
    }

    /// [`error`](Self::error), in which each of `parts` is to be found.
    pub fn error_with(self, parts: &[&str]) -> String {
        let message = self.error();
        for part in parts {
            assert!(message.contains(part), "`{part}` is missing in: {message}");
        }
        message
    }
}
