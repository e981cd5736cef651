//! The running server, as it answers on this computer.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use rustls::pki_types::CertificateDer;

use super::super::finding::Finding;
use super::super::peek::Answer;
use super::ANSWER_WAIT;
use super::address::own_door;
use crate::config::Config;

/// It waits for a certificate that is good.
pub(super) const NO_CERTIFICATE: &str = "server.no-certificate";

/// Asks the server that runs on the data folder, if one does; with the certificates that it shows.
pub(super) async fn look(
    config: &Config,
    server: Option<&str>,
) -> (Vec<Finding>, Option<Vec<CertificateDer<'static>>>) {
    let Some(pid) = server else {
        return (vec![Finding::ok("server", "none runs on this data folder")], None);
    };
    let door = own_door(config);
    let (about, alive, ready) = tokio::join!(
        door.get("/about", ANSWER_WAIT),
        door.get("/healthz", ANSWER_WAIT),
        door.get("/readyz", ANSWER_WAIT)
    );
    let about = match about {
        Ok(about) if about.is_sarangbang() => about,
        Ok(_) => {
            let message = format!("process {pid} runs on the data folder, and /about does not say so");
            return (
                vec![Finding::error("server.foreign", message, "look at the server's log, and start it again")],
                None,
            );
        }
        Err(e) => {
            let message = format!("process {pid} runs on the data folder, and at {} {e}", config.listen);
            let fix = "look at the server's log, and start it again";
            return (vec![Finding::error("server.silent", message, fix)], None);
        }
    };
    let mut findings = vec![version(&about, pid, replaced(pid))];
    match (alive.map(|answer| answer.status), ready) {
        (Ok(200), Ok(answer)) => findings.extend(readiness(&answer)),
        _ => findings.push(Finding::error(
            "server.ill",
            "it answers, and /healthz or /readyz does not",
            "look at the server's log, and start it again",
        )),
    }
    let chain = Some(about.chain).filter(|chain| !chain.is_empty());
    (findings, chain)
}

/// The path of the server's program, where another file stands by now, as after an upgrade that was not taken up.
fn replaced(pid: &str) -> Option<PathBuf> {
    let running = PathBuf::from(format!("/proc/{pid}/exe"));
    let path = fs::read_link(&running).ok()?;
    let path = PathBuf::from(path.to_string_lossy().trim_end_matches(" (deleted)"));
    let (running, installed) = (fs::metadata(&running).ok()?, fs::metadata(&path).ok()?);
    ((running.dev(), running.ino()) != (installed.dev(), installed.ino())).then_some(path)
}

fn version(about: &Answer, pid: &str, replaced: Option<PathBuf>) -> Finding {
    let json = about.json();
    let (theirs, ours) = (json["version"].as_str().unwrap_or("unknown"), env!("CARGO_PKG_VERSION"));
    if let Some(path) = replaced {
        return Finding::note(
            "server.replaced",
            format!("version {theirs} runs (process {pid}), and {} is another program since", path.display()),
            format!("to hand over to the new one without closing a port run: kill -USR2 {pid}"),
        );
    }
    if theirs == ours {
        return Finding::ok("server", format!("version {theirs} runs (process {pid})"));
    }
    Finding::note(
        "server.version",
        format!("version {theirs} runs (process {pid}), and this program is version {ours}"),
        format!("to hand over to the installed one without closing a port run: kill -USR2 {pid}"),
    )
}

fn readiness(answer: &Answer) -> Vec<Finding> {
    if answer.status == 200 {
        return vec![Finding::ok("server", "it is ready for people")];
    }
    let json = answer.json();
    let obstacles = json["notReady"].as_array().map(Vec::as_slice).unwrap_or_default();
    if obstacles.is_empty() {
        return vec![Finding::error(
            "server.ill",
            format!("/readyz answers {}", answer.status),
            "look at the server's log",
        )];
    }
    let finding = |obstacle: &serde_json::Value| {
        let part = obstacle["part"].as_str().unwrap_or("something");
        let detail = obstacle["detail"].as_str().unwrap_or("no detail is given");
        let fix = match part {
            "certificate" => "see what stands below about certificate, dns and authority",
            "store" => "see what stands above about data and disk",
            _ => "look at the server's log",
        };
        let id = if part == "certificate" { NO_CERTIFICATE } else { "server.not-ready" };
        Finding::error(id, format!("it is not ready: {part}: {detail}"), fix)
    };
    obstacles.iter().map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::finding::Level;

    fn answer(status: u16, body: &'static str) -> Answer {
        Answer { status, date: None, body: body.into(), chain: Vec::new() }
    }

    #[test]
    fn what_stands_against_readiness_is_told_each_with_where_to_look() {
        let body = r#"{"ready":false,"notReady":[{"part":"store","detail":"cannot be read"},{"part":"draining","detail":"x"}]}"#;
        let findings = readiness(&answer(503, body));
        assert!(findings.len() == 2 && findings.iter().all(|finding| finding.level == Level::Error));
        assert_eq!(findings[0].message, "it is not ready: store: cannot be read");
        assert_eq!(readiness(&answer(502, "<html>"))[0].message, "/readyz answers 502");
        assert_eq!(readiness(&answer(200, ""))[0].level, Level::Ok);
    }

    #[test]
    fn another_version_is_told() {
        let finding = version(&answer(200, r#"{"name":"Sarangbang","version":"0.0.1"}"#), "7", None);
        assert!(finding.level == Level::Note && finding.message.contains("version 0.0.1 runs"), "{finding:?}");
    }
}
