//! The Redis that several nodes share, and the store in it.

use std::time::Duration;

use super::super::finding::Finding;
use super::folder::Depth;
use super::kept::Kept;
use crate::config::Config;
use crate::ops;
use crate::store::redis::{About, OpenError, Server, Survey};
use crate::store::{Mode, Store, StoreError};

/// Each message waits for Redis: beyond this people begin to notice it in a room where many talk.
const FAR: Duration = Duration::from_millis(10);

/// Looks at the Redis that is configured.
pub(super) async fn look(config: &Config, depth: Depth) -> (Vec<Finding>, Kept) {
    let alone = |finding| (vec![finding], Kept::default());
    let store = match ops::open_store(config, Mode::Look).await {
        Ok(store) => store,
        Err(e) => return alone(refusal(e)),
    };
    let shown = config.redis.url.as_ref().map(ToString::to_string).unwrap_or_default();
    let looked = inside(&store, &shown, depth).await;
    store.close().await;
    looked.unwrap_or_else(|e| {
        alone(Finding::error("redis.unreadable", format!("{shown}: {e}"), "look at the log of that Redis"))
    })
}

/// Waiting, or starting it, may mend the first; the second has to be changed.
fn refusal(e: ops::OpenError) -> Finding {
    match e {
        ops::OpenError::Redis(OpenError::Unreachable { .. }) => Finding::refusal("redis.unreachable", e),
        // Its fix may have several parts.
        ops::OpenError::Redis(OpenError::Unfit { problem, fix }) => {
            Finding::error("redis.unfit", format!("redis.url: {problem}"), fix)
        }
        e => Finding::refusal("redis.unfit", e),
    }
}

fn id_of(about: About) -> &'static str {
    match about {
        About::Fitness => "redis.unfit",
        About::Memory => "redis.evicts",
        About::Disk => "redis.forgets",
        About::Replicas => "redis.replicas",
    }
}

/// What was found of the servers stays told where the store in them cannot be read.
async fn inside(store: &Store, shown: &str, depth: Depth) -> Result<(Vec<Finding>, Kept), StoreError> {
    let Store::Redis(redis) = store else { return Ok((Vec::new(), Kept::default())) };
    let survey = redis.survey().await?;
    let described = format!("{shown}: {}, {} away", servers(&survey.servers), away(survey.round_trip));
    let mut findings = vec![Finding::ok("redis", described)];
    findings.extend(standing(&survey));
    let kept = match held(store, depth).await {
        Ok((held, kept)) => {
            findings.extend(held);
            kept
        }
        Err(e) => {
            findings.push(Finding::error("redis.unreadable", e.to_string(), "look at the log of that Redis"));
            Kept::default()
        }
    };
    Ok((findings, kept))
}

async fn held(store: &Store, depth: Depth) -> Result<(Vec<Finding>, Kept), StoreError> {
    let (rooms, accounts) = (store.rooms().await?.len(), store.accounts().await?.len());
    let usable = format!("the store in Redis can be used (rooms: {rooms}, accounts: {accounts})");
    let mut findings = vec![Finding::ok("data", usable)];
    if !store.has_admin().await? {
        let fix = "make one with `sarangbang setup`, or by the link that `sarangbang serve` prints";
        findings.push(Finding::note("data.no-administrator", "there is no active administrator", fix));
    }
    let kept = if depth == Depth::Ground { Kept::read(store).await? } else { Kept::default() };
    Ok((findings, kept))
}

