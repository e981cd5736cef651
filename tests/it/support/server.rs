//! A server of a test's own: the real binary on a free port, with its own data folder.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use sarangbang::auth::{Passwords, Tokens};
use sarangbang::chat::{Limits, Locale, Name, Role, Room, RoomId};
use sarangbang::store::Mode;
use sarangbang::store::sqlite::{Settings, Sqlite};
use sarangbang::store::{NewAccount, Secret, Store};
use tempfile::TempDir;
use tokio::net::{TcpSocket, TcpStream};

use super::Client;
use super::secure::{AnyStream, secure};

/// What the limit of open files is called in the environment of a server that is to have one.
const OPEN_FILES: &str = "OPEN_FILES";

/// A running server; killed when dropped.
pub(crate) struct Server {
    /// Its base, such as `http://127.0.0.1:4711`, or `https://` with TLS.
    pub(crate) url: String,
    folder: TempDir,
    /// Where it listens; another than `url` says where that goes by a name.
    address: String,
    flags: Vec<(String, String)>,
    program: PathBuf,
    process: Child,
    admin: Store,
    tokens: Tokens,
}

/// How a server is to be started.
#[derive(Default)]
pub(crate) struct ServerBuilder {
    listen: Option<String>,
    program: Option<PathBuf>,
    environment: Vec<(String, String)>,
}

impl ServerBuilder {
    /// With a variable that is no key of the configuration.
    pub(crate) fn variable(mut self, name: &str, value: impl ToString) -> Self {
        self.environment.push((name.to_owned(), value.to_string()));
        self
    }

    /// Started by this path.
    pub(crate) fn program(mut self, path: &Path) -> Self {
        self.program = Some(path.to_owned());
        self
    }

    /// With a key of the configuration, such as `limits.messages_burst`.
    pub(crate) fn set(mut self, key: &str, value: impl ToString) -> Self {
        let variable = format!("SARANGBANG_{}", key.to_uppercase().replace('.', "__"));
        self.environment.push((variable, value.to_string()));
        self
    }

    /// With a key as nobody set it.
    pub(crate) fn unset(mut self, key: &str) -> Self {
        let set = Self::default().set(key, "").environment;
        self.environment.retain(|(name, _)| *name != set[0].0);
        self
    }

    /// At this address instead of a free port.
    pub(crate) fn listen(mut self, address: impl ToString) -> Self {
        self.listen = Some(address.to_string());
        self
    }

    /// With a limit of open files.
    pub(crate) fn open_files(mut self, max: usize) -> Self {
        self.environment.push((OPEN_FILES.to_owned(), max.to_string()));
        self
    }

    /// Starts it; returns once it says that it is ready.
    pub(crate) async fn start(self) -> Server {
        let folder = tempfile::tempdir().unwrap();
        let listen = self.listen.as_deref().unwrap_or("127.0.0.1:0");
        let program = self.program.unwrap_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_sarangbang")));
        let (process, url) = spawn(&program, &data_in(folder.path()), listen, &self.environment);
        let address = self.listen.unwrap_or_else(|| url.split_once("://").unwrap().1.to_owned());
        let admin = open_admin(&data_in(folder.path()));
        let keys = admin.signing_keys().await.unwrap();
        let tokens = Tokens::new(keys.iter().map(|key| (&*key.id, key.secret.expose())), 60);
        Server { url, folder, address, flags: self.environment, program, process, admin, tokens }
    }
}

impl Server {
    /// One with limits that are not in a test's way.
    pub(crate) async fn start() -> Self {
        Self::builder().start().await
    }

    /// One with limits that are not in a test's way, to be changed further.
    pub(crate) fn builder() -> ServerBuilder {
        ServerBuilder::default()
            .set("limits.messages_per_second", 100_000)
            .set("limits.messages_burst", 100_000)
            .set("limits.subscriptions_per_second", 100_000)
            .set("limits.subscriptions_burst", 100_000)
            .set("limits.connects_per_second", 100_000)
            .set("limits.connects_burst", 100_000)
            // Many servers run side by side, and one of them would have the port.
            .set("operator.listen", "off")
    }

    /// The server's process id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// The server's data folder.
    pub(crate) fn data(&self) -> PathBuf {
        data_in(self.folder.path())
    }

    /// `host:port`.
    pub(crate) fn authority(&self) -> &str {
        self.url.split_once("://").unwrap().1
    }

