//! A crowd of clients on one thread: sockets that never block, one buffer to read into, no task and no allocation for
//! a delivery.
//!
//! A verb opens clients, lets the crowd [`turn`](Crowd::turn), and looks into its [`Book`] at what has come. Opening
//! goes by itself from the TCP connection to the receipt of SUBSCRIBE.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::check::Checker;
use super::link::{Link, Tls};
use super::wire::{self, Start};

/// Bytes that are read at once: what a client is sent at once has to fit, and the L2 cache has to hold it.
const SCRATCH_BYTES: usize = 256 * 1024;
/// Sockets that one turn looks at.
const EVENTS_MAX: usize = 1_024;
/// Clients that are on their way in at once.
const OPENING_MAX: usize = 256;

/// Where somebody of the crowd goes in.
#[derive(Clone)]
pub(super) struct Door {
    pub(super) address: SocketAddr,
    /// `host:port` as the request names it.
    pub(super) host: String,
    pub(super) path: String,
    pub(super) tls: Option<Tls>,
}

/// What a client does once it is connected.
#[derive(Clone)]
pub(super) struct Plan {
    /// The number of the door.
    pub(super) door: usize,
    pub(super) token: Rc<str>,
    /// The room to subscribe to, by its number and its id; publishers have none.
    pub(super) room: Option<(usize, Rc<str>)>,
    pub(super) from: Start,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Connecting,
    Upgrading,
    SigningIn,
    Entering,
    Ready,
    Leaving,
    Closing,
}

struct Client {
    link: Link,
    stage: Stage,
    rest: Vec<u8>,
    out: Vec<u8>,
    plan: Plan,
}

/// What has come, and what was wrong with it.
pub(super) struct Book {
    pub(super) checker: Checker,
    /// Clients that became ready since a verb last looked: connected, signed in and, by plan, subscribed.
    pub(super) ready: Vec<usize>,
    /// Clients that have left in good order since a verb last looked.
    pub(super) left: Vec<usize>,
}

/// The clients.
pub(super) struct Crowd {
    poll: Poll,
    events: Events,
    touched: Vec<(usize, bool)>,
    clients: Vec<Option<Client>>,
    waiting: VecDeque<(usize, Plan)>,
    opening: usize,
    scratch: Vec<u8>,
    doors: Vec<Door>,
    key: u32,
    /// Time in turns that could not wait and found nothing: no work, though it is CPU time.
    pub(super) spun: Duration,
}

