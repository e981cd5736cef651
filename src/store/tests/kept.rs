//! What parts of the server keep under names, and claim for themselves.

use super::*;

on_each_store![
    what_is_kept_under_a_name_outlives_the_process_until_it_is_forgotten,
    what_is_kept_for_a_while_is_forgotten_by_itself,
    what_is_claimed_stays_with_who_claimed_it,
];

async fn what_is_kept_under_a_name_outlives_the_process_until_it_is_forgotten(on: On) {
    let mut house = House::new(on).await;
    assert_eq!(house.store.kept("a").await.unwrap(), None);
    house.store.keep("a", Secret::new(*b"one")).await.unwrap();
    house.store.keep("a", Secret::new([0, 255, 10, 13])).await.unwrap();
    house.restart().await;
    let admin = house.admin().await;
    assert_eq!(admin.kept("a").await.unwrap(), Some(Secret::new([0, 255, 10, 13])));
    admin.forget("a").await.unwrap();
    admin.forget("a").await.unwrap();
    assert_eq!(house.store.kept("a").await.unwrap(), None);
}

async fn what_is_kept_for_a_while_is_forgotten_by_itself(on: On) {
    let house = House::alone(on, Settings::default()).await;
    house.store.keep_for("a", Secret::new(*b"one"), 60).await.unwrap();
    house.store.keep_for("b", Secret::new(*b"one"), 60).await.unwrap();
    house.store.keep("b", Secret::new(*b"two")).await.unwrap();
    assert_eq!(house.store.kept("a").await.unwrap(), Some(Secret::new(*b"one")));
    house.pass(1);
    assert_eq!(house.store.kept("a").await.unwrap(), None);
    assert_eq!(house.store.kept("b").await.unwrap(), Some(Secret::new(*b"two")), "kept anew, and for ever");
}

async fn what_is_claimed_stays_with_who_claimed_it(on: On) {
    let house = House::new(on).await;
    for what in ["a", "a", "b"] {
        assert_eq!(house.store.claim(what, 60).await, Ok(true));
    }
}
