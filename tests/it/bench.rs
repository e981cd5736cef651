//! The bench: it notices whatever is wrong with a delivery, and then tells no figure; and each of its verbs works
//! against the real server.

use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;

use crate::support::Server;
use crate::support::fake::{self, Fault};

const ROOM: &str = "123e4567-e89b-42d3-a456-426614174000";

fn bench(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sarangbang"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SARANGBANG_")) {
        command.env_remove(name);
    }
    command.arg("bench").args(arguments).arg("--json").output().unwrap()
}

/// A run against a server that does this wrong.
fn against(fault: Fault, arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens");
    std::fs::write(&tokens, "nobody\n").unwrap();
    let (url, tokens) = (fake::start(fault), tokens.to_str().unwrap().to_owned());
    let target = ["--url", &url, "--token-file", &tokens, "--room", ROOM];
    let load = ["--subscribers", "5", "--seconds", "2", "--warmup", "0"];
    bench(&[&["fanout"], &target[..], &load[..], arguments].concat())
}

/// Exit code 1, no figure, and this reason.
fn refused(output: &Output, reason: &str) {
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*output.stdout), (Some(1), &b""[..]), "{told}");
    assert!(told.contains("no figure") && told.contains(reason), "{told}");
}

/// The median of a figure of a run that was clean.
fn figure(output: &Output, name: &str) -> f64 {
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{told}");
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let figures = report["figures"].as_array().unwrap();
    let figure = figures.iter().find(|figure| figure["name"] == name);
    figure.and_then(|figure| figure["median"].as_f64()).unwrap_or_else(|| panic!("no {name} in {report}"))
}

const OPEN_LOOP: &[&str] = &["--rate", "100"];

#[test]
fn a_clean_run_has_figures() {
    let output = against(Fault::Nothing, OPEN_LOOP);
    assert!((300.0..600.0).contains(&figure(&output, "deliveries")));
    assert!(figure(&output, "latency p50") < 100.0);
}

#[test]
fn a_lost_delivery_is_noticed() {
    refused(&against(Fault::Drop, OPEN_LOOP), "offset 21 came where 20 was due");
}

#[test]
fn a_doubled_delivery_is_noticed() {
    refused(&against(Fault::Double, OPEN_LOOP), "offset 20 came again where 21 was due (doubled)");
}

#[test]
fn swapped_deliveries_are_noticed() {
    refused(&against(Fault::Swap, OPEN_LOOP), "(lost or swapped)");
}

#[test]
fn a_changed_letter_is_noticed() {
    refused(&against(Fault::Corrupt, OPEN_LOOP), "offset 20 is not what the others were given");
}

#[test]
fn a_message_that_nobody_said_is_noticed() {
    refused(&against(Fault::Forge, OPEN_LOOP), "nobody here said that");
}

#[test]
fn a_delivery_to_another_subscription_is_noticed() {
    refused(&against(Fault::Subscription, OPEN_LOOP), "another subscription");
}

#[test]
fn a_closed_connection_is_noticed() {
    refused(&against(Fault::Close, OPEN_LOOP), "was closed");
}

#[test]
fn a_delivery_that_never_comes_is_noticed_at_the_end() {
    // One message at a time: nothing comes behind the lost one that would show the hole.
    refused(&against(Fault::Drop, &["--window", "1"]), "1 deliveries never came (lost)");
}

#[test]
fn latency_counts_from_the_time_at_which_a_message_was_due() {
    // One pause of 400 ms in which forty messages are due: a bench that waited for its answers would see one.
    let output = against(Fault::Stall(Duration::from_millis(400)), OPEN_LOOP);
    assert!(figure(&output, "latency p99") > 300.0);
    assert!(figure(&output, "latency max") >= 390.0);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["settings"]["rate"], 100);
}

#[test]
fn fanout_works_on_a_server_of_its_own() {
    let output =
        bench(&["fanout", "--spawn", "--subscribers", "20", "--rooms", "2", "--window", "4", "--seconds", "1"]);
    assert!(figure(&output, "deliveries/CPU") > 0.0);
}

