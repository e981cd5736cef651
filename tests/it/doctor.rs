//! `doctor` and `check` from outside: what they find in an installation that is well, and in those that are not.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::Server;

/// What was printed, and the exit code.
struct Said {
    text: String,
    code: i32,
}

impl Said {
    /// The one line that begins like this and holds that.
    fn line(&self, level: &str, about: &str, part: &str) -> &str {
        let fits = |line: &&str| {
            let mut words = line.split_whitespace();
            words.next() == Some(level) && words.next() == Some(about) && line.contains(part)
        };
        self.text.lines().find(fits).unwrap_or_else(|| panic!("no {level} {about} {part:?} in:\n{}", self.text))
    }

    fn has_no(&self, level: &str) {
        assert!(!self.text.lines().any(|line| line.starts_with(level)), "{}", self.text);
    }
}

/// Runs a verb in a folder, with keys of the configuration such as `tls.mode`.
fn run(folder: &Path, arguments: &[&str], keys: &[(&str, &str)]) -> Said {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sarangbang"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SARANGBANG_")) {
        command.env_remove(name);
    }
    let variable = |key: &str| format!("SARANGBANG_{}", key.to_uppercase().replace('.', "__"));
    // Servers of other tests run on this host.
    command.env(variable("operator.listen"), "off");
    command.envs(keys.iter().map(|(key, value)| (variable(key), value)));
    let output = command.current_dir(folder).args(arguments).output().unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    Said { text: String::from_utf8(output.stdout).unwrap(), code: output.status.code().unwrap() }
}

/// A certificate of a private authority, expired or not, and its key.
fn pair(folder: &Path, name: &str, days: [i64; 2]) -> (String, String) {
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    authority.distinguished_name.push(rcgen::DnType::CommonName, "Test Authority");
    let signer = rcgen::Issuer::new(authority, rcgen::KeyPair::generate().unwrap());
    let mut certificate = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    let now = time::OffsetDateTime::from(std::time::SystemTime::now());
    certificate.not_before = now + time::Duration::days(days[0]);
    certificate.not_after = now + time::Duration::days(days[1]);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = certificate.signed_by(&key, &signer).unwrap();
    let [cert_path, key_path] = ["cert", "key"].map(|part| folder.join(format!("{name}.{part}.pem")));
    std::fs::write(&cert_path, certificate.pem()).unwrap();
    std::fs::write(&key_path, key.serialize_pem()).unwrap();
    std::fs::set_permissions(&key_path, std::fs::Permissions::from_mode(0o600)).unwrap();
    (cert_path.to_str().unwrap().into(), key_path.to_str().unwrap().into())
}

/// An authority that answers every request with this body and this date; its address, and the file of its root.
fn authority(folder: &Path, body: &'static str, date: &'static str) -> (String, String) {
    let root_key = rcgen::KeyPair::generate().unwrap();
    let mut root = rcgen::CertificateParams::new(Vec::new()).unwrap();
    root.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let root_path = folder.join("root.pem");
    std::fs::write(&root_path, root.self_signed(&root_key).unwrap().pem()).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let own = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let own = own.signed_by(&key, &rcgen::Issuer::new(root, root_key)).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![own.der().clone()], key).unwrap();
    let (config, listener) = (std::sync::Arc::new(config), TcpListener::bind("127.0.0.1:0").unwrap());
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for tcp in listener.incoming() {
            let tls = rustls::ServerConnection::new(std::sync::Arc::clone(&config)).unwrap();
            let mut stream = rustls::StreamOwned::new(tls, tcp.unwrap());
            // Whoever does not believe the certificate says nothing.
            if stream.read(&mut [0; 4096]).is_ok() {
                let length = body.len();
                let _ = write!(stream, "HTTP/1.1 200 OK\r\nDate: {date}\r\nContent-Length: {length}\r\n\r\n{body}");
                let _ = stream.flush();
            }
        }
    });
    (format!("https://localhost:{port}/dir"), root_path.to_str().unwrap().into())
}

fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// Names, modes and contents of all files; those that every reader of SQLite maps are counted alone.
fn picture(folder: &Path) -> Vec<(String, u32, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| {
            let file = file.unwrap();
            let name = file.file_name().into_string().unwrap();
            let content =
                if name.ends_with("-shm") { Vec::new() } else { std::fs::read(file.path()).unwrap_or_default() };
            (name, file.metadata().unwrap().permissions().mode(), content)
        })
        .collect();
    files.sort();
    files
}

