//! How long it takes to hand an entry round, and to read from a ring. `make bench-micro`
//!
//! Sockets take everything at once and cost nothing: what is left is the program's own.
#![allow(clippy::unwrap_used)]

mod work;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use work::{Crowd, Flavours};

/// The server's own: other allocators make other figures.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// An entry comes from the tail, gets its JSON, goes into the ring and to every member.
fn hub(c: &mut Criterion) {
    let mut group = c.benchmark_group("hub");
    for members in [1, 10, 100, 1_000] {
        group.throughput(Throughput::Elements(members as u64));
        let several = [("one flavour", Flavours::Some(1)), ("eight flavours", Flavours::Some(8))];
        let each = ("a flavour each", Flavours::Each);
        for (name, flavours) in several.into_iter().chain([each]).take(if members == 1 { 1 } else { 3 }) {
            let mut crowd = Crowd::new(members, flavours);
            group.bench_function(format!("round to {members}, {name}"), |b| b.iter(|| crowd.round()));
        }
    }
    group.finish();
}

/// A ring is pushed with each round; here it is read, by somebody who comes and wants what is in it.
fn ring(c: &mut Criterion) {
    let mut group = c.benchmark_group("ring");
    let mut crowd = Crowd::new(1, Flavours::Some(1));
    (0..300).for_each(|_| crowd.round());
    for entries in [1, 10, 100] {
        group.throughput(Throughput::Elements(entries));
        let come = || crowd.latecomer(entries);
        let serve = |latecomer| {
            crowd.catch_up(&latecomer);
            latecomer
        };
        group.bench_function(format!("read {entries}"), |b| b.iter_batched(come, serve, BatchSize::SmallInput));
    }
    group.finish();
}

criterion_group!(benches, hub, ring);
criterion_main!(benches);
