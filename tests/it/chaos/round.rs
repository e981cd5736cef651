//! One round: people come, faults happen, all is healed, everybody hears the rest and goes home; then it is judged.

use std::collections::BTreeMap;
use std::sync::Arc;
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
    summary: Summary,
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
            summary: Summary { rounds: 1, ..Summary::default() },
        }
    }

    /// Lets everything happen that the seed says, and judges.
    pub(crate) async fn run(mut self, shape: &Shape, seed: u64) -> Summary {
        let steps = plan(&mut Random::of(seed, 0), shape.kinds, self.world.nodes.len(), shape.steps, shape.holds);
        self.settle("before any fault").await;
        for step in &steps {
            // A world that does not get well again has nothing more to tell.
            if self.summary.wrong.is_empty() {
                self.step(step).await;
            }
        }
        let (truth, told) = self.gather().await;
        self.go_home().await;
        let evidence = self.evidence(truth, told).await;
        self.judge(&evidence);
        self.summary
    }

    async fn step(&mut self, step: &Step) {
        for fault in &step.faults {
            *self.summary.faults.entry(fault.name()).or_default() += 1;
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
                            println!("{:6.1} s: all agree {took:?} after {after}", self.began.elapsed().as_secs_f64());
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

    /// Everybody comes, everything is acknowledged, and heard up to the end.
    async fn gather(&mut self) -> (People, Vec<Told>) {
        self.stage.send_replace(Stage::Gather);
        let began = Instant::now();
        while began.elapsed() < QUIET_MAX {
            let Some((people, told)) = self.agree("the last fault").await else { break };
            let ends: BTreeMap<String, u64> = told.iter().map(|(told, last)| (told.room.clone(), *last)).collect();
            let same = told.iter().all(|(told, last)| ends[&told.room] == *last);
            let done = self.stories.iter().all(|story| {
                let story = story.lock();
                Chatter::open_of(&story) == 0 && story.last() >= Some(ends[&story.room])
            });
            let present = people.values().map(|names| names.len()).sum::<usize>() == self.world.people.len();
            if same && done && present {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let Some((people, told)) = self.agree("everybody had come").await else { return Default::default() };
        for story in &self.stories {
            let mut story = story.lock();
            let open = Chatter::open_of(&story);
            if open > 0 {
                let what = format!("client {} was left without the receipts of {open} messages", story.number);
                self.summary.wrong.push(what);
            }
            story.until = told.iter().filter(|(told, _)| told.room == story.room).map(|(_, last)| *last).max();
        }
        (people, told.into_iter().map(|(told, _)| told).collect())
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
        }
        evidence
    }

    fn judge(&mut self, evidence: &Evidence) {
        let (summary, flaws) = (&mut self.summary, check(evidence));
        summary.lost = flaws.iter().filter(|flaw| matches!(flaw, Flaw::Lost { .. } | Flaw::Hole { .. })).count() as u64;
        let doubled = |flaw: &&Flaw| matches!(flaw, Flaw::Doubled { .. } | Flaw::HeardAgain { .. });
        summary.doubled = flaws.iter().filter(doubled).count() as u64;
        summary.wrong.extend(flaws.iter().map(|flaw| format!("{flaw:?}")));
        summary.entries = evidence.logs.values().filter_map(|logs| logs.first()).map(|log| log.len() as u64).sum();
        for story in &evidence.stories {
            summary.said += story.said.len() as u64;
            summary.acknowledged += story.said.iter().filter(|said| said.acknowledged).count() as u64;
            summary.delivered += story.heard.len() as u64;
            summary.gaps_told += story.gaps.len() as u64;
            summary.connections += story.connections;
            for (code, count) in &story.refusals {
                *summary.refusals.entry(code.clone()).or_default() += count;
            }
        }
    }
}
