use super::*;

#[tokio::test]
async fn without_a_server_the_command_line_sees_nobody() {
    let house = house().await;
    let room = house.room().await;
    house.enter(room, "a", 1).await.unwrap();
    let admin = house.admin().await;
    assert_eq!(admin.rooms().await.unwrap()[0].user_count, 1);
    house.store.close().await;
    assert_eq!(admin.rooms().await.unwrap()[0].user_count, 0);
    assert_eq!(admin.room(room).await.unwrap().unwrap().user_count, 0);
    assert_eq!(admin.members(room).await.unwrap(), []);
}

#[tokio::test]
async fn a_second_server_on_the_folder_is_refused_with_the_process_of_the_first() {
    let house = house().await;
    let refusal = open(house.folder(), Mode::Serve, &file_settings(&house.settings), &house.clocks).err().unwrap();
    assert!(refusal.to_string().contains(&format!("(process {})", std::process::id())), "{refusal}");
    house.store.close().await;
    assert!(open(house.folder(), Mode::Serve, &file_settings(&house.settings), &house.clocks).is_ok());
}