#[tokio::test]
async fn a_server_that_is_well_is_found_well() {
    let server = Server::builder().set("tls.mode", "self-signed").start().await;
    server.person("boss", sarangbang::chat::Role::Admin).await;
    let (data, listen) = (server.data(), server.url.strip_prefix("https://").unwrap().to_owned());
    let before = picture(&data);
    let keys = [("tls.mode", "self-signed")];
    let arguments = ["doctor", "--listen", &listen, "--data", data.to_str().unwrap()];
    let said = run(data.parent().unwrap(), &arguments, &keys);
    said.has_no("error");
    assert_eq!(said.code, 0);
    let process = format!("(process {})", server.pid());
    for (about, part) in [
        ("data", "can be used (rooms: 0, accounts: 1)"),
        ("data", "the database is sound"),
        ("data", "nobody but the owner may read it"),
        ("address", &process),
        ("server", &process),
        ("server", "it is ready for people"),
        ("certificate", "the one that is shown is for localhost, 127.0.0.1, ::1, signed by itself"),
        ("clock", "UTC"),
    ] {
        said.line("ok", about, part);
    }
    said.line("note", "certificate", "browsers warn of it");
    assert_eq!(picture(&data), before, "it changes nothing");

    // The same as JSON, and from `check`.
    let json = run(data.parent().unwrap(), &[&arguments[..], &["--json"]].concat(), &keys);
    let json: Value = serde_json::from_str(&json.text).unwrap();
    assert_eq!((&json["ok"], &json["config"]["tls"]["mode"]), (&true.into(), &"self-signed".into()));
    assert!(json["findings"].as_array().unwrap().iter().all(|finding| finding["message"].is_string()));
    let check = run(data.parent().unwrap(), &[&["check"], &arguments[1..]].concat(), &keys);
    assert_eq!(check.code, 0, "{}", check.text);
    check.line("ok", "address", &process);

    // Somebody who looks with another configuration is told so.
    let said = run(data.parent().unwrap(), &arguments, &[]);
    assert_eq!(said.code, 1);
    said.line("error", "address", "speaks HTTPS, unlike this configuration");
}

#[test]
fn without_a_server_it_says_what_the_start_will_meet() {
    let house = tempfile::tempdir().unwrap();
    let said = run(house.path(), &["doctor", "--listen", &free_address()], &[]);
    assert_eq!(said.code, 0, "{}", said.text);
    said.line("ok", "data", "the first start makes it");
    said.line("ok", "address", "is free");
    said.line("ok", "server", "none runs");
    assert_eq!(std::fs::read_dir(house.path()).unwrap().count(), 0, "it makes nothing");
    let wrong = run(house.path(), &["doctor", "--listen", "nowhere"], &[]);
    assert_eq!(wrong.code, 2);
    wrong.line("error", "configuration", "--listen");
}

#[test]
fn a_stopped_installation_is_left_as_it_is() {
    let house = tempfile::tempdir().unwrap();
    run(house.path(), &["room", "create", "tea"], &[]);
    let before = picture(&house.path().join("data"));
    for verb in ["check", "doctor"] {
        assert_eq!(run(house.path(), &[verb, "--listen", &free_address()], &[]).code, 0);
    }
    assert_eq!(picture(&house.path().join("data")), before);
}

#[test]
fn an_unresolvable_name_and_an_unreachable_authority_are_told_soon() {
    let house = tempfile::tempdir().unwrap();
    let started = Instant::now();
    let keys = [("acme.directory", "https://127.0.0.1:1/dir")];
    let arguments = ["doctor", "--listen", &free_address(), "--domain", "nowhere.invalid"];
    let said = run(house.path(), &arguments, &keys);
    assert_eq!(said.code, 1);
    said.line("error", "dns", "nowhere.invalid does not resolve");
    assert!(said.line("error", "authority", "https://127.0.0.1:1/dir").contains("acme.directory"));
    said.line("note", "authority", "--acme-email");
    said.line("ok", "certificate", "the first start asks for one");
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
    let mail = run(house.path(), &[&arguments[..], &["--acme-email", "me@example.com"]].concat(), &keys);
    assert!(!mail.text.contains("--acme-email"), "{}", mail.text);
}

