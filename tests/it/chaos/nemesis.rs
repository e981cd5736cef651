//! What goes wrong, and when: the same for the same seed.

use std::time::{Duration, Instant};

use super::proxy::Mode;
use super::random::Random;
use super::world::World;

/// One kind of fault. Those of a node say which by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// `kill -9` of Redis, and a start.
    KillRedis,
    /// SIGSTOP and SIGCONT of Redis.
    StopRedis,
    /// The replica of Redis is cut off, and this many milliseconds later its master is killed; it comes back as a replica.
    FailOver(u64),
    /// The same with SIGSTOP and SIGCONT of the master.
    Depose(u64),
    /// The node's connections to Redis are closed, and new ones as well.
    Cut(usize),
    /// They stay open, and nothing passes.
    Stall(usize),
    /// Everything on them takes longer.
    Delay(usize),
    /// `kill -9` of a node, and a start.
    Kill(usize),
    /// SIGTERM of a node, and a start.
    Drain(usize),
    /// SIGSTOP and SIGCONT of a node.
    Stop(usize),
    /// The connections of the node's clients break, all at once.
    Break(usize),
    /// They stay open, and nothing passes; then they break.
    Hang(usize),
}

use Fault::{Break, Cut, Delay, Depose, Drain, FailOver, Hang, Kill, KillRedis, Stall, Stop, StopRedis};

impl Fault {
    const fn node(self) -> Option<usize> {
        match self {
            KillRedis | StopRedis | FailOver(_) | Depose(_) => None,
            Cut(node) | Stall(node) | Delay(node) | Kill(node) | Drain(node) | Stop(node) | Break(node)
            | Hang(node) => Some(node),
        }
    }

    const fn on(self, node: usize) -> Self {
        match self {
            KillRedis => KillRedis,
            StopRedis => StopRedis,
            FailOver(lag) => FailOver(lag),
            Depose(lag) => Depose(lag),
            Cut(_) => Cut(node),
            Stall(_) => Stall(node),
            Delay(_) => Delay(node),
            Kill(_) => Kill(node),
            Drain(_) => Drain(node),
            Stop(_) => Stop(node),
            Break(_) => Break(node),
            Hang(_) => Hang(node),
        }
    }

    /// Its name without the node.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            KillRedis => "redis killed",
            StopRedis => "redis stopped",
            FailOver(_) => "master killed",
            Depose(_) => "master stopped and replaced",
            Cut(_) => "node cut from redis",
            Stall(_) => "node's way to redis stalled",
            Delay(_) => "node's way to redis slow",
            Kill(_) => "node killed",
            Drain(_) => "node restarted",
            Stop(_) => "node stopped",
            Break(_) => "clients broken",
            Hang(_) => "clients hanging",
        }
    }
}

/// What goes wrong with nodes over a Redis.
pub(crate) const SHARED: [Fault; 10] =
    [KillRedis, StopRedis, Cut(0), Stall(0), Delay(0), Kill(0), Drain(0), Stop(0), Break(0), Hang(0)];
/// What goes wrong with nodes over a Cluster.
pub(crate) const OF_A_CLUSTER: [Fault; 6] = [KillRedis, StopRedis, Kill(0), Drain(0), Stop(0), Break(0)];
/// What goes wrong with nodes over a master and its replica.
pub(crate) const FAILOVERS: [Fault; 6] = [FailOver(150), Depose(150), FailOver(0), Kill(0), Stop(0), Break(0)];
/// Two of these: what kills the master, and what stops it.
pub(crate) const FAILOVER: [Fault; 2] = [FailOver(150), Break(0)];
pub(crate) const DEPOSITION: [Fault; 2] = [Depose(150), Break(0)];
/// What goes wrong with a node over its file.
pub(crate) const ALONE: [Fault; 5] = [Kill(0), Drain(0), Stop(0), Break(0), Hang(0)];

/// One or two faults at the same time, and what comes then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) faults: Vec<Fault>,
    /// How long they last.
    pub(crate) hold: Duration,
    /// Whether all have to agree then on who is there; else it goes on after a moment.
    pub(crate) settle: bool,
}

/// How long faults last.
#[derive(Clone, Copy)]
pub(crate) struct Holds {
    pub(crate) millis_min: u64,
    pub(crate) millis_max: u64,
}

