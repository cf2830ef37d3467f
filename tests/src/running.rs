use std::fs;
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;

use crate::Finished;

/// Longest time that anything in a test is waited for.
const PATIENCE: Duration = Duration::from_mins(4);

/// A command at work; it is killed where the test ends before it does.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: NamedTempFile,
    stderr: NamedTempFile,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        // Files never fill up as pipes do that nobody reads.
        let file = || NamedTempFile::new().expect("a temporary file");
        let (stdout, stderr) = (file(), file());
        let handle = |file: &NamedTempFile| file.reopen().expect("a second handle");
        command.stdout(handle(&stdout)).stderr(handle(&stderr));
        Self { child: command.spawn().expect("the command starts"), stdout, stderr }
    }

    /// Waits until `condition` holds; false where the command ended before.
    pub fn wait_until(&mut self, condition: impl Fn() -> bool) -> bool {
        let begin = Instant::now();
        while !condition() {
            if self.has_ended() {
                return condition();
            }
            assert!(begin.elapsed() < PATIENCE, "the command neither got there nor ended");
            sleep(Duration::from_millis(1));
        }
        true
    }

    /// Waits until the command has written `words` to stderr; false where it ended without.
    pub fn wait_until_it_says(&mut self, words: &str) -> bool {
        let path = self.stderr.path().to_owned();
        self.wait_until(|| fs::read_to_string(&path).is_ok_and(|text| text.contains(words)))
    }

    /// Ends the process at once, as a power cut would (`kill -9`).
    pub fn kill(mut self) {
        self.child.kill().expect("the child can be killed");
        self.child.wait().expect("a child's status");
    }

    /// Waits until the command has said to the system that it wants to know of Ctrl-C.
    pub fn wait_until_it_listens(&mut self) -> bool {
        let status = format!("/proc/{}/status", self.child.id());
        self.wait_until(|| {
            let text = fs::read_to_string(&status).unwrap_or_default();
            let caught = text.lines().find_map(|line| line.strip_prefix("SigCgt:"));
            let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
            caught.is_some_and(|mask| mask >> 1 & 1 == 1) // SIGINT is signal 2
        })
    }

    /// Presses Ctrl-C and waits for the end.
    pub fn interrupt(self) -> Finished {
        self.signal("INT")
    }

    /// Sends a signal, such as `TERM`, and waits for the end.
    pub fn signal(self, name: &str) -> Finished {
        let kill = format!("kill -{name} {}", self.child.id());
        let sent = Command::new("sh").args(["-c", &kill]).status().expect("a shell");
        assert!(sent.success(), "{kill} failed");
        self.finish()
    }

    /// Waits for the end.
    pub fn finish(mut self) -> Finished {
        self.wait_until(|| false);
        let status = self.child.wait().expect("a child's status");
        Finished { status, stdout: text(&self.stdout), stderr: text(&self.stderr) }
    }

    /// Waits for the end; returns the most memory the process held, in KiB, with how it ended.
    pub fn peak_memory_kib(mut self) -> (u64, Finished) {
        let status = format!("/proc/{}/status", self.child.id());
        let mut peak = 0;
        // The system keeps the peak so far: only growth after the last look is missed.
        while !self.has_ended() {
            let text = fs::read_to_string(&status).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
            peak = kib.unwrap_or(0).max(peak);
            sleep(Duration::from_millis(5));
        }
        assert!(peak > 0, "{status} did not tell the memory of the process");
        (peak, self.finish())
    }

    fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child's status").is_some()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn text(file: &NamedTempFile) -> String {
    fs::read_to_string(file).expect("UTF-8 from the command")
}
