//! One round: people come, faults happen, all is healed, everybody hears the rest and goes home; then it is judged.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::checker::{Flaw, check, leftovers, presence};
use super::client::{Chatter, Stage};
use super::history::{Evidence, People, Start, Story, Told, truth};
use super::nemesis::{Fault, Holds, Step, plan, strike};
use super::random::Random;
use super::world::{LEASE, PREFIX, World};

/// How much happens in a round.
#[derive(Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) clients: usize,
    pub(crate) rooms: usize,
    pub(crate) kinds: &'static [Fault],
    pub(crate) steps: usize,
    pub(crate) holds: Holds,
    /// Messages a second of all clients together.
    pub(crate) rate: usize,
    /// Whether what the nodes stand on may lose what it acknowledged last.
    pub(crate) may_lose: bool,
}

/// How long all may take to agree on who is there, once nothing is broken and nobody moves: the lease time, and what
/// asking all nodes takes on a busy machine.
const AGREE_MAX: Duration = LEASE.saturating_add(Duration::from_secs(3));
/// How long is waited at all: a client may be on its way through nodes that do not answer.
const QUIET_MAX: Duration = Duration::from_secs(40);

/// What came of it, in figures.
#[derive(Clone, Debug, Default)]
pub(crate) struct Summary {
    pub(crate) rounds: u64,
    pub(crate) faults: BTreeMap<&'static str, u64>,
    pub(crate) said: u64,
    pub(crate) acknowledged: u64,
    pub(crate) delivered: u64,
    pub(crate) entries: u64,
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
    pub(crate) gaps_told: u64,
    pub(crate) connections: u64,
    pub(crate) refusals: BTreeMap<String, u64>,
    /// The worst of all times to agree on who is there.
    pub(crate) agreed_after: Duration,
    pub(crate) redis_away: Duration,
    /// By how much what was acknowledged and lost came before the replica was the master at most; `None` where nothing
    /// was lost: the time from the cut of the replica to the last such acknowledgement.
    pub(crate) lost_after: Option<Duration>,
    /// What is wrong, each in a line.
    pub(crate) wrong: Vec<String>,
}

/// A round while it goes on.
pub(crate) struct Round<'a> {
    world: &'a mut World,
    rooms: Vec<String>,
    stories: Vec<Arc<Mutex<Story>>>,
    stage: watch::Sender<Stage>,
    clients: JoinSet<()>,
    began: Instant,
    faults: Arc<AtomicU64>,
    summary: Summary,
}

/// How far a round is.
pub(crate) struct Progress {
    stories: Vec<Arc<Mutex<Story>>>,
    faults: Arc<AtomicU64>,
}

impl Progress {
    /// Faults so far, and messages that were acknowledged.
    pub(crate) fn figures(&self) -> (u64, u64) {
        let acknowledged = |story: &Arc<Mutex<Story>>| {
            let story = story.lock();
            (story.said.len() - story.unacknowledged()) as u64
        };
        (self.faults.load(Relaxed), self.stories.iter().map(acknowledged).sum())
    }
}

impl<'a> Round<'a> {
    /// People come into new rooms. A third of them has a second client, mostly on another node.
    pub(crate) async fn begin(world: &'a mut World, shape: &Shape, seed: u64) -> Self {
        let rooms = world.rooms(shape.rooms).await;
        let (stage, stages) = watch::channel(Stage::Talk);
        let doors: Vec<_> = world.nodes.iter().map(|node| node.door.address).collect();
        let pace = Duration::from_secs_f64(shape.clients as f64 / shape.rate as f64);
        let (mut stories, mut clients) = (Vec::new(), JoinSet::new());
        for number in 0..shape.clients {
            let person = world.people[number % world.people.len()].clone();
            let room = &rooms[number % world.people.len() % rooms.len()];
            let start = [Start::Beginning, Start::Newest, Start::Now][number % 7 % 3];
            let story = Arc::new(Mutex::new(Story::new(number, &person.name, room, start)));
            let random = Random::of(seed, number as u64 + 1);
            let client = Chatter::new(&story, person, doors.clone(), stages.clone(), random, pace);
            clients.spawn(client.live());
            stories.push(story);
        }
        Self {
            world,
            rooms,
            stories,
            stage,
            clients,
            began: Instant::now(),
            faults: Arc::default(),
            summary: Summary { rounds: 1, ..Summary::default() },
        }
    }

    /// How far it is, for whoever watches.
    pub(crate) fn progress(&self) -> Progress {
        Progress { stories: self.stories.clone(), faults: Arc::clone(&self.faults) }
    }

