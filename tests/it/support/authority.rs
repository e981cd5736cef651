//! Real certificate authorities of a test's own: Debian's `pebble` and `caddy`, each on a loopback address of its own.
//!
//! The address is what keeps tests apart: every one of them may take the same ports.

use std::fs::File;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::ca::Ca;
use super::server::ServerBuilder;
use super::{Server, eventually};

/// Where pebble looks for the answers, and therefore where the server has to listen.
pub(crate) const TLS_PORT: u16 = 5001;
pub(crate) const HTTP_PORT: u16 = 5002;
const DIRECTORY_PORT: u16 = 14000;
const MANAGEMENT_PORT: u16 = 15000;
const DNS_PORT: u16 = 8053;
const DNS_MANAGEMENT_PORT: u16 = 8055;

/// A loopback address that no other test has.
pub(crate) fn own_address() -> Ipv4Addr {
    static COUNT: AtomicU8 = AtomicU8::new(0);
    let pid = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 64 + pid[2] % 64, pid[3], 1 + COUNT.fetch_add(1, Ordering::Relaxed) % 250)
}

/// A process that ends with the test; what it says is in a file.
struct Running(Child);

impl Running {
    fn start(command: &mut Command, log: &Path) -> Self {
        let log = File::options().create(true).append(true).open(log).unwrap();
        let program = command.get_program().to_owned();
        let started = command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn();
        Self(started.unwrap_or_else(|error| panic!("{program:?} cannot be started: {error}; run tests/tools")))
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").arg(format!("-{signal}")).arg(self.0.id().to_string()).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A DNS server that says one address for every name.
pub(crate) struct Names(Running);

impl Names {
    fn start(at: Ipv4Addr, says: Ipv4Addr, folder: &Path) -> Self {
        let mut command = Command::new("pebble-challtestsrv");
        command.args(["-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", "", "-defaultIPv4"]);
        command.arg(says.to_string()).arg("-dns01").arg(format!("{at}:{DNS_PORT}"));
        command.arg("-management").arg(format!("{at}:{DNS_MANAGEMENT_PORT}"));
        Self(Running::start(&mut command, &folder.join("names.log")))
    }

    /// It answers nothing until it goes on.
    pub(crate) fn pause(&self) {
        self.0.signal("STOP");
    }

    pub(crate) fn go_on(&self) {
        self.0.signal("CONT");
    }

    /// From now on it says this address for a name.
    pub(crate) fn lead(&self, at: Ipv4Addr, name: &str, to: Ipv4Addr) {
        let record = serde_json::json!({"host": format!("{name}."), "addresses": [to]}).to_string();
        let url = format!("http://{at}:{DNS_MANAGEMENT_PORT}/add-a");
        assert!(Command::new("curl").args(["-sf", "-d", &record, &url]).status().unwrap().success());
    }
}

/// A pebble, not yet running or running.
pub(crate) struct Pebble {
    pub(crate) address: Ipv4Addr,
    pub(crate) names: Option<Names>,
    folder: TempDir,
    process: Option<Running>,
    variables: Vec<(&'static str, String)>,
    seconds: u32,
    names_lead_to: Ipv4Addr,
}

impl Pebble {
    /// One that issues to who proves it, without whims.
    pub(crate) fn new() -> Self {
        let (address, folder) = (own_address(), tempfile::tempdir().unwrap());
        let ca = Ca::new();
        let (chain, key) = ca.pair(&[&address.to_string()]);
        for (name, text) in [("ca.pem", ca.root()), ("cert.pem", chain), ("key.pem", key)] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let variables = vec![
            ("PEBBLE_VA_NOSLEEP", "1".into()),
            ("PEBBLE_WFE_NONCEREJECT", "0".into()),
            ("PEBBLE_AUTHZREUSE", "0".into()),
        ];
        let (names, process, seconds) = (None, None, 90 * 24 * 3_600);
        Self { address, names, folder, process, variables, seconds, names_lead_to: address }
    }

    /// With a variable of its environment.
    pub(crate) fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.variables.retain(|(held, _)| *held != name);
        self.variables.push((name, value.to_string()));
        self
    }

    /// Its certificates last for so long.
    pub(crate) fn lasting(mut self, seconds: u32) -> Self {
        self.seconds = seconds;
        self
    }

    /// It looks for every name at an address where nobody is.
    pub(crate) fn misled(mut self) -> Self {
        self.names_lead_to = own_address();
        self
    }

    /// Starts it.
    pub(crate) async fn start(mut self) -> Self {
        self.run().await;
        self
    }

    /// Starts it where it is.
    pub(crate) async fn run(&mut self) {
        let (at, folder) = (self.address, self.folder.path());
        let config = serde_json::json!({"pebble": {
            "listenAddress": format!("{at}:{DIRECTORY_PORT}"),
            "managementListenAddress": format!("{at}:{MANAGEMENT_PORT}"),
            "certificate": folder.join("cert.pem"),
            "privateKey": folder.join("key.pem"),
            "httpPort": HTTP_PORT,
            "tlsPort": TLS_PORT,
            "certificateValidityPeriod": self.seconds,
        }});
        std::fs::write(folder.join("pebble.json"), config.to_string()).unwrap();
        self.names = Some(Names::start(at, self.names_lead_to, folder));
        let mut command = Command::new("pebble");
        command.arg("-config").arg(folder.join("pebble.json"));
        command.arg("-dnsserver").arg(format!("{at}:{DNS_PORT}")).envs(self.variables.iter().cloned());
        self.process = Some(Running::start(&mut command, &folder.join("pebble.log")));
        for port in [DIRECTORY_PORT, MANAGEMENT_PORT, DNS_MANAGEMENT_PORT] {
            eventually("pebble listens", || async move { TcpStream::connect((at, port)).await.is_ok() }).await;
        }
    }

    /// Ends it. What it knew of accounts and orders is gone, and its root is another one next time.
    pub(crate) fn stop(&mut self) {
        (self.process, self.names) = (None, None);
    }

    pub(crate) fn directory(&self) -> String {
        format!("https://{}:{DIRECTORY_PORT}/dir", self.address)
    }

    /// A server that asks it for these names, where it looks for the answers of both kinds.
    pub(crate) fn server(&self, domain: &str) -> ServerBuilder {
        Server::builder()
            .listen((self.address, TLS_PORT).pair())
            .set("tls.redirect_listen", (self.address, HTTP_PORT).pair())
            .set("domain", domain)
            .set("acme.directory", self.directory())
            .set("acme.ca_file", self.folder.path().join("ca.pem").display())
            .set("acme.preflight", false)
    }

    /// The root that its certificates lead to.
    pub(crate) fn root(&self) -> String {
        let url = format!("https://{}:{MANAGEMENT_PORT}/roots/0", self.address);
        let answer = Command::new("curl").args(["-sk", &url]).output().unwrap();
        String::from_utf8(answer.stdout).unwrap()
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("pebble.log")).unwrap()
    }

    /// The orders that were made so far.
    pub(crate) fn orders(&self) -> usize {
        self.log().lines().filter(|line| line.contains("Added order")).count()
    }
}

trait Pair {
    fn pair(self) -> String;
}

impl Pair for (Ipv4Addr, u16) {
    fn pair(self) -> String {
        format!("{}:{}", self.0, self.1)
    }
}

/// A caddy that is an authority for `chat.test`.
pub(crate) struct Caddy {
    pub(crate) address: Ipv4Addr,
    folder: TempDir,
    _process: Running,
}

impl Caddy {
    pub(crate) async fn start() -> Self {
        let (address, folder) = (own_address(), tempfile::tempdir().unwrap());
        let config = format!(
            "{{\n admin off\n skip_install_trust\n auto_https disable_redirects\n storage file_system {}\n \
             default_bind {address}\n http_port 9080\n https_port 9443\n}}\n\
             {address}:9443 {{\n tls internal\n acme_server\n}}\n",
            folder.path().join("data").display()
        );
        std::fs::write(folder.path().join("Caddyfile"), config).unwrap();
        // It asks the system for the name, and this is the only way to tell it another answer: a hosts file that
        // nobody else sees. In a container that forbids that, the test fails.
        std::fs::write(folder.path().join("hosts"), format!("{address} chat.test\n127.0.0.1 localhost\n")).unwrap();
        let mut command = Command::new("unshare");
        let run = "mount --bind hosts /etc/hosts && exec caddy run --adapter caddyfile --config Caddyfile";
        command.args(["--map-root-user", "--mount", "sh", "-c", run]).current_dir(folder.path());
        // It keeps a copy of its configuration in the home folder otherwise.
        command.env("HOME", folder.path()).env_remove("XDG_CONFIG_HOME").env_remove("XDG_DATA_HOME");
        let process = Running::start(&mut command, &folder.path().join("caddy.log"));
        let caddy = Self { address, folder, _process: process };
        let log = caddy.folder.path().join("caddy.log");
        eventually("caddy listens", || async {
            let failed = std::fs::read_to_string(&log).unwrap();
            assert!(!failed.contains("unshare:") && !failed.contains("mount:"), "caddy needs namespaces: {failed}");
            TcpStream::connect((address, 9443)).await.is_ok()
        })
        .await;
        caddy
    }