/// So many steps. Every kind comes before any comes again, and the last step settles.
pub(crate) fn plan(random: &mut Random, kinds: &[Fault], nodes: usize, steps: usize, holds: Holds) -> Vec<Step> {
    let mut bag: Vec<Fault> = Vec::new();
    let mut plan: Vec<Step> = Vec::new();
    while plan.len() < steps {
        if bag.is_empty() {
            bag = kinds.iter().map(|fault| fault.on(random.below(nodes))).collect();
            random.shuffle(&mut bag);
        }
        let mut faults = vec![bag.pop().unwrap()];
        // Not the same node twice, and not the same Redis.
        if random.once_in(4)
            && let Some(other) = bag.pop_if(|other| other.node() != faults[0].node())
        {
            faults.push(other);
        }
        let hold = random.millis(holds.millis_min..holds.millis_max);
        plan.push(Step { faults, hold, settle: random.once_in(3) });
    }
    plan.iter_mut().rev().take(1).for_each(|step| step.settle = true);
    plan
}

/// How slow a slow way is.
const SLOW: Duration = Duration::from_millis(60);

/// Lets a step's faults happen, and heals them; answers for how long Redis was away, and what did not heal.
pub(crate) async fn strike(world: &mut World, step: &Step) -> (Duration, Vec<String>) {
    let began = Instant::now();
    let (mut away, mut trouble) = (Duration::ZERO, Vec::new());
    for fault in &step.faults {
        begin(world, *fault).await;
    }
    tokio::time::sleep(step.hold).await;
    let mut faults = step.faults.clone();
    // First what others stand on: a node does not start without its Redis.
    faults.sort_by_key(|fault| fault.node().is_some());
    for fault in faults {
        trouble.extend(heal(world, fault).await);
        if fault.node().is_none() {
            away = began.elapsed();
        }
    }
    (away, trouble)
}

async fn begin(world: &mut World, fault: Fault) {
    let redis = world.redis.as_mut();
    match fault {
        FailOver(lag) | Depose(lag) => {
            let (lag, is_killed) = (Duration::from_millis(lag), matches!(fault, FailOver(_)));
            let cut = redis.unwrap().pair_mut().part(lag, is_killed).await;
            world.cuts.push(cut);
        }
        KillRedis => redis.unwrap().kill(),
        StopRedis => redis.unwrap().stop(),
        Cut(node) => world.nodes[node].link(Mode::Cut),
        Stall(node) => world.nodes[node].link(Mode::Stall),
        Delay(node) => world.nodes[node].link(Mode::Delay(SLOW)),
        Kill(node) => world.nodes[node].kill(),
        Drain(node) => world.nodes[node].terminate(),
        Stop(node) => world.nodes[node].stop(),
        Break(node) => world.nodes[node].door.break_all(),
        Hang(node) => world.nodes[node].door.set(Mode::Stall),
    }
}

async fn heal(world: &mut World, fault: Fault) -> Option<String> {
    match fault {
        KillRedis => world.redis.as_mut().unwrap().restart().await,
        StopRedis => world.redis.as_mut().unwrap().resume(),
        FailOver(_) | Depose(_) => {
            let pair = world.redis.as_mut().unwrap().pair_mut();
            pair.promoted().await;
            pair.come_back(matches!(fault, FailOver(_))).await;
        }
        Cut(node) | Stall(node) | Delay(node) => world.nodes[node].link(Mode::Forward),
        Stop(node) => world.nodes[node].resume(),
        Kill(node) => return world.nodes[node].start().await.err(),
        Drain(node) => {
            let in_time = world.nodes[node].ended().await;
            let late = (!in_time).then(|| format!("node {node} did not end; {}", world.nodes[node].log()));
            return world.nodes[node].start().await.err().or(late);
        }
        Break(_) => {}
        Hang(node) => {
            world.nodes[node].door.set(Mode::Cut);
            world.nodes[node].door.set(Mode::Forward);
        }
    }
    None
}

mod tests {
    use super::*;

    const HOLDS: Holds = Holds { millis_min: 500, millis_max: 4_000 };

    #[test]
    fn a_seed_makes_the_same_plan_every_time_and_another_seed_another() {
        let of = |seed| plan(&mut Random::new(seed), &SHARED, 3, 20, HOLDS);
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
    }

    #[test]
    fn every_kind_comes_within_ten_steps_and_the_last_step_settles() {
        for seed in 0..50 {
            let plan = plan(&mut Random::new(seed), &SHARED, 3, 10, HOLDS);
            let names: std::collections::BTreeSet<_> =
                plan.iter().flat_map(|step| &step.faults).map(|fault| fault.name()).collect();
            assert_eq!(names.len(), SHARED.len(), "{names:?}");
            assert!(plan.last().unwrap().settle);
            let held = |step: &Step| (HOLDS.millis_min..HOLDS.millis_max).contains(&(step.hold.as_millis() as u64));
            assert!(plan.iter().all(held));
            assert!(plan.iter().all(|step| step.faults.len() < 2 || step.faults[0].node() != step.faults[1].node()));
        }
    }
}
