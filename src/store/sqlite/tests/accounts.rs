use super::*;
use crate::store::Invitation;

#[tokio::test]
async fn what_has_ended_does_not_stay_in_the_file() {
    let house = house().await;
    let expires_at = house.now() + MINUTE_MS;
    let made = house.store.add_account(account("a", Role::User)).await.unwrap();
    house.store.add_login([2; 32], &made, expires_at).await.unwrap();
    house.store.add_invitation(Invitation { key: [1; 32], role: Role::User, expires_at }).await.unwrap();
    settled(house.store.append(draft(house.room().await, "a", "x", Some("1")))).await.unwrap();
    let rows = "SELECT (SELECT count(*) FROM login) + (SELECT count(*) FROM invitation) + (SELECT count(*) FROM dedup)";
    let rows =
        async || house.file().read_with(Lane::Page, |file| Ok(file.query_row(rows, [], |r| r.get::<_, i64>(0))?)).await;
    assert_eq!(rows().await, Ok(3));
    house.pass(25);
    until("all of it is gone", async || rows().await == Ok(0)).await;
}
