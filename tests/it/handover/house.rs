//! A server whose program can be exchanged, and the supervisor that hears of it.

use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::sync::Arc;

use parking_lot::Mutex;
use sarangbang::chat::{Entry, RoomId};
use tempfile::TempDir;

use crate::support::{Server, ServerBuilder, eventually};

/// The program that is to take over.
#[derive(Debug)]
pub(super) enum Heir {
    /// The one that runs.
    Same,
    /// A shell script of this text.
    Script(&'static str),
    /// There is none.
    Missing,
}

/// A server that was started by a link. Whoever took over from it is killed with it.
pub(super) struct House {
    pub(super) server: Server,
    folder: TempDir,
    failures: Mutex<usize>,
}

impl House {
    pub(super) async fn start(server: ServerBuilder) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("sarangbang");
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_sarangbang"), &program).unwrap();
        Self { server: server.program(&program).start().await, folder, failures: Mutex::default() }
    }

    pub(super) fn program(&self) -> PathBuf {
        self.folder.path().join("sarangbang")
    }

    /// Puts another program in the place of the one that was started.
    pub(super) fn put(&self, heir: Heir) {
        let next = self.folder.path().join("next");
        match heir {
            Heir::Same => std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_sarangbang"), &next).unwrap(),
            Heir::Script(text) => {
                std::fs::write(&next, format!("#!/bin/bash\n{text}\n")).unwrap();
                std::fs::set_permissions(&next, std::fs::Permissions::from_mode(0o755)).unwrap();
            }
            Heir::Missing => return std::fs::remove_file(self.program()).unwrap(),
        }
        std::fs::rename(next, self.program()).unwrap();
    }

    /// The process that serves.
    pub(super) fn holder(&self) -> u32 {
        let pid = std::fs::read_to_string(self.server.data().join("serve.lock")).unwrap_or_default();
        pid.trim().parse().unwrap_or(0)
    }

    /// Has the process that serves hand over; returns once another one serves.
    pub(super) async fn hand_over(&mut self) {
        let (before, served) = (self.holder(), self.count("another process serves now"));
        assert!(Command::new("kill").args(["-USR2", &before.to_string()]).status().unwrap().success());
        eventually("another process serves", || async {
            self.count("another process serves now") > served && ![0, before].contains(&self.holder())
        })
        .await;
    }

    /// Waits until one more handover has failed, for this reason.
    pub(super) async fn failed(&self, cause: &str) {
        let before = *self.failures.lock();
        let what = "the handover did not come about";
        eventually("the handover has failed", || async { self.count(what) > before }).await;
        *self.failures.lock() = before + 1;
        let log = self.server.log();
        let line = log.lines().rfind(|line| line.contains(what)).unwrap();
        assert!(line.contains(cause), "{cause:?} is not in {line}");
    }

    fn count(&self, words: &str) -> usize {
        self.server.log().matches(words).count()
    }

    /// How the first process has ended.
    pub(super) async fn first_has_ended(&mut self) -> ExitStatus {
        self.server.ended().await
    }

    /// Everything in a room.
    pub(super) async fn log_of(&self, room: RoomId) -> Vec<Arc<Entry>> {
        self.server.store().read(room, 0, usize::MAX >> 1, usize::MAX >> 1).await.unwrap().entries
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let (log, data) = (self.server.log(), self.server.data());
        let started = log.lines().filter(|line| line.contains("started the program that is to take over"));
        for pid in started.filter_map(|line| line.split("pid=").nth(1)?.split_whitespace().next()) {
            // Only one of this test's own: it was started with this data folder.
            let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            if String::from_utf8_lossy(&command).contains(&*data.to_string_lossy()) {
                let _ = Command::new("kill").args(["-9", pid]).status();
            }
        }
    }
}

/// What stands in for systemd: a socket, and what was said there, by whom.
pub(super) struct Systemd {
    folder: TempDir,
    told: Arc<Mutex<Vec<(u32, String)>>>,
}

impl Systemd {
    pub(super) fn listen() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        rustix::net::sockopt::set_socket_passcred(&socket, true).unwrap();
        let told = Arc::<Mutex<Vec<_>>>::default();
        let heard = Arc::clone(&told);
        std::thread::spawn(move || listen(&OwnedFd::from(socket), &heard));
        Self { folder, told }
    }

    pub(super) fn path(&self) -> String {
        self.folder.path().join("notify").to_str().unwrap().to_owned()
    }

    /// Lines with the process that said them.
    pub(super) fn told(&self) -> Vec<(u32, String)> {
        self.told.lock().clone()
    }

    pub(super) async fn until(&self, is_so: impl Fn(&[(u32, String)]) -> bool) {
        eventually("systemd was told", || async { is_so(&self.told.lock()) }).await;
    }
}

impl Drop for Systemd {
    /// An empty message ends the thread.
    fn drop(&mut self) {
        let _ = UnixDatagram::unbound().unwrap().send_to(b"", self.path());
    }
}

fn listen(socket: &OwnedFd, heard: &Mutex<Vec<(u32, String)>>) {
    use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
    loop {
        let mut bytes = [0; 4096];
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [std::io::IoSliceMut::new(&mut bytes)];
        let received = recvmsg(socket, &mut parts, &mut control, RecvFlags::empty()).unwrap();
        if received.bytes == 0 {
            return;
        }
        let mut pid = 0;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmCredentials(who) = message {
                pid = who.pid.as_raw_nonzero().get().unsigned_abs();
            }
        }
        let text = String::from_utf8_lossy(&bytes[..received.bytes]).into_owned();
        heard.lock().extend(text.lines().map(|line| (pid, line.to_owned())));
    }
}
