//! Nothing is allocated for a delivery: a round takes as many allocations among a thousand members as among a hundred.
//!
//! A program of its own, because its allocator counts. It counts by thread, and a crowd lives on one.
// The crowd is the benches' own, who use more of it.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

#[path = "../benches/work/crowd.rs"]
mod crowd;
#[path = "../benches/work/ground.rs"]
mod ground;

use allocation_counter::measure;
use crowd::{Crowd, Flavours};

/// Allocations of a round, once everything that grows has grown.
fn of_a_round(members: usize, flavours: usize) -> u64 {
    let mut crowd = Crowd::new(members, Flavours::Some(flavours));
    (0..600).for_each(|_| crowd.round());
    let rounds = 64;
    let counted = measure(|| (0..rounds).for_each(|_| crowd.round())).count_total;
    counted / rounds
}

#[test]
fn a_round_allocates_no_more_for_a_thousand_members_than_for_a_hundred() {
    assert_eq!(of_a_round(1_000, 1), of_a_round(100, 1));
}

#[test]
fn nor_where_subscriptions_have_several_names() {
    assert_eq!(of_a_round(1_000, 8), of_a_round(100, 8));
}

#[test]
fn an_allocation_for_each_member_would_be_seen() {
    // More flavours than a round keeps: each member beyond them has its frame encoded alone.
    assert!(of_a_round(200, 100) > of_a_round(100, 100) + 100);
}
