use super::*;
use crate::store::StoreError;

/// What is asked while others hold a lane has to come within this.
async fn soon<T>(asked: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), asked).await.expect("it waited with the others")
}

#[tokio::test]
async fn long_lists_over_http_hold_up_neither_a_delivery_nor_a_sign_in_nor_the_look_whether_it_is_ready() {
    let house = house().await;
    let room = house.room().await;
    house.say(room, "a", "x").await.unwrap();
    let made = house.store.add_account(account("a", Role::User)).await.unwrap();
    house.store.add_login([1; 32], &made, i64::MAX).await.unwrap();
    let _lists = house.file().shared.readers.hold(Lane::Page).await;
    let waits = tokio::spawn({
        let store = house.store.clone();
        async move { store.rooms().await }
    });
    assert_eq!(soon(house.store.read(room, 0, 10, 10)).await.unwrap().last, 1);
    assert_eq!(soon(house.store.rooms_of(&[room])).await.unwrap().len(), 1);
    assert!(soon(house.store.account(&name("a"))).await.unwrap().is_some());
    assert!(soon(house.store.login([1; 32])).await.unwrap().is_some());
    assert_eq!(soon(house.store.ready()).await, Ok(()));
    assert!(!waits.is_finished(), "the lane was held all the time");
}

#[tokio::test]
async fn pages_of_history_over_http_do_not_hold_up_the_deliveries() {
    let house = house().await;
    let room = house.room().await;
    let _node = house.file().shared.readers.hold(Lane::Node).await;
    assert_eq!(soon(house.store.oldest(room, 0, 10)).await.unwrap().last, 0);
    assert_eq!(soon(house.store.newest(room, None, 10)).await.unwrap().last, 0);
}

#[tokio::test]
async fn whether_it_is_ready_is_answered_though_no_read_comes_through_at_all() {
    let house = house().await;
    let readers = &house.file().shared.readers;
    let _all = [readers.hold(Lane::Node).await, readers.hold(Lane::Door).await, readers.hold(Lane::Page).await];
    let asked = tokio::time::Instant::now();
    assert!(matches!(house.store.ready().await, Err(StoreError::Unavailable(_))));
    assert!(asked.elapsed() < Duration::from_secs(5));
}
