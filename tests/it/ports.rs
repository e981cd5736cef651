//! Where it listens: sockets that systemd hands over, and ports that cannot be had.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

/// A server with sockets handed over; killed when dropped.
struct Activated {
    process: Child,
    folder: TempDir,
    ready: String,
}

impl Drop for Activated {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The program as systemd would start it, with what is its standard input and standard error as the first and the
/// second socket. Its log goes to the file `log`.
fn activated(
    folder: &TempDir,
    count: usize,
    first: impl Into<Stdio>,
    second: Option<TcpListener>,
    set: &[(&str, &str)],
) -> Command {
    let mut command = Command::new("bash");
    let hand_over = r#"exec 3<&0 4<&2 0</dev/null 2>>log; LISTEN_PID=${HANDED_TO:-$$} exec "$0" serve --data data"#;
    command
        .args(["-c", hand_over, env!("CARGO_BIN_EXE_sarangbang")])
        .current_dir(folder.path())
        .env("LISTEN_FDS", count.to_string())
        .env("SARANGBANG_LISTEN", "127.0.0.1:0")
        .env("SARANGBANG_OPERATOR__LISTEN", "off")
        .envs(set.iter().copied())
        .stdin(first)
        .stdout(Stdio::piped())
        .stderr(second.map_or_else(Stdio::null, |listener| OwnedFd::from(listener).into()));
    command
}

/// Starts it and waits until it is ready.
fn started(first: TcpListener, second: Option<TcpListener>, set: &[(&str, &str)]) -> Activated {
    let folder = tempfile::tempdir().unwrap();
    let count = 1 + usize::from(second.is_some());
    let mut process = activated(&folder, count, OwnedFd::from(first), second, set).spawn().unwrap();
    let mut ready = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    let started = Activated { process, folder, ready };
    assert!(started.ready.starts_with("ready "), "{}", started.log());
    started
}

impl Activated {
    fn log(&self) -> String {
        log_in(&self.folder)
    }
}

fn log_in(folder: &TempDir) -> String {
    std::fs::read_to_string(folder.path().join("log")).unwrap()
}

/// The first line that a plain request is answered with.
fn asked(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(crate::support::PATIENCE)).unwrap();
    let host = address.ip();
    // Who speaks TLS has closed at the first byte.
    let _ = stream.write_all(format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").as_bytes());
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer.lines().next().unwrap_or_default().to_owned()
}

fn bound() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[test]
fn a_socket_that_was_handed_over_wins_over_the_configured_address() {
    let (listener, address) = bound();
    // Who comes before it is there waits, and is answered.
    let early = std::thread::spawn(move || asked(address));
    let server = started(listener, None, &[]);
    assert_eq!(server.ready.trim(), format!("ready http://{address}"));
    assert_eq!(asked(address), "HTTP/1.1 200 OK");
    assert_eq!(early.join().unwrap(), "HTTP/1.1 200 OK");
    let log = server.log();
    assert!(log.contains("handed over") && log.contains(&address.to_string()), "{log}");
}

#[test]
fn of_two_sockets_one_is_for_the_redirect() {
    for (names, redirect_is_second) in [("", true), ("https:http", true), ("redirect:main", false)] {
        let ((first, first_address), (second, second_address)) = (bound(), bound());
        let set = [("LISTEN_FDNAMES", names), ("SARANGBANG_TLS__MODE", "self-signed")];
        let server = started(first, Some(second), &set);
        let (main, redirect) =
            if redirect_is_second { (first_address, second_address) } else { (second_address, first_address) };
        assert_eq!(server.ready.trim(), format!("ready https://{main}"), "{names}");
        assert_eq!(asked(redirect), "HTTP/1.1 308 Permanent Redirect", "{names}");
        assert_ne!(asked(main), "HTTP/1.1 200 OK", "it speaks TLS");
    }
}

#[test]
fn sockets_for_another_process_are_left_alone() {
    let (listener, address) = bound();
    let server = started(listener, None, &[("HANDED_TO", "1")]);
    assert_ne!(server.ready.trim(), format!("ready http://{address}"));
}

/// What it says when it does not start.
fn refused(folder: &TempDir, mut command: Command) -> String {
    let Output { status, .. } = command.output().unwrap();
    assert_eq!(status.code(), Some(1));
    let log = log_in(folder);
    let errors: Vec<&str> = log.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{log}");
    errors[0].to_owned()
}

#[test]
fn what_is_handed_over_and_cannot_be_used_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let no_socket = refused(&folder, activated(&folder, 1, Stdio::null(), None, &[]));
    assert!(no_socket.contains("socket 1") && no_socket.contains("LISTEN_FDS"), "{no_socket}");

    let folder = tempfile::tempdir().unwrap();
    let (listener, address) = bound();
    let connected = TcpStream::connect(address).unwrap();
    let no_listener = refused(&folder, activated(&folder, 1, OwnedFd::from(connected), None, &[]));
    assert!(no_listener.contains("nobody can connect to it"), "{no_listener}");

    let folder = tempfile::tempdir().unwrap();
    let too_many = refused(&folder, activated(&folder, 3, OwnedFd::from(listener), None, &[]));
    assert!(too_many.contains("3 sockets were handed over"), "{too_many}");

    let folder = tempfile::tempdir().unwrap();
    let ((first, _), (second, _)) = (bound(), bound());
    let no_https = refused(&folder, activated(&folder, 2, OwnedFd::from(first), Some(second), &[]));
    assert!(no_https.contains("there is no HTTPS: see tls.mode"), "{no_https}");
}

#[test]
fn a_port_in_use_stops_the_start_with_one_line_that_says_what_to_do() {
    let (_held, address) = bound();
    let https = Some(("SARANGBANG_TLS__MODE", "self-signed"));
    for (key, other) in [("LISTEN", None), ("TLS__REDIRECT_LISTEN", https), ("OPERATOR__LISTEN", None)] {
        let folder = tempfile::tempdir().unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_sarangbang"))
            .args(["serve", "--data", "data"])
            .current_dir(folder.path())
            .env("SARANGBANG_LISTEN", "127.0.0.1:0")
            .env("SARANGBANG_OPERATOR__LISTEN", "off")
            .env(format!("SARANGBANG_{key}"), address.to_string())
            .envs(other)
            .output()
            .unwrap();
        assert_eq!((output.status.code(), &output.stdout[..]), (Some(1), &b""[..]));
        let log = String::from_utf8(output.stderr).unwrap();
        let errors: Vec<&str> = log.lines().filter(|line| line.starts_with("error: ")).collect();
        let [error] = errors[..] else { panic!("{log}") };
        let key = key.to_lowercase().replace("__", ".");
        assert!(error.contains(&address.to_string()) && error.contains("taken by another program"), "{error}");
        assert!(error.contains(&format!("the key {key}")), "{error}");
    }
}
