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

use self::nemesis::{ALONE, Holds};
use self::report::number;
use self::round::{Round, Shape};
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
    assert!(summary.wrong.is_empty(), "with CHAOS_SEED={seed}:\n{}", summary.wrong.join("\n"));
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
