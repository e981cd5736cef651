//! Whatever dies: several nodes over one Redis, a hundred people, and a nemesis with a seed. Everything that the clients
//! lived through is judged afterwards by a checker that knows nothing but that.
//!
//! `make chaos` does it for an hour; `CHAOS_SEED=n` does it again as it was.

pub(crate) mod ask;
mod backing;
mod checker;
mod client;
mod history;
mod nemesis;
mod planted;
mod process;
mod proxy;
mod random;
mod redis;
mod report;
mod round;
mod world;

use std::time::{Duration, Instant};

use self::nemesis::{ALONE, DEPOSITION, FAILOVER, FAILOVERS, Holds, OF_A_CLUSTER, SHARED};
use self::random::Random;
use self::report::{number, tell};
use self::round::{Round, Shape, Summary};
use self::world::World;

/// The seed that was asked for, or a new one.
fn seed() -> u64 {
    number("CHAOS_SEED").unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0)
}

/// One round; nothing may be wrong.
async fn one_round(mut world: World, shape: Shape) -> Summary {
    let seed = seed();
    println!("CHAOS_SEED={seed}");
    let summary = Round::begin(&mut world, &shape, seed).await.run(&shape, seed).await;
    println!("{summary}");
    let wrong = &summary.wrong[..summary.wrong.len().min(40)];
    assert!(wrong.is_empty(), "with CHAOS_SEED={seed}:\n{}", wrong.join("\n"));
    assert!(summary.acknowledged > 100 && summary.faults.len() == shape.kinds.len(), "too little happened: {summary}");
    summary
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_node_loses_and_doubles_nothing_and_counts_right_whatever_dies() {
    let shape = Shape {
        clients: 40,
        rooms: 3,
        kinds: &ALONE,
        steps: 6,
        holds: Holds { millis_min: 500, millis_max: 2_500 },
        rate: 80,
        may_lose: false,
    };
    one_round(World::over_a_file(24).await, shape).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_over_redis_lose_and_double_nothing_and_count_right_whatever_dies() {
    let shape = Shape {
        clients: 60,
        rooms: 4,
        kinds: &SHARED,
        steps: 10,
        holds: Holds { millis_min: 300, millis_max: 4_500 },
        rate: 60,
        may_lose: false,
    };
    one_round(World::over_redis(3, 36).await, shape).await;
}

const OVER_A_CLUSTER: Shape = Shape {
    clients: 40,
    rooms: 6,
    kinds: &OF_A_CLUSTER,
    steps: 6,
    holds: Holds { millis_min: 300, millis_max: 3_000 },
    rate: 50,
    may_lose: false,
};

const OVER_A_PAIR: Shape = Shape {
    clients: 40,
    rooms: 4,
    kinds: &FAILOVER,
    steps: 2,
    holds: Holds { millis_min: 1_000, millis_max: 2_000 },
    rate: 200,
    may_lose: true,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_over_a_cluster_lose_and_double_nothing_and_count_right_whatever_dies() {
    one_round(World::over_a_cluster(3, 30).await, OVER_A_CLUSTER).await;
}

/// What a replica did not have when it became the master is lost, is counted, and nothing else is wrong.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_loses_what_the_replica_had_not_and_no_offset_means_two_things() {
    one_round(World::over_a_sentinel(3, 30, 0).await, OVER_A_PAIR).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_comes_back_as_a_replica_leaves_nothing_behind_that_nobody_else_has() {
    one_round(World::over_a_sentinel(3, 30, 0).await, Shape { kinds: &DEPOSITION, ..OVER_A_PAIR }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_loses_nothing_that_was_acknowledged_where_replicas_are_waited_for() {
    let summary = one_round(World::over_a_sentinel(3, 30, 1).await, OVER_A_PAIR).await;
    assert_eq!((summary.lost, summary.lost_after), (0, None), "{summary}");
}

/// What `make chaos` runs: rounds of two minutes or so, each in new rooms and judged by itself, until the time is over
/// or something is wrong.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it takes an hour: make chaos"]
async fn three_nodes_over_redis_for_hours() {
    let shape = Shape {
        clients: 100,
        rooms: 4,
        kinds: &SHARED,
        steps: 20,
        holds: Holds { millis_min: 300, millis_max: 15_000 },
        rate: 80,
        may_lose: false,
    };
    let (seed, began) = (seed(), Instant::now());
    let time = Duration::from_secs(number("CHAOS_SECONDS").unwrap_or(3_600));
    // Tokens live for a day.
    assert!(time < Duration::from_hours(23), "at most 82000 seconds");
    let (mut world, shape) = match std::env::var("CHAOS_WORLD").as_deref() {
        Err(_) | Ok("redis") => (World::over_redis(3, 60).await, shape),
        Ok("cluster") => (World::over_a_cluster(3, 60).await, Shape { kinds: &OF_A_CLUSTER, steps: 12, ..shape }),
        Ok("sentinel") => {
            let replicas_min = number("CHAOS_REPLICAS_MIN").unwrap_or(0).try_into().unwrap();
            let world = World::over_a_sentinel(3, 60, replicas_min).await;
            (world, Shape { kinds: &FAILOVERS, steps: 6, may_lose: replicas_min == 0, rate: 200, ..shape })
        }
        Ok(other) => panic!("CHAOS_WORLD is redis, cluster or sentinel, not {other:?}"),
    };
    let mut all = Summary::default();
    while all.rounds == 0 || began.elapsed() < time && all.wrong.is_empty() {
        // The first round is the seed's own, so that a round can be had again by itself.
        let own = if all.rounds == 0 { seed } else { Random::of(seed, all.rounds).next() };
        println!("round {}: CHAOS_SEED={own}", all.rounds + 1);
        let round = Round::begin(&mut world, &shape, own).await;
        let progress = round.progress();
        let summary = tokio::select! {
            summary = round.run(&shape, own) => summary,
            () = tell(&progress, &all, seed, began) => unreachable!(),
        };
        all.add(&summary);
    }
    println!("{all}");
    assert!(all.wrong.is_empty(), "{}", all.wrong.join("\n"));
}