#[test]
fn an_authority_is_asked_for_its_directory_and_the_time() {
    let house = tempfile::tempdir().unwrap();
    let long_ago = "Sun, 06 Nov 1994 08:49:37 GMT";
    let (directory, root) = authority(house.path(), r#"{"newOrder":"https://localhost/order"}"#, long_ago);
    let look = |root: &str| {
        let keys = [("acme.directory", &*directory), ("acme.ca_file", root)];
        let arguments = ["doctor", "--listen", &free_address(), "--domain", "nowhere.invalid"];
        run(house.path(), &arguments, &keys)
    };
    let known = look(&root);
    known.line("ok", "authority", &format!("{directory} answers"));
    assert!(known.line("error", "clock", "days ahead of the authority's").contains("timedatectl"));
    // Nobody vouches for it: what time it is there is told all the same.
    let unknown = look("");
    assert!(unknown.line("error", "authority", "signed by nobody who is believed").contains("acme.ca_file"));
    unknown.line("error", "clock", "days ahead");
    look("none.pem").line("error", "authority", "none.pem cannot be read: no such file");
}

#[test]
fn a_pair_in_files_is_looked_at_as_serve_does() {
    let house = tempfile::tempdir().unwrap();
    let (cert, key) = pair(house.path(), "localhost", [-1, 60]);
    let (old_cert, old_key) = pair(house.path(), "old.example", [-90, -3]);
    let (due_cert, due_key) = pair(house.path(), "due.example", [-80, 10]);
    let look = |verb: &str, cert: &str, key: &str, domain: &str| {
        let keys = [("tls.cert", cert), ("tls.key", key), ("domain", domain)];
        run(house.path(), &[verb, "--listen", &free_address()], &keys)
    };
    for verb in ["check", "doctor"] {
        let well = look(verb, &cert, &key, "localhost");
        assert_eq!(well.code, 0, "{}", well.text);
        well.line("ok", "certificate", "is for localhost, signed by Test Authority, good for 59 days");
        let mismatch = look(verb, &cert, &old_key, "localhost");
        assert_eq!(mismatch.code, 1);
        assert!(mismatch.line("error", "certificate", "private key is not").contains("; name the two"));
        look(verb, &old_cert, &old_key, "").line("error", "certificate", "expired 3 days ago");
        look(verb, &due_cert, &due_key, "").line("note", "certificate", "less than a third of its life");
        look(verb, &cert, &key, "localhost,127-0-0-1.invalid").line("error", "certificate", "and not for 127-0-0-1");
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
        look(verb, &cert, &key, "localhost").line("error", "certificate", "chmod o-rwx");
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
        look(verb, "none.pem", &key, "localhost").line("error", "certificate", "none.pem cannot be read");
    }
}

#[test]
fn an_address_that_another_program_has_is_an_error() {
    let house = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (main, redirect) =
        ([("tls.mode", "self-signed")], [("tls.mode", "self-signed"), ("tls.redirect_listen", &*address)]);
    let said = run(house.path(), &["doctor", "--listen", &address], &main);
    assert!(said.line("error", "address", &address).contains("--listen"), "{}", said.text);
    let said = run(house.path(), &["doctor", "--listen", &free_address()], &redirect);
    assert!(said.line("error", "address", &address).contains("tls.redirect_listen"), "{}", said.text);
    // And the start itself says the same.
    let serve = Command::new(env!("CARGO_BIN_EXE_sarangbang"))
        .current_dir(house.path())
        .args(["serve", "--listen", &address])
        .env("SARANGBANG_OPERATOR__LISTEN", "off")
        .output()
        .unwrap();
    let error = String::from_utf8(serve.stderr).unwrap();
    assert!(error.lines().count() == 1 && error.contains("is taken by another program; stop that one"), "{error}");
}

#[test]
fn data_that_others_may_read_is_an_error() {
    let house: TempDir = tempfile::tempdir().unwrap();
    run(house.path(), &["room", "create", "tea"], &[]);
    let database = house.path().join("data/sarangbang.db");
    std::fs::set_permissions(database, std::fs::Permissions::from_mode(0o644)).unwrap();
    let said = run(house.path(), &["doctor", "--listen", &free_address()], &[]);
    assert_eq!(said.code, 1);
    assert!(said.line("error", "data", "mode 644").contains("chmod 600"));
}

#[tokio::test]
async fn what_the_store_remembers_of_the_authority_is_told() {
    let server = Server::start().await;
    let plan = br#"{"failures":2,"not_before_ms":0,"last_failure":"no A record for a.invalid"}"#;
    server.store().keep("acme/plan", sarangbang::store::Secret::new(&plan[..])).await.unwrap();
    let data = server.data();
    let keys = [("acme.directory", "https://127.0.0.1:1/dir"), ("domain", "a.invalid")];
    let said =
        run(data.parent().unwrap(), &["doctor", "--listen", &free_address(), "--data", data.to_str().unwrap()], &keys);
    assert!(said.line("error", "authority", "2 in a row: no A record for a.invalid").contains("the next is due"));
    said.line("error", "address", "runs on this data folder at another address");
}

#[tokio::test]
async fn the_operator_s_address_is_looked_at_and_only_a_chosen_one_stands_in_the_way() {
    let server = Server::builder().set("operator.listen", "127.0.0.1:0").start().await;
    let (data, listen, own) = (server.data(), server.authority().to_owned(), server.operator());
    let arguments = ["doctor", "--listen", &listen, "--data", data.to_str().unwrap()];
    let said = run(data.parent().unwrap(), &arguments, &[("operator.listen", &own)]);
    said.line("ok", "operator", &format!("metrics are told at http://{own}/metrics"));
    let said = run(data.parent().unwrap(), &arguments, &[("operator.listen", &free_address())]);
    said.line("note", "operator", "although the server");

    let house = tempfile::tempdir().unwrap();
    let check = ["check", "--listen", "127.0.0.1:0"];
    let said = run(house.path(), &check, &[("operator.listen", &own)]);
    assert_eq!(said.code, 1);
    said.line("error", "operator", "another data folder");
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let said = run(house.path(), &check, &[("operator.listen", &other.local_addr().unwrap().to_string())]);
    said.line("error", "operator", "another program");
    let said = run(house.path(), &check, &[("operator.listen", "0.0.0.0:0")]);
    assert_eq!(said.code, 0);
    said.line("note", "operator", "whoever comes may read the metrics");
    let said = run(house.path(), &check, &[]);
    said.line("ok", "operator", "turned off");
}