    /// Lets everything happen that the seed says, and judges.
    pub(crate) async fn run(mut self, shape: &Shape, seed: u64) -> Summary {
        let steps = plan(&mut Random::of(seed, 0), shape.kinds, self.world.nodes.len(), shape.steps, shape.holds);
        self.stage.send_replace(Stage::Calm);
        self.until("everybody has come", everybody_is_there).await;
        self.stage.send_replace(Stage::Talk);
        for step in &steps {
            // A world that does not get well again has nothing more to tell.
            if self.summary.wrong.is_empty() {
                self.step(step).await;
            }
        }
        let (truth, told) = self.gather().await;
        self.go_home().await;
        let evidence = Evidence { may_lose: shape.may_lose, ..self.evidence(truth, told).await };
        self.judge(&evidence);
        self.summary
    }

    async fn step(&mut self, step: &Step) {
        for fault in &step.faults {
            *self.summary.faults.entry(fault.name()).or_default() += 1;
            self.faults.fetch_add(1, Relaxed);
        }
        println!("{:6.1} s: {:?} for {:?}", self.began.elapsed().as_secs_f64(), step.faults, step.hold);
        let (away, trouble) = strike(self.world, step).await;
        self.summary.redis_away += away;
        self.summary.wrong.extend(trouble);
        if step.settle {
            self.settle(&format!("{:?}", step.faults)).await;
        }
    }

    fn truth(&self) -> Option<People> {
        let stories: Vec<_> = self.stories.iter().map(|story| story.lock()).collect();
        truth(&self.rooms, stories.iter().map(|story| &**story))
    }

    /// Nobody moves of their own will until all agree on who is there.
    async fn settle(&mut self, after: &str) {
        self.stage.send_replace(Stage::Calm);
        self.agree(after).await;
        println!("{:6.1} s: all agree", self.began.elapsed().as_secs_f64());
        self.stage.send_replace(Stage::Talk);
    }

