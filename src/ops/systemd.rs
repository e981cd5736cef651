//! Sockets that systemd has opened for us (socket activation, `sd_listen_fds(3)`): ports below 1024 without any right
//! of our own, and connections that wait through a restart instead of being refused.

use std::net::TcpListener;

use anyhow::{Context as _, bail};
use listenfd::ListenFd;

use super::heir::Handed;

/// What a socket is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Main,
    Redirect,
}

/// Takes the sockets that were handed over to this process, if any were. To be called once, before anything else
/// looks at the environment: the variables that say so are taken out of it.
///
/// # Errors
/// When there are more than there is use for, or one is no TCP socket that listens.
pub fn sockets() -> anyhow::Result<Handed> {
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let mut fds = ListenFd::from_env();
    let purposes = purposes(fds.len(), &names)?;
    let mut handed = Handed::default();
    for (at, purpose) in purposes.into_iter().enumerate() {
        let what = || format!("socket {} of those handed over (LISTEN_FDS) cannot be used", at + 1);
        let listener = fds.take_tcp_listener(at).with_context(what)?;
        if let Some(listener) = &listener
            && !is_listening(listener)
        {
            bail!("{}: nobody can connect to it; ListenStream= with Accept=no is what opens such a one", what());
        }
        match purpose {
            Purpose::Main => handed.main = listener,
            Purpose::Redirect => handed.redirect = listener,
        }
    }
    Ok(handed)
}

/// What so many sockets with these names are for. Where no name says it (systemd gives all sockets of a unit the
/// unit's own name, where it was told no other), the order does.
fn purposes(count: usize, names: &str) -> anyhow::Result<Vec<Purpose>> {
    let names: Vec<&str> = names.split(':').collect();
    let is_redirect = |at: usize| names.get(at).is_some_and(|name| matches!(*name, "http" | "redirect"));
    let named = (0..count).filter(|at| is_redirect(*at)).count();
    match (count, named) {
        (0..=2, 0) => Ok([Purpose::Main, Purpose::Redirect].into_iter().take(count).collect()),
        (1..=2, 1) => {
            Ok((0..count).map(|at| if is_redirect(at) { Purpose::Redirect } else { Purpose::Main }).collect())
        }
        (0..=2, _) => bail!("both sockets that were handed over are named for the redirect (FileDescriptorName=http)"),
        _ => {
            bail!("{count} sockets were handed over (LISTEN_FDS); there is use for two: the service, and the redirect")
        }
    }
}

#[cfg(any(target_os = "linux", target_os = "freebsd"))]
fn is_listening(socket: &TcpListener) -> bool {
    socket2::SockRef::from(socket).is_listener().unwrap_or(false)
}

/// Elsewhere it cannot be asked, and accepting will say it.
#[cfg(not(any(target_os = "linux", target_os = "freebsd")))]
fn is_listening(_socket: &TcpListener) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_a_socket_is_for_and_else_the_order_does() {
        use Purpose::{Main, Redirect};
        for (count, names, expected) in [
            (0, "", &[][..]),
            (0, "http", &[]),
            (1, "", &[Main]),
            (1, "https", &[Main]),
            (1, "http", &[Redirect]),
            (2, "", &[Main, Redirect]),
            (2, "sarangbang.socket:sarangbang.socket", &[Main, Redirect]),
            (2, "http:https", &[Redirect, Main]),
            (2, "chat:redirect", &[Main, Redirect]),
            (2, "redirect", &[Redirect, Main]),
        ] {
            assert_eq!(purposes(count, names).unwrap(), expected, "{count} {names}");
        }
        assert!(purposes(2, "http:redirect").is_err());
        assert!(purposes(3, "").unwrap_err().to_string().contains("3 sockets"));
        assert!(purposes(3, "http:a:b").is_err());
    }

    #[test]
    fn a_socket_that_nobody_can_connect_to_is_told_from_a_listener() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert!(is_listening(&listener));
        assert!(!is_listening(&TcpListener::from(std::os::fd::OwnedFd::from(stream))));
    }
}