impl Crowd {
    pub(super) fn new(doors: Vec<Door>) -> io::Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            events: Events::with_capacity(EVENTS_MAX),
            touched: Vec::with_capacity(EVENTS_MAX),
            clients: Vec::new(),
            waiting: VecDeque::new(),
            opening: 0,
            scratch: vec![0; SCRATCH_BYTES],
            doors,
            key: 0x5bd1_e995,
            spun: Duration::ZERO,
        })
    }

    /// Opens a client in a place; at most [`OPENING_MAX`] are on their way at once, the others wait for their turn.
    pub(super) fn open(&mut self, who: usize, plan: Plan) {
        self.waiting.push_back((who, plan));
    }

    /// Cuts a client off, without a word.
    pub(super) fn cut(&mut self, who: usize) {
        if let Some(client) = self.clients.get_mut(who).and_then(Option::take)
            && client.stage < Stage::Ready
        {
            self.opening -= 1;
        }
    }

    /// Subscribes a client that is connected and has no room; it becomes ready once more.
    pub(super) fn enter(&mut self, who: usize, room: (usize, Rc<str>), book: &mut Book) {
        if let Some(Some(client)) = self.clients.get_mut(who) {
            let frame = wire::subscribe(&room.1, client.plan.from);
            client.plan.room = Some(room);
            client.stage = Stage::Entering;
            self.opening += 1;
            self.say(who, &frame, book);
        }
    }

    /// UNSUBSCRIBE, its receipt, then the WebSocket's close; the place turns up in [`Book::left`].
    pub(super) fn leave(&mut self, who: usize, book: &mut Book) {
        if let Some(Some(client)) = self.clients.get_mut(who) {
            client.stage = Stage::Leaving;
            self.say(who, &wire::unsubscribe(), book);
        }
    }

    /// Writes a STOMP frame as far as the socket takes it.
    pub(super) fn say(&mut self, who: usize, frame: &str, book: &mut Book) {
        self.queue(who, frame);
        self.flush(who, book);
    }

    /// Notes a STOMP frame to be written by the next [`flush`](Self::flush).
    pub(super) fn queue(&mut self, who: usize, frame: &str) {
        self.key = self.key.wrapping_mul(0x19_660d).wrapping_add(0x3c6e_f35f);
        if let Some(Some(client)) = self.clients.get_mut(who) {
            wire::masked(wire::TEXT, frame.as_bytes(), self.key.to_ne_bytes(), &mut client.out);
        }
    }

    pub(super) fn flush(&mut self, who: usize, book: &mut Book) {
        let Some(Some(client)) = self.clients.get_mut(who) else { return };
        if let Err(e) = client.link.write(&mut client.out) {
            self.ended(who, &format!("cannot be written to: {e}"), book);
        }
    }

    /// Handles what is there, and waits for something at most this long.
    pub(super) fn turn(&mut self, wait: Duration, book: &mut Book) -> anyhow::Result<()> {
        while self.opening < OPENING_MAX
            && let Some((who, plan)) = self.waiting.pop_front()
        {
            self.begin(who, plan)?;
        }
        let began = wait.is_zero().then(Instant::now);
        match self.poll.poll(&mut self.events, Some(wait)) {
            Err(e) if e.kind() == ErrorKind::Interrupted => return Ok(()),
            polled => polled?,
        }
        if let Some(began) = began
            && self.events.is_empty()
        {
            self.spun += began.elapsed();
        }
        let mut touched = std::mem::take(&mut self.touched);
        touched.extend(self.events.iter().map(|event| (event.token().0, event.is_writable())));
        for (who, writable) in touched.drain(..) {
            if writable {
                self.writable(who, book);
            }
            self.readable(who, book);
        }
        self.touched = touched;
        Ok(())
    }

    fn begin(&mut self, who: usize, plan: Plan) -> anyhow::Result<()> {
        let door = self.doors.get(plan.door).context("there is no such door")?;
        let mut stream =
            TcpStream::connect(door.address).with_context(|| format!("cannot connect to {}", door.address))?;
        self.poll.registry().register(&mut stream, Token(who), Interest::READABLE | Interest::WRITABLE)?;
        let link = Link::new(stream, door.tls.as_ref())?;
        if self.clients.len() <= who {
            self.clients.resize_with(who + 1, || None);
        }
        self.clients[who] = Some(Client { link, stage: Stage::Connecting, rest: Vec::new(), out: Vec::new(), plan });
        self.opening += 1;
        Ok(())
    }

    fn writable(&mut self, who: usize, book: &mut Book) {
        let Some(Some(client)) = self.clients.get_mut(who) else { return };
        if client.stage == Stage::Connecting {
            match client.link.stream().take_error() {
                Ok(None) => {}
                Ok(Some(e)) | Err(e) => return self.ended(who, &format!("cannot connect: {e}"), book),
            }
            let _ = client.link.stream().set_nodelay(true);
            client.stage = Stage::Upgrading;
            let door = &self.doors[client.plan.door];
            client.out.extend_from_slice(wire::upgrade(&door.host, &door.path).as_bytes());
        }
        self.flush(who, book);
    }

    fn readable(&mut self, who: usize, book: &mut Book) {
        let Some(Some(client)) = self.clients.get_mut(who) else { return };
        // What came with an upgrade in TLS's last flight has to go out before anything can come.
        if !client.out.is_empty() {
            self.flush(who, book);
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        if let Err(why) = self.read(who, &mut scratch, book) {
            self.ended(who, &why, book);
        }
        self.scratch = scratch;
    }

    fn read(&mut self, who: usize, scratch: &mut [u8], book: &mut Book) -> Result<(), String> {
        let Some(Some(client)) = self.clients.get_mut(who) else { return Ok(()) };
        let mut filled = client.rest.len();
        scratch[..filled].copy_from_slice(&client.rest);
        client.rest.clear();
        loop {
            let Some(Some(client)) = self.clients.get_mut(who) else { return Ok(()) };
            let space = scratch.len() - filled;
            if space == 0 {
                return Err("was sent a frame that is too large".into());
            }
            let count = match client.link.read(&mut scratch[filled..]) {
                Ok(0) => return Err("was closed".into()),
                Ok(count) => count,
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) => return Err(format!("was closed: {e}")),
            };
            // epoll(7): a stream that gave less than was asked for has no more, and the next bytes wake us.
            let drained = count < space && matches!(client.link, Link::Plain(_));
            filled += count;
            let used = self.handle(who, &scratch[..filled], book)?;
            scratch.copy_within(used..filled, 0);
            filled -= used;
            if drained {
                break;
            }
        }
        if let Some(Some(client)) = self.clients.get_mut(who) {
            client.rest.extend_from_slice(&scratch[..filled]);
            if !client.out.is_empty() {
                self.flush(who, book);
            }
        }
        Ok(())
    }

    /// Handles what has come as far as it is whole, and says how far.
    fn handle(&mut self, who: usize, buffer: &[u8], book: &mut Book) -> Result<usize, String> {
        let now = Instant::now();
        let mut used = 0;
        let stage = |crowd: &Self| crowd.clients.get(who).and_then(Option::as_ref).map(|client| client.stage);
        if stage(self) == Some(Stage::Upgrading) {
            let Some((end, status)) = wire::http_head(buffer) else { return Ok(0) };
            if status != b"101" {
                let answer = String::from_utf8_lossy(buffer).replace("\r\n", " | ");
                return Err(format!("was refused by HTTP: {answer}"));
            }
            used = end;
            self.upgraded(who);
        }
        while let Some(piece) = wire::cut(&buffer[used..])? {
            used += piece.whole.len();
            match piece.opcode {
                wire::PING => {
                    if let Some(Some(client)) = self.clients.get_mut(who) {
                        wire::masked(wire::PONG, piece.payload, [1, 2, 3, 4], &mut client.out);
                    }
                }
                wire::PONG => {}
                wire::CLOSE => return Err("was closed by the server".into()),
                _ if piece.payload.starts_with(b"MESSAGE\n") => {
                    book.checker.delivered(who, piece.whole, piece.payload, now);
                }
                _ => self.control(who, piece.payload, book)?,
            }
        }
        Ok(used)
    }

    fn upgraded(&mut self, who: usize) {
        let Some(Some(client)) = self.clients.get_mut(who) else { return };
        client.stage = Stage::SigningIn;
        let frame = wire::connect(&client.plan.token);
        self.queue(who, &frame);
    }

    /// A STOMP frame that is no MESSAGE.
    fn control(&mut self, who: usize, frame: &[u8], book: &mut Book) -> Result<(), String> {
        let Some(Some(client)) = self.clients.get_mut(who) else { return Ok(()) };
        match (wire::command(frame), client.stage) {
            // A heart-beat.
            (b"", _) => Ok(()),
            (b"CONNECTED", Stage::SigningIn) => {
                if let Some((_, room)) = &client.plan.room {
                    client.stage = Stage::Entering;
                    let frame = wire::subscribe(room, client.plan.from);
                    self.queue(who, &frame);
                } else {
                    client.stage = Stage::Ready;
                    self.opening -= 1;
                    book.ready.push(who);
                }
                Ok(())
            }
            (b"RECEIPT", Stage::Entering) => {
                client.stage = Stage::Ready;
                self.opening -= 1;
                book.ready.push(who);
                Ok(())
            }
            (b"RECEIPT", Stage::Leaving) => {
                client.stage = Stage::Closing;
                wire::masked(wire::CLOSE, &1000_u16.to_be_bytes(), [4, 3, 2, 1], &mut client.out);
                Ok(())
            }
            (b"RECEIPT", Stage::Ready) => Ok(()),
            _ => Err(format!("was told {:?}", String::from_utf8_lossy(frame))),
        }
    }

    fn ended(&mut self, who: usize, why: &str, book: &mut Book) {
        let Some(client) = self.clients.get_mut(who).and_then(Option::take) else { return };
        if client.stage < Stage::Ready {
            self.opening -= 1;
        }
        if client.stage == Stage::Closing {
            book.left.push(who);
        } else {
            book.checker.fault(format!("connection {who} {why} (while {:?})", client.stage));
        }
    }
}

impl PartialOrd for Stage {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some((*self as u8).cmp(&(*other as u8)))
    }
}