    /// A connection to it, with TLS where it speaks that.
    pub(crate) async fn stream(&self) -> AnyStream {
        let stream = TcpStream::connect(&self.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        self.secured(stream).await
    }

    /// A TCP connection from an address of this host, such as 127.0.0.2.
    pub(crate) async fn tcp_from(&self, address: &str) -> TcpStream {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(format!("{address}:0").parse().unwrap()).unwrap();
        let stream = socket.connect(self.authority().parse().unwrap()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// The same over a TCP connection that is there already.
    pub(crate) async fn secured(&self, stream: TcpStream) -> AnyStream {
        if self.url.starts_with("https://") {
            let host = self.authority().rsplit_once(':').map_or(self.authority(), |(host, _)| host);
            Box::new(secure(stream, host.trim_matches(['[', ']'])).await.unwrap())
        } else {
            Box::new(stream)
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> std::net::SocketAddr {
        self.address.parse().unwrap()
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.data().with_extension("log")).unwrap()
    }

    /// A store handle as the command line has it, beside the running server.
    pub(crate) fn store(&self) -> &Store {
        &self.admin
    }

    /// Adds a person, whose password works for nobody.
    pub(crate) async fn person(&self, name: &str, role: Role) {
        let account = NewAccount {
            name: name.parse().unwrap(),
            role,
            password_hash: Secret::new(&b"$argon2id$none"[..]),
            invitation: None,
        };
        self.admin.add_account(account).await.unwrap();
    }

    /// Adds a person with a password that works.
    pub(crate) async fn person_with_password(&self, name: &str, password: &str) {
        let hash = Passwords::new(1).hash(password.to_owned()).await.unwrap();
        let account = NewAccount {
            name: name.parse().unwrap(),
            role: Role::User,
            password_hash: Secret::new(hash.into_bytes()),
            invitation: None,
        };
        self.admin.add_account(account).await.unwrap();
    }

    /// A token of somebody, good for an hour.
    pub(crate) fn token(&self, name: &str) -> String {
        let name: Name = name.parse().unwrap();
        self.tokens.issue(&name, Role::User, 0).unwrap().token
    }

    /// A new room.
    pub(crate) async fn room(&self, name: &str) -> RoomId {
        self.admin.create_room(name.parse().unwrap()).await.unwrap().id
    }

    /// The rooms as the server lists them.
    pub(crate) async fn room_state(&self, id: RoomId) -> Room {
        self.admin.room(id).await.unwrap().unwrap()
    }

    /// A socket of somebody (an account is made where there is none), connected by STOMP 1.2.
    pub(crate) async fn connect(&self, name: &str) -> Client {
        if self.admin.account(&name.parse().unwrap()).await.unwrap().is_none() {
            self.person(name, Role::User).await;
        }
        let mut client = self.socket().await;
        client.connect(&self.token(name)).await;
        client
    }

    /// A socket that has said nothing yet.
    pub(crate) async fn socket(&self) -> Client {
        Client::over(self.stream().await, self.authority(), "/ws-stomp", None).await
    }

    /// SIGKILL: no goodbye.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// A signal by its name, such as `TERM`.
    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill").arg(format!("-{signal}")).arg(self.pid().to_string()).status().unwrap();
        assert!(sent.success());
    }

    /// Waits until the process has ended by itself.
    pub(crate) async fn ended(&mut self) -> std::process::ExitStatus {
        let started = std::time::Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            assert!(started.elapsed() < super::PATIENCE, "the server did not end");
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }

    /// From the next start on, another value of a key.
    pub(crate) fn change(&mut self, key: &str, value: impl ToString) {
        let changed = ServerBuilder::default().set(key, value).environment;
        self.flags.retain(|(name, _)| *name != changed[0].0);
        self.flags.extend(changed);
    }

    /// Starts it again at the same address with the same data.
    pub(crate) async fn restart(&mut self) {
        (self.process, self.url) = spawn(&self.program, &self.data(), &self.address, &self.flags);
        self.admin = open_admin(&self.data());
    }

    /// The server's resident memory in bytes, as the kernel counts it.
    pub(crate) fn resident_bytes(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn data_in(folder: &Path) -> PathBuf {
    folder.join("data")
}

fn spawn(program: &Path, data: &Path, listen: &str, environment: &[(String, String)]) -> (Child, String) {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(data.with_extension("log")).unwrap();
    let mut command = Command::new("sh");
    if environment.iter().any(|(name, _)| name == OPEN_FILES) {
        command.args(["-c", "ulimit -n $OPEN_FILES && exec \"$0\" \"$@\""]).arg(program);
    } else {
        command = Command::new(program);
    }
    let mut process = command
        .args(["serve", "--listen", listen, "--data"])
        .arg(data)
        .current_dir(data.parent().unwrap())
        .envs(environment.iter().cloned())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let Some(url) = first.trim().strip_prefix("ready ") else {
        let _ = process.wait();
        panic!("no ready line but {first:?}; log: {}", std::fs::read_to_string(data.with_extension("log")).unwrap());
    };
    (process, url.to_owned())
}

fn open_admin(data: &Path) -> Store {
    let settings = Settings {
        locale: Locale::Ko,
        durable: true,
        keep_entries: None,
        keep_days: None,
        queue_max: 1_000,
        rooms_max: Limits::default().rooms_max,
    };
    Store::Sqlite(Sqlite::open(data, Mode::Admin, settings).unwrap())
}
