//! Who is in a room, and what is said of their coming and going.

use super::*;

on_each_store![
    two_people_entering_at_once_see_different_counts,
    a_second_tab_is_not_announced_and_the_last_one_to_go_is,
    leaving_twice_takes_one_away,
    entering_twice_by_one_lease_is_one_lease,
    a_cursor_behind_the_end_of_the_log_is_refused_and_nobody_enters,
    after_a_restart_everybody_has_left_one_after_the_other,
    beside_a_server_the_command_line_sees_its_people,
    the_command_line_itself_neither_enters_nor_speaks,
];

async fn two_people_entering_at_once_see_different_counts(on: On) {
    let house = House::new(on).await;
    let room = house.room().await;
    let (a, b) = (house.entering(room, "a", 1), house.entering(room, "b", 2));
    let entered =
        |last, user_count| Entered { last, first: 1, missing: 0, announced: true, user_count, history: History::On };
    assert_eq!((settled(a).await, settled(b).await), (Ok(entered(1, 1)), Ok(entered(2, 2))));
    assert_eq!(counts(&house.all(room).await.entries), [1, 2]);
    assert_eq!(house.store.members(room).await.unwrap(), [name("a"), name("b")]);
}

async fn a_second_tab_is_not_announced_and_the_last_one_to_go_is(on: On) {
    let house = House::new(on).await;
    let room = house.room().await;
    assert!(house.enter(room, "a", 1).await.unwrap().announced);
    let second = house.enter(room, "a", 2).await.unwrap();
    assert_eq!((second.announced, second.last, second.user_count), (false, 1, 1));
    house.leave(room, "a", 1);
    house.say(room, "a", "still here").await.unwrap();
    house.leave(room, "a", 2);
    let room_now = house.room_when(room, |room| room.last_offset == 3).await;
    assert_eq!(room_now.user_count, 0);
    let entries = house.all(room).await.entries;
    assert_eq!(entries.iter().map(|entry| entry.kind).collect::<Vec<_>>(), [Kind::Enter, Kind::Talk, Kind::Quit]);
    assert_eq!(counts(&entries), [1, 1, 0]);
}

async fn leaving_twice_takes_one_away(on: On) {
    let house = House::new(on).await;
    let room = house.room().await;
    house.enter(room, "a", 1).await.unwrap();
    house.enter(room, "b", 2).await.unwrap();
    house.leave(room, "a", 1);
    house.leave(room, "a", 1);
    house.leave(room, "c", 3);
    house.say(room, "b", "alone").await.unwrap();
    assert_eq!(counts(&house.all(room).await.entries), [1, 2, 1, 1]);
}

async fn entering_twice_by_one_lease_is_one_lease(on: On) {
    let house = House::new(on).await;
    let room = house.room().await;
    assert!(house.enter(room, "a", 1).await.unwrap().announced);
    assert!(!house.enter(room, "a", 1).await.unwrap().announced);
    house.leave(room, "a", 1);
    house.say(room, "b", "x").await.unwrap();
    assert_eq!(counts(&house.all(room).await.entries), [1, 0, 0]);
}

async fn a_cursor_behind_the_end_of_the_log_is_refused_and_nobody_enters(on: On) {
    let house = House::new(on).await;
    let room = house.room().await;
    house.say(room, "a", "x").await.unwrap();
    let enter = |after| settled(house.store.enter(room, name("a"), LeaseId(1), Some(after)));
    assert_eq!(enter(2).await, Err(StoreError::AfterPastEnd { last: 1 }));
    let untouched = house.store.room(room).await.unwrap().unwrap();
    assert_eq!((untouched.user_count, untouched.last_offset), (0, 1));
    assert_eq!(enter(1).await.unwrap().last, 2);
}

async fn after_a_restart_everybody_has_left_one_after_the_other(on: On) {
    let mut house = House::new(on).await;
    let (room, quiet) = (house.room().await, house.room().await);
    for (lease, who) in ["a", "b", "c", "a"].into_iter().enumerate() {
        house.enter(room, who, lease as u64).await.unwrap();
    }
    house.restart().await;
    house.everybody_has_left(room).await;
    let entries = house.all(room).await.entries;
    assert_eq!(counts(&entries), [1, 2, 3, 2, 1, 0]);
    assert!(entries[3..].iter().all(|entry| entry.kind == Kind::Quit));
    assert_eq!(house.store.members(room).await, Ok(vec![]));
    assert_eq!(house.all(quiet).await.last, 0);
    house.restart().await;
    assert_eq!(house.all(room).await.last, 6, "once is enough");
    assert_eq!(house.enter(room, "a", 0).await.unwrap().user_count, 1);
}

async fn beside_a_server_the_command_line_sees_its_people(on: On) {
    let house = House::new(on).await;
    let room = house.room().await;
    house.enter(room, "a", 1).await.unwrap();
    let admin = house.admin().await;
    assert_eq!(admin.rooms().await.unwrap()[0].user_count, 1);
    assert_eq!(admin.members(room).await.unwrap(), [name("a")]);
}

async fn the_command_line_itself_neither_enters_nor_speaks(on: On) {
    let house = House::new(on).await;
    let (room, admin) = (house.room().await, house.admin().await);
    assert!(matches!(settled(admin.append(draft(room, "a", "x", None))).await, Err(StoreError::Unavailable(_))));
    let entered = settled(admin.enter(room, name("a"), LeaseId(1), None)).await;
    assert!(matches!(entered, Err(StoreError::Unavailable(_))));
    assert_eq!(house.all(room).await.last, 0);
}
