//! The signals that are listened to.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What somebody wants of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// SIGTERM, SIGINT.
    Stop,
    /// SIGHUP: look at the certificate again.
    Reload,
    /// SIGUSR2: hand over to the program that stands at this one's path.
    HandOver,
}

pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    hand_over: Signal,
}

impl Signals {
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            hand_over: signal(SignalKind::user_defined2())?,
        })
    }

    /// Waits for the next.
    pub(super) async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.interrupt.recv() => Asked::Stop,
            _ = self.hang_up.recv() => Asked::Reload,
            _ = self.hand_over.recv() => Asked::HandOver,
        }
    }

    /// Waits for one to stop; whatever else is asked comes too late.
    pub(super) async fn stop(&mut self) {
        while self.next().await != Asked::Stop {
            tracing::warn!("this process is on its way out: the signal is not heeded");
        }
    }

    /// Does something during which nothing but a stop is heeded; `None` where one was asked for.
    pub(super) async fn while_busy<T>(&mut self, busy: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(busy);
        loop {
            tokio::select! {
                done = &mut busy => return Some(done),
                asked = self.next() => match asked {
                    Asked::Stop => return None,
                    Asked::Reload => tracing::warn!("SIGHUP is not heeded: the next process reads all of it anyway"),
                    Asked::HandOver => tracing::warn!("SIGUSR2 is not heeded: a handover is under way"),
                },
            }
        }
    }
}
