//! Processes of a run's own: they end with it, however it ends.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::PATIENCE;

/// One process; killed when dropped, and by the kernel when the thread that started it ends: so start it on one that
/// lasts as long as the test.
pub(crate) struct Process {
    child: Child,
}

impl Process {
    /// Starts a program; what it says on stderr is added to the file.
    pub(crate) fn start<A: AsRef<OsStr>>(
        program: &str,
        arguments: impl IntoIterator<Item = A>,
        environment: &[(String, String)],
        log: &Path,
    ) -> Self {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--", program])
            .args(arguments)
            .current_dir(std::env::temp_dir())
            .envs(environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("setpriv (package util-linux) does not start: {error}"));
        Self { child }
    }

    /// What it says on stdout; once.
    pub(crate) fn output(&mut self) -> ChildStdout {
        self.child.stdout.take().unwrap()
    }

    /// SIGKILL, also where it is stopped.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends a signal; one that has ended already does not mind.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        let _ = kill_process(pid, signal);
    }

    /// Waits for its end; false where it took longer than anything may and was killed.
    pub(crate) async fn ended(&mut self) -> bool {
        let asked = Instant::now();
        while asked.elapsed() < PATIENCE {
            if self.child.try_wait().unwrap().is_some() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.kill();
        false
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
