//! How a connection is made: to one server, to the master that the sentinels name, to a Cluster.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use futures_util::future::join_all;
use parking_lot::Mutex;
use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClientBuilder;
use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, ProtocolVersion, PushInfo,
    RedisConnectionInfo, RedisError, RedisResult, TlsCertificates,
};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::address::{Address, Host, Place};
use super::wire::{Wire, words};

/// An answer that takes longer does not come: Redis answers in well under a millisecond, and one that stands still must
/// not hold a connection for ever.
const ANSWER_MAX: Duration = Duration::from_secs(3);
/// How long a connection may take to be made.
const CONNECT_MAX: Duration = Duration::from_secs(2);
/// The same for all that a Cluster needs: its servers are found out by asking one after the other.
const CLUSTER_MAX: Duration = Duration::from_secs(6);
/// How long a sentinel is waited for. The others are asked at the same time.
const SENTINEL_MAX: Duration = Duration::from_secs(1);
/// How long a silent connection stays without a question whether somebody is there; then three, this far apart each.
const SILENT_MAX: Duration = Duration::from_secs(10);
const PROBES_APART: Duration = Duration::from_secs(3);
/// How long sent bytes may stay unacknowledged before the connection counts as cut.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(10);
/// How often what an ear asks is tried again at another server of a Cluster: to hear twice is to hear.
const SUBSCRIBE_TRIES: u32 = 3;

/// Makes connections to one address.
pub(super) struct Dial {
    address: Address,
    /// The master that the sentinels named last, when a connection to it was made.
    master: Mutex<Option<Host>>,
}

impl Dial {
    /// Prepares it; nothing is connected to.
    pub(super) fn new(address: &Address) -> Self {
        if address.is_tls() {
            // The one provider of this program; that it is installed already is as good.
            let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        }
        Self { address: address.clone(), master: Mutex::default() }
    }

    /// Where to.
    pub(super) const fn address(&self) -> &Address {
        &self.address
    }

    /// Connects; pushes go to `pushes`.
    pub(super) async fn connect(&self, pushes: Option<mpsc::UnboundedSender<PushInfo>>) -> RedisResult<Wire> {
        match &self.address.place {
            Place::Server(host) => self.single(self.tcp(host), pushes).await.map(Wire::Single),
            Place::Socket(path) => self.single(ConnectionAddr::Unix(path.clone()), pushes).await.map(Wire::Single),
            Place::Sentinels(sentinels, name) => {
                let master = self.master(sentinels, name).await?;
                let mut wire = self.single(self.tcp(&master), pushes).await?;
                // A sentinel may have heard last of a failover, and a master may have become a replica just now.
                let replication: String = redis::cmd("INFO").arg("replication").query_async(&mut wire).await?;
                if replication.lines().any(|line| line.trim_end() == "role:master") {
                    *self.master.lock() = Some(master);
                    return Ok(Wire::Single(wire));
                }
                Err(failed(format!("the sentinels name {master} as the master {name:?}, and it is a replica")))
            }
            Place::Cluster(hosts) => self.cluster(hosts, pushes).await,
        }
    }

    /// Whether sentinels name another master by now than the one that was connected to last. One that was silent and came
    /// back goes on answering for ten seconds, until the sentinels make it a replica: what it acknowledges is lost then.
    pub(super) async fn has_moved(&self) -> bool {
        let Place::Sentinels(sentinels, name) = &self.address.place else { return false };
        let Ok(named) = self.master(sentinels, name).await else { return false };
        self.master.lock().as_ref().is_some_and(|master| *master != named)
    }

