use super::*;

#[tokio::test]
async fn what_is_too_many_goes_by_itself_to_the_last_one() {
    let mut house = House::with(On::Sqlite, Settings { keep_entries: Some(10), ..Settings::default() }).await;
    let room = house.room().await;
    for n in 1..=100 {
        house.say(room, "a", "x").await.unwrap();
        assert!(house.all(room).await.first <= u64::max(n, 10) - 9, "never more than asked for");
    }
    until("ten are left", async || house.all(room).await.first == 91).await;
    assert_eq!(offsets(&house.all(room).await.entries), (91..=100).collect::<Vec<_>>());
    house.settings.keep_entries = Some(3);
    house.restart().await;
    until("three are left, though nobody speaks", async || house.all(room).await.first == 98).await;
}
