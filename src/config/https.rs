//! What the keys about HTTPS mean together: which mode they ask for, and where one then listens.

use std::net::{Ipv6Addr, SocketAddr};

use super::{Config, TlsMode};

/// Every address of this host, IPv4 included.
const fn everywhere(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V6(Ipv6Addr::UNSPECIFIED), port)
}

/// Puts what was asked for in the place of `auto`, and of the addresses that were not given. `is_set` says whether a
/// key was given at all.
pub(super) fn settle(config: &mut Config, is_set: impl Fn(&str) -> bool) {
    if config.tls.mode == TlsMode::Auto {
        config.tls.mode = match (config.tls.cert.as_os_str().is_empty(), config.domain.is_empty()) {
            (false, _) => TlsMode::Files,
            (true, false) => TlsMode::Acme,
            (true, true) => TlsMode::Off,
        };
    }
    // Who names a domain means the public ports; who tries things out on this computer does not.
    if config.is_https() && !config.domain.is_empty() {
        if !is_set("listen") {
            config.listen = everywhere(443);
        }
        if !is_set("tls.redirect_listen") && !is_set("listen") {
            config.tls.redirect_listen = Some(everywhere(80));
        }
    }
}

/// Keys about HTTPS that are each fine and make no sense together.
pub(super) fn at_odds(config: &Config) -> Vec<(&'static str, String, String)> {
    let (tls, mut problems) = (&config.tls, Vec::new());
    let mut problem = |key, problem: &str, fix: &str| problems.push((key, problem.to_owned(), fix.to_owned()));
    let (has_cert, has_key) = (!tls.cert.as_os_str().is_empty(), !tls.key.as_os_str().is_empty());
    match tls.mode {
        TlsMode::Files | TlsMode::Auto if has_cert != has_key || tls.mode == TlsMode::Files && !has_cert => {
            let key = if has_cert { "tls.key" } else { "tls.cert" };
            problem(key, "a certificate and its key are needed together", "give both tls.cert and tls.key");
        }
        TlsMode::Off | TlsMode::Acme | TlsMode::SelfSigned if has_cert || has_key => problem(
            "tls.mode",
            "tls.cert and tls.key are given, and nobody would look at them",
            "set tls.mode to \"files\", or take them away",
        ),
        TlsMode::Acme if config.domain.is_empty() => {
            problem(
                "domain",
                "a certificate is for names, and none is given",
                "give the name of this host with --domain",
            );
        }
        _ => {}
    }
    if config.proxy_protocol && config.trusted_proxies.is_empty() {
        problem("proxy_protocol", "nobody's PROXY header would be believed", "name the proxies in trusted_proxies");
    }
    problems
}

/// The same, when it is known which mode is meant.
pub(super) fn at_odds_settled(config: &Config) -> Option<(&'static str, String, String)> {
    let redirect = config.tls.redirect_listen?;
    if !config.is_https() {
        let problem = "without HTTPS there is nothing to redirect to";
        let fix = "see tls.mode, or turn this off";
        return Some(("tls.redirect_listen", problem.into(), fix.into()));
    }
    let (listen, port) = (config.listen, redirect.port());
    let is_same = listen.ip() == redirect.ip() || listen.ip().is_unspecified() || redirect.ip().is_unspecified();
    (is_same && port == listen.port() && port != 0).then(|| {
        ("tls.redirect_listen", format!("port {port} is that of listen"), "give it another port, or turn it off".into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Sources;

    fn loaded(variables: &[(&str, &str)]) -> Result<Config, String> {
        let environment = variables.iter().map(|(name, value)| (format!("SARANGBANG_{name}").into(), value.into()));
        let sources = Sources { environment: environment.collect(), ..Sources::default() };
        Config::load(&sources).map_err(|error| error.to_string())
    }

    #[test]
    fn a_domain_alone_means_a_certificate_and_the_public_ports() {
        let config = loaded(&[("DOMAIN", "chat.example.com")]).unwrap();
        assert_eq!(config.tls.mode, TlsMode::Acme);
        assert_eq!((config.listen, config.tls.redirect_listen), (everywhere(443), Some(everywhere(80))));
    }

    #[test]
    fn nothing_means_plain_http_on_this_computer() {
        let config = loaded(&[]).unwrap();
        assert_eq!((config.tls.mode, config.tls.redirect_listen), (TlsMode::Off, None));
        assert!(config.listen.ip().is_loopback() && !config.is_https());
    }

    #[test]
    fn what_is_given_is_kept() {
        let config = loaded(&[
            ("DOMAIN", "chat.example.com"),
            ("LISTEN", "127.0.0.1:8443"),
            ("TLS__MODE", "self-signed"),
            ("TLS__REDIRECT_LISTEN", "127.0.0.1:8081"),
        ])
        .unwrap();
        assert_eq!(config.listen.port(), 8443);
        assert_eq!((config.tls.mode, config.tls.redirect_listen.unwrap().port()), (TlsMode::SelfSigned, 8081));
        // Who chose a port of their own is not surprised by port 80.
        let config = loaded(&[("DOMAIN", "chat.example.com"), ("LISTEN", "127.0.0.1:8443")]).unwrap();
        assert_eq!(config.tls.redirect_listen, None);
        let config = loaded(&[("DOMAIN", "chat.example.com"), ("TLS__REDIRECT_LISTEN", "off")]).unwrap();
        assert_eq!((config.listen.port(), config.tls.redirect_listen), (443, None));
    }

    #[test]
    fn a_certificate_and_a_key_mean_files() {
        let config = loaded(&[("TLS__CERT", "a.pem"), ("TLS__KEY", "b.pem")]).unwrap();
        assert_eq!(config.tls.mode, TlsMode::Files);
        assert!(config.listen.ip().is_loopback());
    }

    #[test]
    fn keys_that_contradict_each_other_are_told_with_the_fix() {
        for (variables, part) in [
            (&[("TLS__CERT", "a.pem")][..], "give both tls.cert and tls.key"),
            (&[("TLS__MODE", "files")], "give both tls.cert and tls.key"),
            (&[("TLS__MODE", "off"), ("TLS__CERT", "a.pem"), ("TLS__KEY", "b.pem")], "nobody would look at them"),
            (&[("TLS__MODE", "acme")], "--domain"),
            (&[("TLS__REDIRECT_LISTEN", "127.0.0.1:80")], "without HTTPS there is nothing to redirect to"),
            (
                &[("TLS__MODE", "self-signed"), ("LISTEN", "127.0.0.1:8443"), ("TLS__REDIRECT_LISTEN", "[::]:8443")],
                "give it another port",
            ),
            (&[("PROXY_PROTOCOL", "true")], "trusted_proxies"),
            (&[("ACME__DIRECTORY", "http://ca.example/dir")], "no https:// address"),
            (&[("ACME__EMAIL", "me")], "no mail address"),
            (&[("DOMAIN", "https://chat.example.com")], "more than a name"),
        ] {
            let refusal = loaded(variables).unwrap_err();
            assert!(refusal.contains(part), "{variables:?}: {refusal}");
        }
    }
}