/// What should be thought about, and what is well as far as the servers tell.
fn standing(survey: &Survey) -> Vec<Finding> {
    let told =
        survey.concerns.iter().map(|concern| Finding::note(id_of(concern.about), &*concern.problem, &*concern.fix));
    let mut findings: Vec<Finding> = told.collect();
    if survey.round_trip > FAR {
        findings.push(Finding::note(
            "redis.far",
            format!("each message waits {} for it", away(survey.round_trip)),
            "run it in the same data centre as the nodes",
        ));
    }
    let full = survey.servers.iter().filter_map(|server| Some((server.memory_used?, server.memory_max?)));
    if let Some((used, max)) = full.filter(|(_, max)| *max > 0).find(|(used, max)| used / 9 >= max / 10) {
        findings.push(Finding::note(
            "redis.full",
            format!("its memory is nearly full ({} of {} MiB); then nothing more can be stored", used >> 20, max >> 20),
            format!(
                "raise maxmemory there (CONFIG SET maxmemory {}mb, and in its configuration), or keep less: history.keep_entries",
                (max >> 20).max(1) * 2
            ),
        ));
    }
    let all = |fits: fn(&Server) -> bool| !survey.servers.is_empty() && survey.servers.iter().all(fits);
    if all(|server| server.eviction.as_deref() == Some("noeviction")) {
        findings.push(Finding::ok("redis", "nothing is dropped when its memory is full (noeviction)"));
    }
    if all(|server| server.has_log == Some(true)) {
        let synced = |how: &str| survey.servers.iter().all(|server| server.log_sync.as_deref() == Some(how));
        let message = if synced("always") {
            "what is acknowledged is on its disk (append-only file, appendfsync always)"
        } else if synced("everysec") {
            "it survives its crash; a loss of power loses up to two seconds (append-only file, appendfsync everysec)"
        } else {
            "it writes an append-only file"
        };
        findings.push(Finding::ok("redis", message));
    } else if survey.servers.iter().any(|server| server.has_log.is_none()) {
        findings.push(Finding::ok("redis", "it does not tell whether it keeps its data on a disk"));
    }
    findings
}

fn servers(servers: &[Server]) -> String {
    let Some(first) = servers.first() else { return "no server".into() };
    let name = format!("{} {}", first.product, first.version);
    let replicas: u64 = servers.iter().map(|server| server.replicas).sum();
    let replicas = match replicas {
        1 => "1 replica".to_owned(),
        count => format!("{count} replicas"),
    };
    if first.mode == "cluster" {
        let masters = if servers.len() == 1 { "1 master".into() } else { format!("{} masters", servers.len()) };
        return format!("{name}, a Cluster of {masters} with {replicas}");
    }
    format!("{name}, a {} with {replicas}", first.role)
}

/// Milliseconds as people would say them.
fn away(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::finding::Level;
    use crate::store::redis::Concern;

    fn server() -> Server {
        Server {
            product: "Redis".into(),
            version: "7.0.15".into(),
            mode: "standalone".into(),
            role: "master".into(),
            replicas: 1,
            eviction: Some("noeviction".into()),
            has_log: Some(true),
            log_sync: Some("everysec".into()),
            ..Server::default()
        }
    }

    fn levels(survey: &Survey) -> Vec<Level> {
        standing(survey).iter().map(|finding| finding.level).collect()
    }

    #[test]
    fn a_redis_in_good_order_is_told_with_what_a_crash_would_lose() {
        assert_eq!(servers(&[server()]), "Redis 7.0.15, a master with 1 replica");
        let of_a_cluster = Server { mode: "cluster".into(), ..server() };
        assert_eq!(servers(&vec![of_a_cluster; 3]), "Redis 7.0.15, a Cluster of 3 masters with 3 replicas");
        let survey = Survey { servers: vec![server()], concerns: Vec::new(), round_trip: Duration::from_micros(120) };
        let findings = standing(&survey);
        assert_eq!(levels(&survey), [Level::Ok, Level::Ok]);
        assert!(findings[1].message.contains("everysec"), "{findings:?}");
    }

    #[test]
    fn what_is_not_in_order_is_a_note_with_its_fix_and_what_is_unknown_is_left_open() {
        let silent = Server { eviction: None, has_log: None, log_sync: None, ..server() };
        let concern =
            Concern { about: About::Disk, problem: "it is so".into(), fix: "change it".into(), is_refusal: false };
        let survey = Survey { servers: vec![silent], concerns: vec![concern], round_trip: Duration::from_millis(30) };
        let findings = standing(&survey);
        assert_eq!(levels(&survey), [Level::Note, Level::Note, Level::Ok], "{findings:?}");
        assert_eq!(findings[0].fix.as_deref(), Some("change it"));
        assert!(
            findings[1].message.contains("30.0 ms") && findings[2].message.contains("does not tell"),
            "{findings:?}"
        );
    }
}
