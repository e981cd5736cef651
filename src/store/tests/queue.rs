//! What waits while the store does not work.

use super::*;

on_each_store![
    above_the_queues_limit_appends_are_refused_and_nothing_acknowledged_is_lost,
    a_group_takes_as_many_places_in_the_queue_as_it_has_messages,
];

fn ten() -> Settings {
    Settings { queue_max: 10, ..Settings::default() }
}

async fn above_the_queues_limit_appends_are_refused_and_nothing_acknowledged_is_lost(on: On) {
    let house = House::alone(on, ten()).await;
    let room = house.room().await;
    let busy = house.hold().await;
    let asked: Vec<_> = (0..30).map(|n| house.store.append(draft(room, "a", &n.to_string(), None))).collect();
    let entering = house.entering(room, "a", 1);
    drop(busy);
    let mut acknowledged = Vec::new();
    for (n, answer) in asked.into_iter().enumerate() {
        match settled(answer).await {
            Ok(_) => acknowledged.push(n.to_string()),
            refusal => assert_eq!(refusal, Err(StoreError::Busy)),
        }
    }
    assert_eq!(acknowledged.len(), 10);
    assert_eq!(settled(entering).await.unwrap().last, 11, "to come in is always possible");
    let said: Vec<String> = house.all(room).await.entries[..10].iter().map(|entry| entry.message.to_string()).collect();
    assert_eq!(said, acknowledged);
    assert_eq!(house.say(room, "a", "again").await, Ok(12));
}

async fn a_group_takes_as_many_places_in_the_queue_as_it_has_messages(on: On) {
    let house = House::alone(on, ten()).await;
    let room = house.room().await;
    let group = |n: usize| house.store.append_all(vec![draft(room, "a", "x", None); n]);
    let busy = house.hold().await;
    let (six, five, four) = (group(6), group(5), group(4));
    let one = house.store.append(draft(room, "a", "x", None));
    drop(busy);
    assert_eq!(settled(six).await.unwrap().len(), 6);
    assert_eq!(settled(five).await, Err(StoreError::Busy));
    assert_eq!(settled(four).await.unwrap().len(), 4);
    assert_eq!(settled(one).await, Err(StoreError::Busy));
    assert_eq!(settled(group(10)).await.unwrap().len(), 10, "the places are free again");
}
