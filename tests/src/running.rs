use std::fs::{self, File};
use std::io::{Read as _, Seek as _};
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::Finished;

/// Longest time that anything in a test is waited for.
const PATIENCE: Duration = Duration::from_mins(4);

/// A command at work; it is killed where the test ends before it does.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: File,
    stderr: File,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        // Files never fill up as pipes do that nobody reads.
        let file = || tempfile::tempfile().expect("a temporary file");
        let (stdout, stderr) = (file(), file());
        let share = |file: &File| file.try_clone().expect("a second handle");
        command.stdout(share(&stdout)).stderr(share(&stderr));
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

    /// Ends the process at once, as a power cut would (`kill -9`).
    pub fn kill(mut self) {
        self.child.kill().expect("the child can be killed");
        self.child.wait().expect("a child's status");
    }

    /// Presses Ctrl-C and waits for the end.
    pub fn interrupt(self) -> Finished {
        let kill = format!("kill -INT {}", self.child.id());
        let sent = Command::new("sh").args(["-c", &kill]).status().expect("a shell");
        assert!(sent.success(), "{kill} failed");
        self.finish()
    }

    /// Waits for the end.
    pub fn finish(mut self) -> Finished {
        self.wait_until(|| false);
        let status = self.child.wait().expect("a child's status");
        Finished { status, stdout: text(&mut self.stdout), stderr: text(&mut self.stderr) }
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

fn text(file: &mut File) -> String {
    let mut text = String::new();
    file.rewind().expect("a file that can be read again");
    file.read_to_string(&mut text).expect("UTF-8 from the command");
    text
}
