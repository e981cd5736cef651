//! What systemd is told of this service (`sd_notify(3)`, Type=notify): one datagram of lines to the socket that the
//! variable `NOTIFY_SOCKET` names. Without it, nobody is told anything.
//!
//! Invariant: what is told is true when it is told; a supervisor that does not listen is no reason to fail.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Says it, for example `READY=1`; several lines at once are one message.
pub fn notify(lines: &str) {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let address = match path.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(&path),
    };
    let told = address.and_then(|address| {
        let socket = UnixDatagram::unbound()?;
        // One that is full is systemd's that hangs: this service does not hang with it.
        socket.set_nonblocking(true)?;
        socket.send_to_addr(lines.as_bytes(), &address)
    });
    if let Err(error) = told {
        tracing::warn!(%error, "systemd cannot be told how the service is (NOTIFY_SOCKET)");
    }
}

/// Says that the configuration is being read anew, or another process is taking over; `READY=1` ends it.
pub fn notify_reloading() {
    let now = clock_gettime(ClockId::Monotonic);
    let micros = i128::from(now.tv_sec) * 1_000_000 + i128::from(now.tv_nsec) / 1_000;
    notify(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
}

/// How often a sign of life is waited for (`sd_watchdog_enabled(3)`), if one is by this process. Who took over from the
/// process that systemd started is waited for in its place.
pub fn watchdog(has_taken_over: bool) -> Option<Duration> {
    let number = |name| std::env::var(name).ok()?.parse::<u64>().ok();
    let is_meant = has_taken_over || number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
    number("WATCHDOG_USEC").filter(|micros| is_meant && *micros > 0).map(Duration::from_micros)
}