#[test]
fn fanout_works_where_nothing_is_kept_and_says_so() {
    let load = ["--history", "off", "--subscribers", "20", "--window", "4", "--seconds", "1"];
    let output = bench(&[&["fanout", "--spawn"], &load[..]].concat());
    assert!(figure(&output, "deliveries/CPU") > 0.0);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&report["store"], &report["settings"]["history"]), (&"history off".into(), &"off".into()));
}

#[test]
fn fanout_works_over_tls_and_with_many_publishers() {
    let load = ["--subscribers", "20", "--rooms", "4", "--publishers", "4", "--rate", "50", "--seconds", "2"];
    let output = bench(&[&["fanout", "--spawn", "--tls"], &load[..]].concat());
    assert!(figure(&output, "deliveries") > 100.0);
}

#[test]
fn idle_tells_what_a_connection_costs() {
    let output = bench(&["idle", "--spawn", "--connections", "50", "--seconds", "0.5"]);
    assert!(figure(&output, "handshakes") > 0.0 && figure(&output, "memory with them") > 1e6);
}

#[test]
fn people_are_spread_over_nodes_and_every_fault_is_noticed_there_too() {
    // Two doors of one house: publisher and subscribers come in by either.
    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens");
    std::fs::write(&tokens, "nobody\n").unwrap();
    let run = |fault| {
        let (url, tokens) = (fake::start(fault), tokens.to_str().unwrap());
        let target = ["--url", &url, "--url", &url, "--token-file", tokens, "--room", ROOM];
        let load = ["--subscribers", "5", "--publishers", "2", "--seconds", "2", "--warmup", "0"];
        bench(&[&["fanout"], &target[..], &load[..], OPEN_LOOP].concat())
    };
    assert!(figure(&run(Fault::Nothing), "deliveries") > 100.0);
    refused(&run(Fault::Drop), "offset 21 came where 20 was due");
    refused(&run(Fault::Double), "(doubled)");
}

/// The median of a figure of one scene of several.
fn figure_of(scenes: &Value, scene: &str, name: &str) -> f64 {
    let all = scenes.as_array().unwrap();
    let report = all.iter().find(|report| report["scene"] == scene).unwrap_or_else(|| panic!("no {scene} in {scenes}"));
    let figures = report["bench"]["figures"].as_array().unwrap();
    let figure = figures.iter().find(|figure| figure["name"] == name);
    figure.and_then(|figure| figure["median"].as_f64()).unwrap_or_else(|| panic!("no {name} in {report}"))
}

