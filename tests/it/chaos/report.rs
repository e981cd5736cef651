//! What a run says about itself.

use std::fmt;
use std::time::{Duration, Instant};

use super::round::{Progress, Summary};

/// A number from the environment.
pub(crate) fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is a whole number, not {text:?}")))
}

/// Says every ten seconds how far it is, for ever.
pub(crate) async fn tell(progress: &Progress, all: &Summary, seed: u64, began: Instant) {
    loop {
        tokio::time::sleep(Duration::from_secs(10)).await;
        let (faults, acknowledged) = progress.figures();
        let (faults, acknowledged) = (all.faults.values().sum::<u64>() + faults, all.acknowledged + acknowledged);
        let seconds = began.elapsed().as_secs();
        println!("seed {seed}, {seconds} s: {faults} faults, {acknowledged} messages acknowledged");
    }
}

impl Summary {
    /// Takes another round in.
    pub(crate) fn add(&mut self, round: &Self) {
        self.rounds += round.rounds;
        self.said += round.said;
        self.acknowledged += round.acknowledged;
        self.delivered += round.delivered;
        self.entries += round.entries;
        self.lost += round.lost;
        self.doubled += round.doubled;
        self.gaps_told += round.gaps_told;
        self.connections += round.connections;
        self.agreed_after = self.agreed_after.max(round.agreed_after);
        self.redis_away += round.redis_away;
        self.lost_after = self.lost_after.max(round.lost_after);
        round.faults.iter().for_each(|(name, count)| *self.faults.entry(name).or_default() += count);
        round.refusals.iter().for_each(|(code, count)| *self.refusals.entry(code.clone()).or_default() += count);
        self.wrong.extend(round.wrong.iter().cloned());
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "rounds                {}", self.rounds)?;
        writeln!(f, "faults                {} {:?}", self.faults.values().sum::<u64>(), self.faults)?;
        writeln!(f, "said                  {}", self.said)?;
        writeln!(f, "acknowledged          {}", self.acknowledged)?;
        writeln!(f, "entries in the logs   {}", self.entries)?;
        writeln!(f, "delivered             {}", self.delivered)?;
        writeln!(f, "lost                  {}", self.lost)?;
        if let Some(window) = self.lost_after {
            writeln!(f, "lost, acknowledged    {} ms at most after the replica was cut off", window.as_millis())?;
        }
        writeln!(f, "doubled               {}", self.doubled)?;
        writeln!(f, "gaps told             {}", self.gaps_told)?;
        writeln!(f, "connections           {}", self.connections)?;
        writeln!(f, "refusals              {:?}", self.refusals)?;
        writeln!(f, "agreed on counts      {:.1} s at the latest", self.agreed_after.as_secs_f64())?;
        writeln!(f, "redis was away        {:.1} s", self.redis_away.as_secs_f64())?;
        write!(f, "wrong                 {}", self.wrong.len())
    }
}
