//! What `check` looks at besides the configuration: the data folder, the address, the system's limits.
//!
//! It leaves everything as it found it.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use super::check::Finding;
use crate::config::Config;
use crate::ops;
use crate::store::sqlite::Mode;

/// How long a server at the address may take to say who it is.
const ANSWER_WAIT: Duration = Duration::from_secs(2);
/// Bytes of its answer that are read.
const ANSWER_BYTES_MAX: u64 = 16 * 1024;
/// Files that the server keeps open besides one for each connection.
const FILES_BESIDES: u64 = 64;

/// Looks at everything that a start needs.
pub(super) async fn everything(config: &Config) -> Vec<Finding> {
    let server = server_of(&config.data);
    let mut findings = folder(config).await;
    findings.push(address(config.listen, server.as_deref()));
    if !config.listen.ip().is_loopback() {
        findings.push(Finding::note(
            "address",
            format!(
                "{} is open to other computers, and plain HTTP lets everybody on the way read along",
                config.listen
            ),
            "put a proxy with HTTPS in front, and name it in trusted_proxies",
        ));
    }
    findings.extend(open_files(config));
    findings
}

/// The data folder, and the store in it.
async fn folder(config: &Config) -> Vec<Finding> {
    let (path, shown) = (&config.data, config.data.display());
    let usable = "let the user that runs sarangbang write there, or choose another folder with --data";
    if !path.exists() {
        let parent = path.ancestors().skip(1).find(|parent| parent.exists() || parent.as_os_str().is_empty());
        let parent = parent.filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        return vec![match writable(parent) {
            Ok(()) => Finding::ok("data", format!("{shown} does not exist yet; the first start makes it")),
            Err(e) => Finding::error("data", format!("{shown} cannot be made in {}: {e}", parent.display()), usable),
        }];
    }
    if let Err(e) = writable(path) {
        return vec![Finding::error("data", format!("{shown} cannot be written: {e}"), usable)];
    }
    if !path.join("sarangbang.db").exists() {
        return vec![Finding::ok("data", format!("{shown} can be used, and holds nothing yet"))];
    }
    let store = match ops::open_store(config, Mode::Admin) {
        Ok(store) => store,
        Err(e) => return vec![Finding::error("data", "the store cannot be opened", e.to_string())],
    };
    let looked = async { Ok((store.rooms().await?.len(), store.accounts().await?.len(), store.has_admin().await?)) };
    let looked: Result<_, crate::store::StoreError> = looked.await;
    store.close().await;
    match looked {
        Err(e) => {
            vec![Finding::error("data", e.to_string(), "look at the disk, and restore a backup if it is damaged")]
        }
        Ok((rooms, accounts, admin)) => {
            let mut findings =
                vec![Finding::ok("data", format!("{shown} can be used (rooms: {rooms}, accounts: {accounts})"))];
            if !admin {
                let fix = "make one with `sarangbang setup`, or by the link that `sarangbang serve` logs";
                findings.push(Finding::note("data", "there is no active administrator", fix));
            }
            findings
        }
    }
}

/// The process id of the server that runs on this folder, if one does: it holds the lock on this file.
fn server_of(folder: &Path) -> Option<String> {
    let mut file = File::open(folder.join("serve.lock")).ok()?;
    let held = matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
    let mut pid = String::new();
    held.then(|| file.read_to_string(&mut pid).ok())??;
    Some(pid)
}

/// The address, given the process id of the server that runs on the data folder.
fn address(listen: SocketAddr, server: Option<&str>) -> Finding {
    match (TcpListener::bind(listen), server) {
        (Ok(_), None) => Finding::ok("address", format!("{listen} is free")),
        (Ok(_), Some(pid)) => Finding::error(
            "address",
            format!("{listen} is free, but a server (process {pid}) runs on this data folder at another address"),
            "stop it, or name another folder with --data",
        ),
        (Err(e), Some(pid)) if e.kind() == ErrorKind::AddrInUse && is_sarangbang(listen) => {
            Finding::ok("address", format!("{listen} is served by this data folder's server (process {pid})"))
        }
        (Err(e), _) => Finding::error("address", format!("{listen} cannot be used: {e}"), remedy(&e, listen)),
    }
}

