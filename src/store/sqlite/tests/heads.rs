use super::*;

/// What the rows say of themselves: whether one is behind, and the newest offset of each.
pub(super) fn rows(house: &House) -> (bool, Vec<i64>) {
    let file = rusqlite::Connection::open(house.folder().join("sarangbang.db")).unwrap();
    let mut look = file.prepare("SELECT behind, last_offset FROM room ORDER BY key").unwrap();
    let rows = look.query_map([], |r| Ok((r.get::<_, bool>(0)?, r.get::<_, i64>(1)?))).unwrap();
    let (behind, last): (Vec<bool>, Vec<i64>) = rows.map(|row| row.unwrap()).unzip();
    (behind.contains(&true), last)
}

#[tokio::test]
async fn another_process_sees_every_append_whether_the_row_knows_of_it_or_not() {
    let house = house().await;
    let (room, other) = (house.room().await, house.room().await);
    house.pass(1);
    house.say(other, "a", "x").await.unwrap();
    house.pass(1);
    let admin = house.admin().await;
    let mut behind = 0;
    for offset in 1..=200 {
        assert_eq!(house.say(room, "a", "x").await, Ok(offset));
        behind += usize::from(rows(&house).0);
        let listed = admin.rooms().await.unwrap();
        assert_eq!(
            listed.iter().map(|room| (room.id, room.last_offset)).collect::<Vec<_>>(),
            [(room, offset), (other, 1)]
        );
        let newest = admin.newest(room, None, 1).await.unwrap();
        assert_eq!((newest.last, newest.entries[0].sent_at), (offset, listed[0].last_at));
    }
    assert!(behind > 0, "rows are left alone, as far as sweeps allow");
    assert_eq!(admin.rename_room(room, "y".parse().unwrap()).await.unwrap().last_offset, 200);
}

#[tokio::test]
async fn a_sweep_and_an_end_in_order_bring_the_rows_up_to_date() {
    let mut house = house().await;
    let (room, other) = (house.room().await, house.room().await);
    for _ in 0..3 {
        house.say(room, "a", "x").await.unwrap();
    }
    until("the sweep was there", async || rows(&house) == (false, vec![3, 0])).await;
    house.enter(other, "a", 1).await.unwrap();
    house.say(room, "a", "x").await.unwrap();
    house.store.close().await;
    assert_eq!(rows(&house), (false, vec![4, 1]));
    house.restart().await;
    assert_eq!(house.say(room, "a", "x").await, Ok(5));
    assert_eq!(house.store.room(other).await.unwrap().unwrap().last_offset, 2, "and its QUIT");
}
