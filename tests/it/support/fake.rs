//! A server that does one thing wrong, to see whether the bench notices.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

#[path = "../../../benches/speak.rs"]
mod speak;

/// The message at which it goes wrong, and the subscriber to whom.
const WRONG_AT: u64 = 20;
const VICTIM: usize = 1;

/// What it does wrong, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Nothing,
    Drop,
    Double,
    Swap,
    Corrupt,
    /// The text is another message's, whole and well-formed, to everybody.
    Forge,
    Subscription,
    Close,
    Stall(Duration),
}

#[derive(Default)]
struct House {
    subscribers: Vec<TcpStream>,
    offset: u64,
    held: Vec<u8>,
}

/// Starts it, and tells where it is. It lives as long as the test.
pub(crate) fn start(fault: Fault) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let house = Arc::new(Mutex::new(House::default()));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let house = Arc::clone(&house);
            std::thread::spawn(move || serve(stream, &house, fault));
        }
    });
    url
}

fn serve(mut stream: TcpStream, house: &Mutex<House>, fault: Fault) -> Option<()> {
    let (mut read, mut buffer, mut upgraded) = (Vec::new(), [0; 4_096], false);
    loop {
        let count = stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
        read.extend_from_slice(&buffer[..count]);
        if !upgraded {
            let end = read.windows(4).position(|window| window == b"\r\n\r\n")?;
            read.drain(..end + 4);
            upgraded = true;
            stream.write_all(speak::SWITCHING).ok()?;
        }
        while let Some((opcode, frame)) = speak::take(&mut read) {
            let mut answer = Vec::new();
            match frame.lines().next().filter(|_| opcode == 1) {
                Some("CONNECT") => speak::connected(&mut answer),
                Some("SUBSCRIBE") => {
                    house.lock().subscribers.push(stream.try_clone().unwrap());
                    speak::receipt(speak::header(&frame, "receipt")?, &mut answer);
                }
                Some("SEND") => house.lock().say(&frame, fault)?,
                _ => {}
            }
            stream.write_all(&answer).ok()?;
        }
    }
}

impl House {
    fn say(&mut self, frame: &str, fault: Fault) -> Option<()> {
        self.offset += 1;
        let (room, said) = (speak::member(frame, "roomId")?, speak::member(frame, "message")?);
        let wrong = self.offset == WRONG_AT;
        let forged = said.replace("bench-", "bench_");
        let said = if wrong && fault == Fault::Forge { &forged } else { said };
        let mut message = Vec::new();
        speak::message(room, "bench", self.offset, said, &mut message);
        if let Fault::Stall(pause) = fault
            && wrong
        {
            std::thread::park_timeout(pause);
        }
        for (who, mut subscriber) in self.subscribers.iter().enumerate() {
            let mut copy = message.clone();
            if who == VICTIM && wrong {
                match fault {
                    Fault::Drop => continue,
                    Fault::Double => copy.extend_from_slice(&message),
                    Fault::Swap => {
                        self.held = copy;
                        continue;
                    }
                    Fault::Corrupt => {
                        // A letter of the text.
                        let at = copy.len() - 150;
                        copy[at] ^= 1;
                    }
                    Fault::Subscription => {
                        copy.clear();
                        speak::message(room, "other", self.offset, said, &mut copy);
                    }
                    Fault::Close => {
                        let _ = subscriber.shutdown(Shutdown::Both);
                        continue;
                    }
                    Fault::Nothing | Fault::Forge | Fault::Stall(_) => {}
                }
            } else if who == VICTIM && !self.held.is_empty() {
                copy.append(&mut self.held);
            }
            let _ = subscriber.write_all(&copy);
        }
        Some(())
    }
}