    /// Waits until every node says who is there, and it is true; answers what they said, and how far the logs go.
    async fn agree(&mut self, after: &str) -> Option<(People, Vec<(Told, u64)>)> {
        let began = Instant::now();
        let (mut still, mut known, mut why) = (began, None, String::new());
        while began.elapsed() < QUIET_MAX {
            let now = self.truth();
            if now != known {
                (still, known) = (Instant::now(), now);
            }
            if let Some(people) = &known {
                match self.world.told(people).await {
                    Ok(told) => {
                        let said: Vec<Told> = told.iter().map(|(told, _)| told.clone()).collect();
                        let flaws = presence(people, &said);
                        if flaws.is_empty() && self.truth() == known {
                            let took = still.elapsed();
                            self.summary.agreed_after = self.summary.agreed_after.max(took);
                            if took > AGREE_MAX {
                                self.summary.wrong.push(format!("agreed only {took:?} after {after}; before: {why}"));
                            }
                            return Some((people.clone(), told));
                        }
                        why = format!("{flaws:?}");
                    }
                    Err(error) => why = error,
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let unsure = if known.is_none() { "a client waits for an answer to SUBSCRIBE or UNSUBSCRIBE; " } else { "" };
        self.summary.wrong.push(format!("no agreement {QUIET_MAX:?} after {after}: {unsure}{why}"));
        None
    }

    /// Everybody comes, says a last word, has everything acknowledged, and hears all up to the end.
    async fn gather(&mut self) -> (People, Vec<Told>) {
        self.stage.send_replace(Stage::Gather);
        self.until("everybody is there and acknowledged", |stories, people, _| {
            everybody_is_there(stories, people, &[]) && stories.iter().all(|story| story.unacknowledged() == 0)
        })
        .await;
        let said: Vec<usize> = self.stories.iter().map(|story| story.lock().said.len()).collect();
        self.stage.send_replace(Stage::LastWord);
        let heard = |story: &Story, told: &[(Told, u64)]| {
            let mut ends = told.iter().filter(|(told, _)| told.room == story.room).map(|(_, last)| *last);
            ends.all(|last| story.last() == Some(last))
        };
        let last = self
            .until("the last words are heard", |stories, _, told| {
                let spoken = stories.iter().zip(&said).all(|(story, before)| story.said.len() == before + 1);
                spoken && stories.iter().all(|story| story.unacknowledged() == 0 && heard(story, told))
            })
            .await;
        let Some((people, told)) = last else { return Default::default() };
        for story in &self.stories {
            let mut story = story.lock();
            story.until = told.iter().filter(|(told, _)| told.room == story.room).map(|(_, last)| *last).max();
            if story.unacknowledged() > 0 {
                let what = format!("client {}: {} receipts never came", story.number, story.unacknowledged());
                self.summary.wrong.push(what);
            }
        }
        (people, told.into_iter().map(|(told, _)| told).collect())
    }

    /// Waits until this is so, and all agree. What holds it up is for the checker to find.
    async fn until(
        &mut self,
        what: &str,
        mut so: impl FnMut(&[Story], &People, &[(Told, u64)]) -> bool,
    ) -> Option<(People, Vec<(Told, u64)>)> {
        let began = Instant::now();
        loop {
            let (people, told) = self.agree(what).await?;
            let stories: Vec<Story> = self.stories.iter().map(|story| story.lock().clone()).collect();
            if so(&stories, &people, &told) {
                return Some((people, told));
            }
            if began.elapsed() > QUIET_MAX {
                self.summary.wrong.push(format!("not within {QUIET_MAX:?}: {what}"));
                return Some((people, told));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Everybody leaves, and all agree that nobody is there.
    async fn go_home(&mut self) {
        self.stage.send_replace(Stage::Leave);
        while let Some(ended) = self.clients.join_next().await {
            ended.unwrap();
        }
        self.agree("everybody left").await;
    }

    async fn evidence(&mut self, truth: People, told: Vec<Told>) -> Evidence {
        let mut evidence = Evidence { truth, told, ..Evidence::default() };
        evidence.stories = self.stories.iter().map(|story| story.lock().clone()).collect();
        for room in &self.rooms {
            let logs = evidence.logs.entry(room.clone()).or_default();
            for node in 0..self.world.nodes.len() {
                match self.world.log(node, room).await {
                    Ok(log) => logs.push(log),
                    Err(error) => self.summary.wrong.push(error),
                }
            }
        }
        if let Some(redis) = &self.world.redis {
            let began = Instant::now();
            loop {
                evidence.keys = redis.keys(PREFIX).await;
                if leftovers(&evidence.keys).is_empty() || began.elapsed() > AGREE_MAX {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            if !evidence.keys.iter().any(|(key, _)| key == "{all}:epoch") {
                self.summary.wrong.push("the scan for keys finds none of a store".to_owned());
            }
        }
        evidence
    }

    fn judge(&mut self, evidence: &Evidence) {
        let (summary, flaws) = (&mut self.summary, check(evidence));
        summary.lost = flaws.iter().filter(|flaw| matches!(flaw, Flaw::Lost { .. } | Flaw::Hole { .. })).count() as u64;
        let doubled = |flaw: &&Flaw| matches!(flaw, Flaw::Doubled { .. } | Flaw::HeardAgain { .. });
        summary.doubled = flaws.iter().filter(doubled).count() as u64;
        for flaw in &flaws {
            match flaw {
                Flaw::Lost { id, .. } if evidence.may_lose => {
                    let cut = lost_after(id, &evidence.stories, &self.world.cuts);
                    summary.lost_after = summary.lost_after.max(cut);
                    if cut.is_none() {
                        summary.wrong.push(format!("{flaw:?} before any failover"));
                    }
                }
                _ => summary.wrong.push(format!("{flaw:?}")),
            }
        }
        summary.entries = evidence.logs.values().filter_map(|logs| logs.first()).map(|log| log.len() as u64).sum();
        for story in &evidence.stories {
            summary.said += story.said.len() as u64;
            summary.acknowledged += story.said.iter().filter(|said| said.acknowledged.is_some()).count() as u64;
            summary.delivered += story.heard.len() as u64;
            summary.gaps_told += story.gaps.len() as u64;
            summary.connections += story.connections;
            for (code, count) in &story.refusals {
                *summary.refusals.entry(code.clone()).or_default() += count;
            }
        }
    }
}

/// How long after the last cut of the replica before it a message was acknowledged.
fn lost_after(id: &str, stories: &[Story], cuts: &[Instant]) -> Option<Duration> {
    let at = stories.iter().flat_map(|story| &story.said).find(|said| said.id == id)?.acknowledged?;
    cuts.iter().filter_map(|cut| at.checked_duration_since(*cut)).min()
}

fn everybody_is_there(stories: &[Story], people: &People, _: &[(Told, u64)]) -> bool {
    let persons: BTreeSet<&str> = stories.iter().map(|story| &*story.person).collect();
    people.values().map(BTreeSet::len).sum::<usize>() == persons.len()
}