fn remedy(e: &io::Error, listen: SocketAddr) -> &'static str {
    match e.kind() {
        ErrorKind::AddrInUse if is_sarangbang(listen) => {
            "a Sarangbang server of another data folder runs there: stop it, or choose another port with --listen"
        }
        ErrorKind::AddrInUse => "another program serves there: stop it, or choose another port with --listen",
        ErrorKind::PermissionDenied => {
            "ports below 1024 need a right (AmbientCapabilities=CAP_NET_BIND_SERVICE); or choose a higher one"
        }
        ErrorKind::AddrNotAvailable => "this computer has no such address; 0.0.0.0 stands for all of them",
        _ => "choose another address with --listen",
    }
}

/// Whether the one who serves there says that it is Sarangbang.
fn is_sarangbang(listen: SocketAddr) -> bool {
    let ask = || -> io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect_timeout(&reachable(listen), ANSWER_WAIT)?;
        stream.set_read_timeout(Some(ANSWER_WAIT))?;
        write!(stream, "GET /about HTTP/1.1\r\nHost: {listen}\r\nConnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        // What came before a failure may say enough.
        let _ = stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer);
        Ok(answer)
    };
    ask().is_ok_and(|answer| String::from_utf8_lossy(&answer).contains("\"name\":\"Sarangbang\""))
}

/// "Every address" is none to connect to: the loopback one stands in.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// Whether as many files may be opened as connections are allowed. The hard limit counts: `serve` raises the soft one.
fn open_files(config: &Config) -> Option<Finding> {
    let (_, files) = rlimit::Resource::NOFILE.get().ok()?;
    let needed = config.limits.connections_max as u64 + FILES_BESIDES;
    let fits = files.saturating_sub(FILES_BESIDES);
    (files < needed).then(|| {
        Finding::note(
            "limits",
            format!("{files} files may be open here, so about {fits} connections, below limits.connections_max"),
            format!("raise the hard limit (LimitNOFILE={needed} under systemd), or lower the key"),
        )
    })
}

/// Whether a file can be made in this folder.
fn writable(folder: &Path) -> io::Result<()> {
    let probe = folder.join(format!(".sarangbang-check-{}", std::process::id()));
    File::create_new(&probe)?;
    fs::remove_file(probe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::check::Level;

    #[test]
    fn an_address_in_use_by_another_program_is_an_error_with_its_fix() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let listen = taken.local_addr().unwrap();
        let answering = std::thread::spawn(move || {
            let (mut stream, _) = taken.accept().unwrap();
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello").unwrap();
            taken
        });
        let finding = address(listen, None);
        assert_eq!(finding.level, Level::Error);
        assert!(finding.fix.unwrap().contains("another program"), "{}", finding.message);
        drop(answering.join());
    }

    #[tokio::test]
    async fn a_folder_that_is_a_file_is_an_error() {
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join("file");
        fs::write(&file, "").unwrap();
        for data in [file.clone(), file.join("data")] {
            let findings = folder(&Config { data, ..Config::default() }).await;
            assert!(matches!(findings.as_slice(), [Finding { level: Level::Error, .. }]), "{findings:?}");
        }
    }

    #[tokio::test]
    async fn looking_changes_nothing() {
        let parent = tempfile::tempdir().unwrap();
        let data = parent.path().join("a/b");
        let findings = folder(&Config { data, ..Config::default() }).await;
        assert!(matches!(findings.as_slice(), [Finding { level: Level::Ok, .. }]), "{findings:?}");
        assert_eq!(fs::read_dir(parent.path()).unwrap().count(), 0);
    }
}
