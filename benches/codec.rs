//! How long it takes to read and to write frames. `make bench-micro`
#![allow(clippy::unwrap_used)]

mod work;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn codec(c: &mut Criterion) {
    let mut group = c.benchmark_group("codec");
    for (name, octets) in [("CONNECT", work::connect()), ("SUBSCRIBE", work::subscribe()), ("SEND", work::send())] {
        group.throughput(Throughput::Bytes(octets.len() as u64));
        group.bench_function(format!("decode {name}"), |b| b.iter(|| work::decode(&octets)));
    }
    let body = work::decode(&work::send()).body;
    group.throughput(Throughput::Bytes(work::encode(&body).len() as u64));
    group.bench_function("encode MESSAGE", |b| b.iter(|| work::encode(&body)));
    group.throughput(Throughput::Bytes(work::send().len() as u64));
    let mut next = work::web_socket(&work::send());
    group.bench_function("WebSocket text frame", |b| b.iter(&mut next));
    group.finish();
}

criterion_group!(benches, codec);
criterion_main!(benches);
