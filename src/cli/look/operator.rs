//! Where the operator reads metrics: free, ours, or somebody else's; and who else may read them.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};

use super::super::finding::Finding;
use super::super::peek::{Peek, Speech};
use super::ANSWER_WAIT;
use super::address::reachable;
use crate::config::Config;
use crate::ops;

/// Given the process id of the server that runs on the data folder.
pub(super) async fn look(config: &Config, server: Option<&str>) -> Vec<Finding> {
    let Some(address) = config.operator.listen else {
        return vec![Finding::ok("operator", "metrics are turned off")];
    };
    let mut findings = vec![listener(config, address, server).await];
    if !address.ip().is_loopback() {
        findings.push(Finding::note(
            "operator.open",
            format!("{address} is open to other computers, and whoever comes may read the metrics"),
            "choose an address of this computer alone with the key operator.listen, or let only your monitoring reach it",
        ));
    }
    findings
}

async fn listener(config: &Config, address: SocketAddr, server: Option<&str>) -> Finding {
    let refusal = match (TcpListener::bind(address), server) {
        (Ok(_), None) => return Finding::ok("operator", format!("{address} is free for metrics")),
        (Ok(_), Some(pid)) => {
            return Finding::note(
                "operator.not-taken-up",
                format!("{address} is free, although the server (process {pid}) runs"),
                "start it again, so that it takes up operator.listen",
            );
        }
        (Err(refusal), _) => refusal,
    };
    if refusal.kind() == ErrorKind::AddrInUse && tells_metrics(address).await {
        if server.is_some() {
            return Finding::ok("operator", format!("metrics are told at http://{address}/metrics"));
        }
        let problem = format!("{address} is taken by a Sarangbang server of another data folder");
        return judged(config, problem, "choose another address with the key operator.listen, or turn it off".into());
    }
    let (problem, fix) = ops::cannot_listen(&refusal, address, "the key operator.listen");
    judged(config, problem, fix)
}

/// An address that nobody chose keeps no server from starting.
fn judged(config: &Config, problem: String, fix: String) -> Finding {
    if config.operator.is_given {
        return Finding::error("operator.unusable", problem, fix);
    }
    Finding::note("operator.unusable", format!("{problem}, so that there are no metrics"), fix)
}

async fn tells_metrics(address: SocketAddr) -> bool {
    let peek =
        Peek { addresses: vec![reachable(address)], host: "localhost".into(), speech: Speech::Plain, as_proxy: false };
    let answer = peek.get("/metrics", ANSWER_WAIT).await;
    answer.is_ok_and(|answer| String::from_utf8_lossy(&answer.body).contains("sarangbang_build_info"))
}
