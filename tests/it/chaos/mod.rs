//! Whatever dies: several nodes over one Redis, a hundred people, and a nemesis with a seed. Everything that the clients
//! lived through is judged afterwards by a checker that knows nothing but that.
//!
//! `make chaos` does it for an hour; `CHAOS_SEED=n` does it again as it was.

mod ask;
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

use self::nemesis::{ALONE, Holds, SHARED};
use self::random::Random;
use self::report::{number, tell};
use self::round::{Round, Shape, Summary};
use self::world::World;

/// The seed that was asked for, or a new one.
fn seed() -> u64 {
    number("CHAOS_SEED").unwrap_or_else(|| uuid::Uuid::new_v4().as_u64_pair().0)
}

/// One round; nothing may be wrong.
async fn one_round(mut world: World, shape: Shape) {
    let seed = seed();
    println!("CHAOS_SEED={seed}");
    let summary = Round::begin(&mut world, &shape, seed).await.run(&shape, seed).await;
    println!("{summary}");
    let wrong = &summary.wrong[..summary.wrong.len().min(40)];
    assert!(wrong.is_empty(), "with CHAOS_SEED={seed}:\n{}", wrong.join("\n"));
    assert!(summary.acknowledged > 100 && summary.faults.len() == shape.kinds.len(), "too little happened: {summary}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_node_loses_and_doubles_nothing_and_counts_right_whatever_dies() {
    let shape = Shape {
        clients: 40,
        rooms: 3,
        kinds: &ALONE,
        steps: 6,
        holds: Holds { millis_min: 200, millis_max: 2_500 },
        rate: 50,
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
    };
    one_round(World::over_redis(3, 36).await, shape).await;
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
    };
    let (seed, began) = (seed(), Instant::now());
    let time = Duration::from_secs(number("CHAOS_SECONDS").unwrap_or(3_600));
    // Tokens live for a day.
    assert!(time < Duration::from_hours(23), "at most 82000 seconds");
    let (mut world, mut all) = (World::over_redis(3, 60).await, Summary::default());
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
