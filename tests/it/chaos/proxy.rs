//! A wire between two ends that can be cut, held up and slowed down.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, split};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::support::secure::AnyStream;

/// How a wire behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// All passes.
    Forward,
    /// Every connection is closed, and so is every new one.
    Cut,
    /// Connections stay open and new ones are taken, and nothing passes, not even an end.
    Stall,
    /// All passes, each portion so much later.
    Delay(Duration),
}

/// Where a wire leads.
#[derive(Clone, Debug)]
pub(crate) enum Upstream {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

#[derive(Clone)]
struct State {
    mode: Mode,
    upstream: Option<Upstream>,
    /// How often all connections were broken.
    breaks: u64,
}

/// A port of this host, and where it leads. It ends with all its connections when dropped.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    state: watch::Sender<State>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// On a free port; leads nowhere where there is no upstream yet.
    pub(crate) async fn start(upstream: Option<Upstream>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (state, watched) = watch::channel(State { mode: Mode::Forward, upstream, breaks: 0 });
        let accepting = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tokio::spawn(carry(near, watched.clone()));
            }
        });
        Self { address, state, accepting }
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.state.send_modify(|state| state.mode = mode);
    }

    /// Leads somewhere else, for connections that come from now on.
    pub(crate) fn lead(&self, upstream: Option<Upstream>) {
        self.state.send_modify(|state| state.upstream = upstream);
    }

    /// Breaks every connection that is there now.
    pub(crate) fn break_all(&self) {
        self.state.send_modify(|state| state.breaks += 1);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// One connection, until it ends or is broken.
async fn carry(near: TcpStream, state: watch::Receiver<State>) {
    let (born, mut watched) = (state.borrow().breaks, state.clone());
    tokio::select! {
        _ = watched.wait_for(|state| state.mode == Mode::Cut || state.breaks != born) => {}
        () = connected(near, state) => {}
    }
}

async fn connected(near: TcpStream, mut state: watch::Receiver<State>) {
    if !moving(&mut state).await {
        return;
    }
    let upstream = state.borrow().upstream.clone();
    let far: AnyStream = match upstream {
        Some(Upstream::Tcp(address)) => match TcpStream::connect(address).await {
            Ok(far) if far.set_nodelay(true).is_ok() => Box::new(far),
            _ => return,
        },
        Some(Upstream::Unix(path)) => match UnixStream::connect(path).await {
            Ok(far) => Box::new(far),
            Err(_) => return,
        },
        None => return,
    };
    let _ = near.set_nodelay(true);
    let (near_reads, near_writes) = split(near);
    let (far_reads, far_writes) = split(far);
    tokio::select! {
        () = pass(near_reads, far_writes, state.clone()) => {}
        () = pass(far_reads, near_writes, state) => {}
    }
}

/// One direction, until its end.
async fn pass(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, mut state: watch::Receiver<State>) {
    let mut portion = vec![0; 16 * 1024];
    loop {
        let length = from.read(&mut portion).await.unwrap_or(0);
        if !moving(&mut state).await {
            return;
        }
        let mode = state.borrow().mode;
        if let Mode::Delay(time) = mode {
            tokio::time::sleep(time).await;
        }
        if length == 0 || to.write_all(&portion[..length]).await.is_err() || to.flush().await.is_err() {
            return;
        }
    }
}

/// Waits for as long as the wire is held up; false when there is no wire any more.
async fn moving(state: &mut watch::Receiver<State>) -> bool {
    state.wait_for(|state| state.mode != Mode::Stall).await.is_ok()
}

mod tests {
    use super::*;

    /// Answers whatever comes with itself.
    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut reads, mut writes) = split(stream);
                    tokio::io::copy(&mut reads, &mut writes).await
                });
            }
        });
        address
    }

    async fn echoed(stream: &mut TcpStream, byte: u8, within: Duration) -> Option<u8> {
        stream.write_all(&[byte]).await.ok()?;
        tokio::time::timeout(within, stream.read_u8()).await.ok()?.ok()
    }

    const LONG: Duration = Duration::from_secs(20);
    const SHORT: Duration = Duration::from_millis(150);

    #[tokio::test]
    async fn a_wire_that_is_held_up_loses_nothing_and_goes_on() {
        let proxy = Proxy::start(Some(Upstream::Tcp(echo().await))).await;
        let mut stream = TcpStream::connect(proxy.address).await.unwrap();
        assert_eq!(echoed(&mut stream, 1, LONG).await, Some(1));
        proxy.set(Mode::Stall);
        assert_eq!(echoed(&mut stream, 2, SHORT).await, None);
        proxy.set(Mode::Delay(SHORT));
        let started = std::time::Instant::now();
        assert_eq!(stream.read_u8().await.unwrap(), 2);
        assert!(started.elapsed() >= SHORT);
    }

    #[tokio::test]
    async fn a_wire_that_is_cut_closes_what_was_open_and_what_comes() {
        let proxy = Proxy::start(Some(Upstream::Tcp(echo().await))).await;
        let mut stream = TcpStream::connect(proxy.address).await.unwrap();
        assert_eq!(echoed(&mut stream, 1, LONG).await, Some(1));
        proxy.set(Mode::Cut);
        assert_eq!(echoed(&mut stream, 2, LONG).await, None);
        let mut late = TcpStream::connect(proxy.address).await.unwrap();
        assert_eq!(echoed(&mut late, 3, LONG).await, None);
        proxy.set(Mode::Forward);
        let mut again = TcpStream::connect(proxy.address).await.unwrap();
        assert_eq!(echoed(&mut again, 4, LONG).await, Some(4));
        proxy.break_all();
        assert_eq!(echoed(&mut again, 5, LONG).await, None);
    }
}
