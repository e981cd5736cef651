//! How long the writer rests between two commits, so that a batch gathers meanwhile.
//!
//! A commit costs the processor as much as dozens of deliveries, however few commands it holds. Under a steady stream of
//! single commands it is cheaper to let some gather; a lone command, or somebody who says the next thing only once the
//! last is answered, must not wait for nobody. So the rest follows what it yields: as long as it gathers several
//! commands, and some still come in its second half, it grows, else it shrinks. From time to time, where commits follow
//! close on each other, one is tried.

use std::time::{Duration, Instant};

/// The longest rest. It is part of everybody's latency: twice as long a one saves a twentieth of a message's work, and
/// costs a third more at p99.
const REST_MAX: Duration = Duration::from_millis(1);
/// A rest costs at most so many commits: where they are quick, little is gained by fewer.
const REST_COMMITS: u32 = 8;
/// Below it a rest is none.
const REST_MIN: Duration = Duration::from_micros(200);
/// A sleep ends a little later than it should.
const LATE_MAX: Duration = Duration::from_micros(200);
/// The rest that is tried where there is none.
const TRIAL: Duration = Duration::from_millis(1);
/// Commits of a lone command, one close on the other, before a rest is tried.
const LONE_MAX: u32 = 64;

/// Longest wait for a batch to become as large as the one before.
const LINGER_MAX: Duration = Duration::from_millis(2);

/// The rhythm of commits.
pub(super) struct Pace {
    rest: Duration,
    /// How many commands the last commit held.
    commands: usize,
    /// What a commit takes, smoothed.
    commit: Duration,
    /// When the last one ended.
    ended: Instant,
    /// Lone commands in a row that came close behind a commit.
    lone: u32,
}

impl Pace {
    pub(super) const fn new(now: Instant) -> Self {
        Self { rest: Duration::ZERO, commands: 0, commit: Duration::ZERO, ended: now, lone: 0 }
    }

    /// How long to rest before the inbox is looked at.
    pub(super) const fn rest(&self) -> Duration {
        self.rest
    }

    /// How many commands the last commit held.
    pub(super) const fn commands(&self) -> usize {
        self.commands
    }

    /// How long to wait for as many as last time, once the first has come after the rest. Those whom the last commit
    /// answered will mostly ask again together: waiting for them a little, and never longer than half of what a commit
    /// takes, is cheaper than a commit for the first alone. After a commit of one nobody is waited for.
    pub(super) fn linger(&self) -> Duration {
        LINGER_MAX.min(self.commit / 2)
    }

    /// So many commands were committed in this time.
    pub(super) fn committed(&mut self, commands: usize, took: Duration) {
        self.commands = commands;
        self.commit = (self.commit * 3 + took) / 4;
    }

    /// A batch whose newest command came at `newest` was answered just now: decides on the next rest.
    pub(super) fn rest_after(&mut self, newest: Instant, now: Instant) {
        let commands = self.commands;
        let waited_since = std::mem::replace(&mut self.ended, now);
        let came_after = newest.saturating_duration_since(waited_since);
        if self.rest.is_zero() {
            self.rest = self.try_one(commands, came_after);
        } else if commands > 1 && came_after > self.rest / 2 && came_after <= self.rest + LATE_MAX {
            self.rest = (self.rest * 2).min(REST_MAX).min(self.commit * REST_COMMITS);
        } else {
            self.rest /= 2;
        }
        if self.rest < REST_MIN {
            self.rest = Duration::ZERO;
        }
    }

    fn try_one(&mut self, commands: usize, came_after: Duration) -> Duration {
        if commands > 1 {
            return REST_MIN;
        }
        self.lone = if came_after <= TRIAL { self.lone + 1 } else { 0 };
        if self.lone < LONE_MAX {
            return Duration::ZERO;
        }
        self.lone = 0;
        TRIAL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: Duration = Duration::from_micros(300);

    /// Commands that come at these times, committed as the writer does it: how many each commit held, and how long the
    /// slowest command waited for the end of its commit.
    fn commits(mut came: impl Iterator<Item = Duration>) -> (Vec<usize>, Duration) {
        let start = Instant::now();
        let (mut pace, mut now, mut sizes, mut slowest) = (Pace::new(start), start, Vec::new(), Duration::ZERO);
        let mut next = came.next();
        while let Some(first) = next {
            now = (now + pace.rest()).max(start + first);
            let (mut size, mut newest) = (0, start);
            while let Some(at) = next.filter(|at| start + *at <= now) {
                (size, newest, next) = (size + 1, start + at, came.next());
            }
            let began = now;
            now += COMMIT;
            pace.committed(size, now - began);
            pace.rest_after(newest, now);
            sizes.push(size);
            slowest = slowest.max(now.duration_since(start + first));
        }
        (sizes, slowest)
    }

    #[test]
    fn a_steady_stream_shares_its_commits() {
        let (sizes, slowest) = commits((0..4_000).map(|n| Duration::from_micros(500) * n));
        assert!(sizes.len() < 4_000 * 2 / 5, "{} commits of 4,000 commands", sizes.len());
        assert!(slowest <= REST_MAX + COMMIT * 2, "{slowest:?}");
    }

    #[test]
    fn commands_that_are_far_apart_are_committed_at_once() {
        let (sizes, slowest) = commits((0..1_000).map(|n| Duration::from_millis(5) * n));
        assert_eq!((sizes.len(), slowest), (1_000, COMMIT));
    }

    #[test]
    fn who_speaks_only_when_answered_hardly_waits() {
        let (start, answer) = (Instant::now(), Duration::from_micros(200));
        let (mut pace, mut now, mut rested) = (Pace::new(start), start, Duration::ZERO);
        for _ in 0..10_000 {
            // Says the next thing soon after the last commit; the writer may still rest then.
            let (said, rest) = (now + answer, pace.rest());
            rested += rest.saturating_sub(answer);
            now = said.max(now + rest);
            let began = now;
            now += COMMIT;
            pace.committed(1, now - began);
            pace.rest_after(said, now);
        }
        assert!(rested < now.duration_since(start) / 20, "{rested:?} of {:?}", now.duration_since(start));
    }

    #[test]
    fn a_rest_ends_when_the_stream_does() {
        let stream = (0..1_000).map(|n| Duration::from_micros(500) * n);
        let later = (1..=20).map(|n| Duration::from_millis(500) + Duration::from_millis(50) * n);
        let (sizes, _) = commits(stream.chain(later));
        assert!(sizes.ends_with(&[1; 20]));
    }
}
