//! What the operator hears about a certificate that does not come.

use super::{Keeper, SLEEP_MAX_MS};
use crate::tls::Certificates;
use crate::tls::clock::{now_ms, readable};

/// What was told last and when: looking again says nothing new.
#[derive(Default)]
pub(super) struct Told(Option<(String, i64, i64)>);

impl Told {
    /// Whether this is to be told at `now`: it is something else, or an hour old.
    fn is_new(&mut self, words: &str, next: i64, now: i64) -> bool {
        let is_new = self.0.as_ref().is_none_or(|(told, promised, at)| {
            told != words || *promised != next || !(0..SLEEP_MAX_MS).contains(&(now - at))
        });
        if is_new {
            self.0 = Some((words.to_owned(), next, now));
        }
        is_new
    }
}

impl Keeper {
    /// Says what failed and when the next try is.
    pub(super) fn tell(&mut self, certificates: &Certificates, words: &str, next: i64) {
        let (now, next_try) = (now_ms(), readable(next));
        self.wait(certificates, &format!("{words}; next try at {next_try}"));
        if !self.told.is_new(words, next, now) {
            return;
        }
        match self.held.pair().map(|pair| pair.not_after()) {
            Some(end) if end > now => {
                tracing::warn!(cause = words, next_try, until = readable(end), "the certificate was not renewed");
            }
            Some(end) => {
                tracing::error!(
                    cause = words,
                    next_try,
                    "the certificate ended at {} and is still served",
                    readable(end)
                );
            }
            None => tracing::error!(cause = words, next_try, "there is no certificate yet"),
        }
    }

    /// Lets `/readyz` say what stands in the way, if something does.
    pub(super) fn wait(&self, certificates: &Certificates, words: &str) {
        match self.held.pair().map(|pair| pair.not_after()) {
            Some(end) if end > now_ms() => {}
            Some(end) => certificates.wait_for(format!("the certificate ended at {}: {words}", readable(end))),
            None => certificates.wait_for(format!("there is no certificate yet: {words}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looking_again_tells_nothing_twice_within_the_hour() {
        let mut told = Told::default();
        assert!(told.is_new("no", 9, 0) && !told.is_new("no", 9, 1));
        assert!(told.is_new("no", 10, 2) && told.is_new("never", 10, 3));
        assert!(!told.is_new("never", 10, SLEEP_MAX_MS) && told.is_new("never", 10, SLEEP_MAX_MS + 3));
    }
}