#[test]
fn nodes_share_a_redis_and_one_that_has_nobody_in_a_room_costs_its_messages_nothing() {
    let output = bench(&["nodes", "--quick", "--runs", "1"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let scenes: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(figure_of(&scenes, "latency, nodes", "latency p50") > 0.0);
    for of in ["message", "ENTER"] {
        let all = ["commands", "scripts", "bytes in", "bytes out"].map(|what| format!("{of}: {what}"));
        for name in all {
            let [alone, beside] = ["cost", "cost, 3 idle nodes"].map(|scene| figure_of(&scenes, scene, &name));
            assert!(alone > 0.5 && beside < alone * 1.25, "{name}: {alone}, with three more nodes {beside}");
        }
    }
    // Who has somebody there hears it: the figures do see a node more.
    let out = |name| figure_of(&scenes, "cost", name);
    assert!(out("message: bytes out") > 2.0 * 200.0);
}

#[test]
fn a_redis_that_is_not_installed_is_told_with_the_fix() {
    let output = bench(&["nodes", "--redis", "/nowhere/redis-server"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*output.stdout), (Some(1), &b""[..]), "{told}");
    assert!(told.contains("apt install redis-server"), "{told}");
}

#[test]
fn churn_leaves_nobody_behind() {
    let output = bench(&["churn", "--spawn", "--concurrency", "8", "--rooms", "4", "--seconds", "2"]);
    assert!(figure(&output, "handshakes") > 0.0);
}

#[test]
fn history_gives_every_joiner_all_of_it() {
    let output = bench(&["history", "--spawn", "--entries", "300", "--joiners", "2", "--seconds", "2"]);
    assert!(figure(&output, "joins") > 0.0);
}

#[test]
fn a_storm_loses_nothing() {
    let output = bench(&["storm", "--spawn", "--connections", "60", "--per-room", "20"]);
    assert!(figure(&output, "last one back") > 0.0);
}

#[test]
fn a_start_answers_with_all_that_is_in_the_store_also_after_a_kill() {
    let output = bench(&["start", "--rooms", "20", "--entries", "3000"]);
    for name in ["first answer", "first answer after kill -9"] {
        assert!((1.0..10_000.0).contains(&figure(&output, name)), "{name}");
    }
    assert!(figure(&output, "log recovered then") > 100.0, "the server was killed while it wrote");
}

#[tokio::test]
async fn a_running_server_is_found_by_its_data_and_its_rooms_are_as_before() {
    let server = Server::start().await;
    server.room("a room of people").await;
    let (url, data) = (server.url.clone(), server.data());
    let arguments = ["--data", data.to_str().unwrap(), "--url", &url, "--subscribers", "4", "--seconds", "0.5"];
    let output = bench(&[&["fanout"], &arguments[..]].concat());
    assert!(figure(&output, "server CPU") > 0.0, "the process id was not found");
    assert_eq!(server.store().rooms().await.unwrap().len(), 1);
}

#[test]
fn a_wrong_address_is_a_wrong_command() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens");
    std::fs::write(&tokens, "nobody\n").unwrap();
    let tokens = tokens.to_str().unwrap();
    let output = bench(&["fanout", "--url", "127.0.0.1:1", "--token-file", tokens, "--room", ROOM]);
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn a_server_elsewhere_is_read_by_its_metrics() {
    let server = Server::builder().set("operator.listen", "127.0.0.1:0").start().await;
    let room = server.room("nobody else").await.to_string();
    let tokens = server.data().with_extension("tokens");
    let mut people = Vec::new();
    for number in 0..4 {
        let name = format!("bencher{number}");
        server.person(&name, sarangbang::chat::Role::User).await;
        people.push(server.token(&name));
    }
    std::fs::write(&tokens, people.join("\n")).unwrap();
    let (tokens, operator) = (tokens.to_str().unwrap().to_owned(), server.operator());
    let run = |verb: &str, metrics: &str, load: &[&str]| {
        let target = ["--url", &server.url, "--token-file", &tokens, "--room", &room, "--metrics", metrics];
        bench(&[&[verb], &target[..], load].concat())
    };
    let (metrics, load) = (format!("http://{operator}/metrics"), ["--subscribers", "4", "--seconds", "0.5"]);
    let output = run("fanout", &metrics, &load);
    assert!(figure(&output, "server CPU") > 0.0 && figure(&output, "deliveries/CPU") > 0.0);
    let output = run("idle", &metrics, &["--connections", "4", "--per-room", "4", "--seconds", "0.1"]);
    assert!(figure(&output, "memory with them") > 1e6);

    // What is not there is said before anything is done.
    for (wrong, part) in [
        (format!("http://{operator}/healthz"), "has no metric process_cpu_seconds_total"),
        (format!("http://{operator}/nothing"), "answers with status 404"),
        ("http://127.0.0.1:1/metrics".to_owned(), "the metrics cannot be read"),
    ] {
        let output = run("fanout", &wrong, &load);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), &*output.stdout), (Some(1), &b""[..]), "{told}");
        assert!(told.contains(part), "{told}");
    }
    assert_eq!(run("fanout", &operator, &load).status.code(), Some(2), "no address of metrics");
}