    async fn single(
        &self,
        place: ConnectionAddr,
        pushes: Option<mpsc::UnboundedSender<PushInfo>>,
    ) -> RedisResult<MultiplexedConnection> {
        let client = self.client(place, self.identity(ProtocolVersion::RESP3))?;
        let mut config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_MAX))
            .set_response_timeout(Some(ANSWER_MAX));
        if let Some(pushes) = pushes {
            config = config.set_push_sender(pushes);
        }
        client.get_multiplexed_async_connection_with_config(&config).await
    }

    async fn cluster(&self, hosts: &[Host], pushes: Option<mpsc::UnboundedSender<PushInfo>>) -> RedisResult<Wire> {
        let info = |host| self.info(self.tcp(host), self.identity(ProtocolVersion::RESP3));
        let first: Vec<ConnectionInfo> = hosts.iter().map(info).collect::<RedisResult<_>>()?;
        let mut client = ClusterClientBuilder::new(first)
            .tcp_settings(tcp_settings())
            .connection_timeout(CONNECT_MAX)
            .response_timeout(ANSWER_MAX)
            // What may have happened is asked again by who knows whether it may happen twice, and not in here.
            .retries(if pushes.is_some() { SUBSCRIBE_TRIES } else { 0 });
        if let Some(certificates) = self.certificates() {
            client = client.certs(certificates);
        }
        if let Some(pushes) = pushes {
            client = client.push_sender(pushes);
        }
        let client = client.build()?;
        let connected = timeout(CLUSTER_MAX, client.get_async_connection()).await;
        connected.map_err(|_| failed("the Cluster does not answer".into()))?.map(Wire::Cluster)
    }

    /// Where the master is, as the newest of the configurations says that the sentinels know.
    async fn master(&self, sentinels: &[Host], name: &str) -> RedisResult<Host> {
        let answers = join_all(sentinels.iter().map(async |sentinel| {
            let answer = timeout(SENTINEL_MAX, self.ask_sentinel(sentinel, name)).await;
            answer.unwrap_or_else(|_| Err(failed("no answer in time".into()))).map_err(|error| (sentinel, error))
        }));
        let mut newest: Option<(u64, Host)> = None;
        let mut refusals: Vec<(&Host, RedisError)> = Vec::new();
        for answer in answers.await {
            match answer {
                Ok((epoch, host)) if newest.as_ref().is_none_or(|(known, _)| epoch > *known) => {
                    newest = Some((epoch, host));
                }
                Ok(_) => {}
                Err(refusal) => refusals.push(refusal),
            }
        }
        if let Some((_, master)) = newest {
            return Ok(master);
        }
        // Who answers something knows more than who does not answer.
        refusals.sort_by_key(|(_, error)| error.code().is_none());
        let told: Vec<String> =
            refusals.iter().map(|(host, error)| format!("sentinel {host}: {}", words(error))).collect();
        Err(failed(told.join("; ")))
    }

    async fn ask_sentinel(&self, sentinel: &Host, name: &str) -> RedisResult<(u64, Host)> {
        let mut question = redis::cmd("SENTINEL");
        question.arg("MASTER").arg(name);
        // The older protocol: it begins without a greeting that only who is signed in may make.
        let stranger = RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP2).set_skip_set_lib_name();
        let mut wire = self.sentinel(sentinel, stranger).await?;
        let mut answer: RedisResult<HashMap<String, String>> = question.query_async(&mut wire).await;
        // A password is told to a sentinel that asks for one, and to no other.
        if answer.as_ref().is_err_and(|error| error.code() == Some("NOAUTH")) && self.address.has_password() {
            let mut wire = self.sentinel(sentinel, self.identity(ProtocolVersion::RESP2).set_db(0)).await?;
            answer = question.query_async(&mut wire).await;
        }
        let answer = answer?;
        let get = |field: &str| answer.get(field).ok_or_else(|| failed(format!("the answer has no {field}")));
        let port = get("port")?.parse().map_err(|_| failed("the answer has no valid port".into()))?;
        let epoch = get("config-epoch")?.parse().unwrap_or(0);
        Ok((epoch, Host { name: get("ip")?.clone(), port }))
    }

    async fn sentinel(&self, host: &Host, identity: RedisConnectionInfo) -> RedisResult<MultiplexedConnection> {
        let client = self.client(self.tcp(host), identity)?;
        client.get_multiplexed_async_connection_with_config(&AsyncConnectionConfig::new()).await
    }

    fn client(&self, place: ConnectionAddr, identity: RedisConnectionInfo) -> RedisResult<Client> {
        let info = self.info(place, identity)?;
        match self.certificates() {
            Some(certificates) => Client::build_with_tls(info, certificates),
            None => Client::open(info),
        }
    }

    fn info(&self, place: ConnectionAddr, identity: RedisConnectionInfo) -> RedisResult<ConnectionInfo> {
        Ok(place.into_connection_info()?.set_redis_settings(identity).set_tcp_settings(tcp_settings()))
    }

    fn tcp(&self, host: &Host) -> ConnectionAddr {
        let (host, port) = (host.name.clone(), host.port);
        if self.address.is_tls {
            ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
        } else {
            ConnectionAddr::Tcp(host, port)
        }
    }

    fn certificates(&self) -> Option<TlsCertificates> {
        let roots = self.address.roots.as_ref().filter(|_| self.address.is_tls)?;
        Some(TlsCertificates { client_tls: None, root_cert: Some(roots.to_vec()) })
    }

    fn identity(&self, protocol: ProtocolVersion) -> RedisConnectionInfo {
        let mut identity = RedisConnectionInfo::default()
            .set_protocol(protocol)
            .set_db(self.address.database.into())
            .set_lib_name("sarangbang", env!("CARGO_PKG_VERSION"));
        if let Some(user) = &self.address.user {
            identity = identity.set_username(user);
        }
        if let Some(password) = &self.address.password {
            identity = identity.set_password(password);
        }
        identity
    }
}

fn tcp_settings() -> TcpSettings {
    let keepalive = TcpKeepalive::new().with_time(SILENT_MAX).with_interval(PROBES_APART).with_retries(3);
    TcpSettings::default().set_nodelay(true).set_keepalive(keepalive).set_user_timeout(UNACKNOWLEDGED_MAX)
}

/// An error of our own making. As one of the connection's it means what it should: try again.
pub(super) fn failed(text: String) -> RedisError {
    io::Error::other(text).into()
}