    pub(crate) fn directory(&self) -> String {
        format!("https://{}:9443/acme/local/directory", self.address)
    }

    /// The file of its root.
    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("data/pki/authorities/local/root.crt")
    }
}

/// Somebody who is reached like an authority and gives the same answer to everything.
pub(crate) struct Impostor {
    pub(crate) address: Ipv4Addr,
    folder: TempDir,
}

impl Impostor {
    /// With this answer, head and all.
    pub(crate) async fn start(answer: &'static str) -> Self {
        let (address, folder, ca) = (own_address(), tempfile::tempdir().unwrap(), Ca::new());
        let (chain, key) = ca.pair(&[&address.to_string()]);
        std::fs::write(folder.path().join("ca.pem"), ca.root()).unwrap();
        let chain = CertificateDer::pem_slice_iter(chain.as_bytes()).collect::<Result<Vec<_>, _>>().unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap())
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind((address, DIRECTORY_PORT)).await.unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let _ = stream.read(&mut [0; 4_096]).await;
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        Self { address, folder }
    }

    /// A server that asks it.
    pub(crate) fn server(&self) -> ServerBuilder {
        Server::builder()
            .set("domain", "chat.test")
            .set("acme.directory", format!("https://{}:{DIRECTORY_PORT}/dir", self.address))
            .set("acme.ca_file", self.folder.path().join("ca.pem").display())
            .set("acme.preflight", false)
            .listen((self.address, TLS_PORT).pair())
    }
}

/// The chain that a server at an address shows to who trusts this root alone and comes for this name; `None` where it
/// is not to be trusted.
pub(crate) async fn shown(at: (Ipv4Addr, u16), name: &str, root: &str) -> Option<Vec<CertificateDer<'static>>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(root.as_bytes()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let stream = TcpStream::connect(at).await.ok()?;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.ok()?;
    stream.get_ref().1.peer_certificates().map(|chain| chain.to_vec())
}
