//! The process that takes over from this one, and the few words between the two.
//!
//! The older one starts the program that now stands at its own path, with one end of a pair of sockets as its standard
//! input. By it go the listening sockets (`SCM_RIGHTS`, `unix(7)`: no number of a file has to be agreed on, and nothing is
//! inherited by accident), and then lines:
//!
//! | who | says | what it means |
//! |---|---|---|
//! | older | `sockets NAME...` | with the sockets, in this order |
//! | younger | `ready VERSION` | everything that can fail before it serves has been tried |
//! | older | `yours MILLIS` | nothing is written here any more; people are held for so long |
//! | younger | `serving` | the store is open, and whoever comes is answered |
//! | older | `main` | the supervisor knows: the younger is the service now |
//! | younger | `failed WHY` | in place of `ready` or `serving`; it ends |
//!
//! Whoever's end is closed has ended. Invariant: a younger process that was not told `yours` touches nothing.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};
use rustix::process::{Pid, Signal, getppid, kill_process};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

/// Says to a process whose parent this is that it is to take over. Not a key of the configuration.
const VARIABLE: &str = "TAKES_OVER_FROM";
/// What says to this process alone what the supervisor wants of it.
const OF_THIS_PROCESS: &[&str] = &["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "LISTEN_PIDFDID", "WATCHDOG_PID"];
/// Listening sockets that are handed over at most.
const SOCKETS_MAX: usize = 8;
/// Characters of a line; a cause is cut off.
const LINE_CHARS_MAX: usize = 2_000;

/// Listening sockets by what they are for.
#[derive(Debug, Default)]
pub struct Handed {
    /// In place of the key `listen`.
    pub main: Option<TcpListener>,
    /// In place of the key `tls.redirect_listen`.
    pub redirect: Option<TcpListener>,
    /// In place of the key `operator.listen`.
    pub operator: Option<TcpListener>,
}

impl Handed {
    fn place(&mut self, name: &str) -> Option<&mut Option<TcpListener>> {
        match name {
            "main" => Some(&mut self.main),
            "redirect" => Some(&mut self.redirect),
            "operator" => Some(&mut self.operator),
            _ => None,
        }
    }
}

/// The lines in both directions.
#[derive(Debug)]
struct Line {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
}

impl Line {
    fn over(socket: StdUnixStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let (reader, writer) = UnixStream::from_std(socket)?.into_split();
        Ok(Self { reader: BufReader::new(reader), writer })
    }

    /// The next line; `None` when the other end was closed.
    async fn next(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.reader.read_line(&mut line).await;
        (read.is_ok_and(|bytes| bytes > 0) && line.ends_with('\n')).then(|| line.trim_end().to_owned())
    }

    async fn say(&mut self, line: &str) -> io::Result<()> {
        let line: String = line.replace(['\n', '\r'], " ").chars().take(LINE_CHARS_MAX).collect();
        self.writer.write_all(format!("{line}\n").as_bytes()).await
    }
}

/// The younger process, as the older one sees it. Killed when dropped, unless it was let live.
#[derive(Debug)]
pub struct Heir {
    process: Child,
    line: Line,
    is_free: bool,
}

/// What the younger process said last.
#[derive(Debug, PartialEq, Eq)]
pub enum Said {
    /// It could take over, and this is its version.
    Ready(String),
    /// It serves.
    Serving,
}

impl Heir {
    /// Starts the program that stands at this process's own path now, as this one was started. Needs a tokio runtime.
    ///
    /// # Errors
    /// When it cannot be started; the message names the path.
    pub fn start(sockets: &[(&str, &TcpListener)]) -> anyhow::Result<Self> {
        let mut arguments = std::env::args_os();
        let program = arguments.next().context("this process does not know its own path")?;
        let (ours, theirs) = StdUnixStream::pair().context("no pair of sockets can be made")?;
        hand_over(&ours, sockets).context("the listening sockets cannot be handed over")?;
        let mut command = Command::new(&program);
        command.args(arguments).env(VARIABLE, std::process::id().to_string()).stdin(Stdio::from(OwnedFd::from(theirs)));
        for variable in OF_THIS_PROCESS {
            command.env_remove(variable);
        }
        let process = command.spawn().with_context(|| format!("{} cannot be started", program.to_string_lossy()))?;
        Ok(Self { process, line: Line::over(ours)?, is_free: false })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Waits for what it says next.
    ///
    /// # Errors
    /// Why it will not take over, in its own words if it has any.
    pub async fn said(&mut self) -> anyhow::Result<Said> {
        let Some(line) = self.line.next().await else {
            let how = self.ended().await.map_or_else(|| "it closed its standard input".into(), |s| s.to_string());
            bail!("the new process ended ({how}); what it said stands in this log");
        };
        match line.split_once(' ').unwrap_or((&line, "")) {
            ("ready", version) => Ok(Said::Ready(version.to_owned())),
            ("serving", _) => Ok(Said::Serving),
            ("failed", why) => bail!("the new process says: {why}"),
            _ => bail!("the new process says something that is not understood: {line}"),
        }
    }

    /// Says that it is its turn.
    ///
    /// # Errors
    /// When it has ended.
    pub async fn yours(&mut self, held: Duration) -> io::Result<()> {
        self.line.say(&format!("yours {}", held.as_millis())).await
    }

    /// Says that the supervisor has been told. It goes on by itself from here.
    pub async fn is_main(mut self) {
        self.is_free = true;
        // One that has ended by now is the supervisor's to start again.
        let _ = self.line.say("main").await;
    }

    /// Has it stop in order, as this process does.
    pub fn stop(mut self) {
        self.is_free = true;
        if let Some(pid) = Pid::from_raw(self.process.id().cast_signed()) {
            let _ = kill_process(pid, Signal::TERM);
        }
    }

    /// How it ended, if that is known within a moment of its last word.
    async fn ended(&mut self) -> Option<ExitStatus> {
        for _ in 0..50 {
            match self.process.try_wait() {
                Ok(None) => tokio::time::sleep(Duration::from_millis(10)).await,
                ended => return ended.ok().flatten(),
            }
        }
        None
    }
}

impl Drop for Heir {
    /// It must have let go of everything when this process goes on.
    fn drop(&mut self) {
        if !self.is_free {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}

/// The older process, as the younger one sees it.
#[derive(Debug)]
pub struct Elder {
    line: Line,
}

impl Elder {
    /// The process that wants this one to take over, with its sockets; `None` where this one was started as any other.
    /// Needs a tokio runtime.
    ///
    /// # Errors
    /// When what it hands over cannot be received.
    pub fn find() -> anyhow::Result<Option<(Self, Handed)>> {
        let parent = getppid().map(|pid| pid.as_raw_nonzero().get().to_string());
        if parent.is_none() || std::env::var(VARIABLE).ok() != parent {
            return Ok(None);
        }
        let socket = io::stdin().as_fd().try_clone_to_owned().map(StdUnixStream::from);
        let socket = socket.context("the standard input, by which the process before speaks, cannot be used")?;
        let handed = take_over(&socket).context("the listening sockets cannot be taken over")?;
        Ok(Some((Self { line: Line::over(socket)? }, handed)))
    }

    /// Says that this process could take over, and waits until it may; answers for how long the older one holds its
    /// people.
    ///
    /// # Errors
    /// When the older one does not want it any more, or has ended: then nothing may be touched.
    pub async fn ready(&mut self, version: &str) -> anyhow::Result<Duration> {
        self.line.say(&format!("ready {version}")).await?;
        let line = self.line.next().await.unwrap_or_default();
        let millis = line.strip_prefix("yours ").and_then(|millis| millis.parse().ok());
        millis.map(Duration::from_millis).context("the process that was to hand over goes on by itself, or has ended")
    }

    /// Says that this process serves, and waits until it is the service; one that has ended says no more.
    pub async fn serving(&mut self) {
        if self.line.say("serving").await.is_ok() {
            let _ = self.line.next().await;
        }
    }

    /// Says why this process cannot take over.
    pub async fn failed(&mut self, why: &str) {
        let _ = self.line.say(&format!("failed {why}")).await;
    }
}

/// The first line, with the sockets beside it.
fn hand_over(socket: &StdUnixStream, sockets: &[(&str, &TcpListener)]) -> io::Result<()> {
    let names: Vec<&str> = sockets.iter().map(|(name, _)| *name).collect();
    let line = format!("sockets {}\n", names.join(" "));
    let fds: Vec<_> = sockets.iter().map(|(_, listener)| listener.as_fd()).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS_MAX))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(&fds)) {
        return Err(io::Error::other("too many sockets"));
    }
    sendmsg(socket, &[IoSlice::new(line.as_bytes())], &mut control, SendFlags::empty())?;
    Ok(())
}

/// The same at the other end. Nothing more is said before an answer, so one message holds the whole line.
fn take_over(socket: &StdUnixStream) -> anyhow::Result<Handed> {
    let (mut bytes, mut fds) = ([0; 256], Vec::new());
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(SOCKETS_MAX))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            fds.extend(rights);
        }
    }
    let line = String::from_utf8_lossy(bytes.get(..received.bytes).unwrap_or_default()).into_owned();
    let names = line.strip_prefix("sockets ").and_then(|line| line.strip_suffix('\n')).context("no sockets came")?;
    let mut handed = Handed::default();
    for (name, fd) in names.split(' ').zip(fds) {
        // A socket that this version knows no use for is closed.
        if let Some(place) = handed.place(name) {
            *place = Some(TcpListener::from(fd));
        }
    }
    Ok(handed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_arrive_by_their_names_and_are_the_same() {
        let (ours, theirs) = StdUnixStream::pair().unwrap();
        let [main, operator] = [0; 2].map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
        hand_over(&ours, &[("operator", &operator), ("later", &main), ("main", &main)]).unwrap();
        let handed = take_over(&theirs).unwrap();
        let address = |socket: Option<TcpListener>| socket.unwrap().local_addr().unwrap();
        assert_eq!(address(handed.main), main.local_addr().unwrap());
        assert_eq!(address(handed.operator), operator.local_addr().unwrap());
        assert!(handed.redirect.is_none());
    }

    #[tokio::test]
    async fn a_cause_of_several_lines_is_one_line() {
        let (ours, theirs) = StdUnixStream::pair().unwrap();
        let (mut ours, mut theirs) = (Line::over(ours).unwrap(), Line::over(theirs).unwrap());
        ours.say("failed a\nb").await.unwrap();
        assert_eq!(theirs.next().await.as_deref(), Some("failed a b"));
        drop(ours);
        assert_eq!(theirs.next().await, None, "who has ended says nothing");
    }
}
