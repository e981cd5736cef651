use std::future::poll_fn;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::http::socket::{Incoming, Intake};
use crate::node::web_socket_frame;

const LIMIT: usize = 100;

fn pipe() -> (Arc<Pipe>, Side) {
    let pipe = Pipe::new(LIMIT, LIMIT);
    let side = Side(Arc::clone(&pipe));
    (pipe, side)
}

fn text(text: &str) -> BytesMut {
    let mut frame = BytesMut::new();
    web_socket_frame(TEXT, text.as_bytes(), &mut frame);
    frame
}

fn control(opcode: u8, payload: &[u8]) -> BytesMut {
    let mut frame = BytesMut::new();
    web_socket_frame(opcode, payload, &mut frame);
    frame
}

async fn next(turn: &mut Turn) -> String {
    match poll_fn(|cx| turn.poll_next(cx)).await {
        Told::Frame(frame) => String::from_utf8(frame.bytes().to_vec()).unwrap(),
        Told::ComeAgain => "come again".to_owned(),
    }
}

/// What one poll gets.
async fn poll(pipe: &Arc<Pipe>) -> String {
    match pipe.receive() {
        Ok(mut turn) => {
            let told = next(&mut turn).await;
            turn.done();
            told
        }
        Err(frame) => String::from_utf8(frame.bytes().to_vec()).unwrap(),
    }
}

/// Whether the connection's side takes these bytes now.
fn takes(side: &mut Side, bytes: &[u8]) -> Option<usize> {
    match Pin::new(side).poll_write(&mut Context::from_waker(Waker::noop()), bytes) {
        Poll::Ready(taken) => Some(taken.unwrap()),
        Poll::Pending => None,
    }
}

async fn read(side: &mut Side) -> Vec<Incoming> {
    let mut bytes = vec![0; 1_000];
    let length = side.read(&mut bytes).await.unwrap();
    let mut intake = Intake::new(1_000);
    intake.feed(&bytes[..length]);
    std::iter::from_fn(|| intake.next().unwrap()).collect()
}

#[tokio::test]
async fn the_first_to_receive_hears_that_it_is_open_and_messages_that_wait_come_together() {
    let (pipe, mut side) = pipe();
    side.write_all(&[text("하나"), text("둘\n")].concat()).await.unwrap();
    assert_eq!(poll(&pipe).await, "o");
    assert_eq!(poll(&pipe).await, "a[\"하나\",\"둘\\n\"]");
    let waiting = tokio::spawn({
        let pipe = Arc::clone(&pipe);
        async move { poll(&pipe).await }
    });
    tokio::task::yield_now().await;
    side.write_all(&text("셋")).await.unwrap();
    assert_eq!(waiting.await.unwrap(), "a[\"셋\"]");
}

#[tokio::test]
async fn no_more_is_taken_than_the_limit_and_one_frame_until_somebody_fetches_it() {
    let (pipe, mut side) = pipe();
    assert_eq!(poll(&pipe).await, "o");
    let many = text(&"x".repeat(40)).repeat(10);
    // Forty letters and two quotes each, and the commas: three of them reach the limit of a hundred.
    assert_eq!(takes(&mut side, &many), Some(3 * 42));
    assert_eq!(takes(&mut side, &many), None);
    assert_eq!(poll(&pipe).await.len(), 3 * 42 + 2 + 3);
    assert_eq!(takes(&mut side, &many), Some(3 * 42));
}

#[tokio::test]
async fn what_clients_say_becomes_frames_and_waits_while_nobody_reads() {
    let (pipe, mut side) = pipe();
    pipe.say(said::read("[\"안녕\"]".as_bytes()).unwrap()).await.unwrap();
    let long = said::read(format!("[\"{}\"]", "x".repeat(90)).as_bytes()).unwrap();
    let saying = tokio::spawn({
        let pipe = Arc::clone(&pipe);
        async move { pipe.say(long).await }
    });
    tokio::task::yield_now().await;
    assert!(!saying.is_finished(), "more than the limit is there");
    assert_eq!(read(&mut side).await, [Incoming::Message("안녕".into())]);
    assert_eq!(saying.await.unwrap(), Ok(()));
    assert_eq!(read(&mut side).await, [Incoming::Message("x".repeat(90).into())]);
}

#[tokio::test]
async fn two_do_not_receive_at_once_and_a_receiver_that_breaks_off_ends_the_session() {
    let (pipe, mut side) = pipe();
    let mut turn = pipe.receive().unwrap();
    assert_eq!(next(&mut turn).await, "o");
    assert_eq!(poll(&pipe).await, "c[2010,\"Another connection still open\"]");
    side.write_all(&text("lost")).await.unwrap();
    drop(turn);
    for _ in 0..2 {
        assert_eq!(poll(&pipe).await, "c[1002,\"Connection interrupted\"]");
    }
    assert_eq!(side.read(&mut [0; 10]).await.unwrap(), 0, "the connection hears of it at once");
    assert!(side.write_all(&text("x")).await.is_err());
    assert_eq!(pipe.say(BytesMut::new()).await, Err(Gone));
}

#[tokio::test]
async fn the_close_frame_is_told_behind_all_messages_and_to_all_who_come_then() {
    let (pipe, mut side) = pipe();
    assert_eq!(poll(&pipe).await, "o");
    side.write_all(&[text("bye"), control(CLOSE, &[0x03, 0xF0, b'n', b'o'])].concat()).await.unwrap();
    assert_eq!(side.read(&mut [0; 10]).await.unwrap(), 0, "no answer to it is waited for");
    side.shutdown().await.unwrap();
    assert!(pipe.finish(), "somebody may come");
    for told in ["a[\"bye\"]", "c[1008,\"no\"]", "c[1008,\"no\"]"] {
        assert_eq!(poll(&pipe).await, told);
    }
}

#[tokio::test]
async fn a_session_that_ends_without_a_word_says_go_away() {
    let (pipe, _side) = pipe();
    assert_eq!(poll(&pipe).await, "o");
    let mut turn = pipe.receive().unwrap();
    pipe.finish();
    assert_eq!(next(&mut turn).await, "c[3000,\"Go away!\"]");
    turn.done();
    assert_eq!(poll(&pipe).await, "c[3000,\"Go away!\"]");
}

#[tokio::test]
async fn a_ping_is_answered_by_a_client_that_comes_again_and_by_nobody_else() {
    let (pipe, mut side) = pipe();
    let mut turn = pipe.receive().unwrap();
    assert_eq!(next(&mut turn).await, "o");
    side.write_all(&control(PING, b"")).await.unwrap();
    assert_eq!(next(&mut turn).await, "come again");
    let cx = &mut Context::from_waker(Waker::noop());
    assert!(Pin::new(&mut side).poll_read(cx, &mut ReadBuf::new(&mut [0; 10])).is_pending(), "not yet");
    turn.done();
    let mut turn = pipe.receive().unwrap();
    assert_eq!(read(&mut side).await, [Incoming::Pong]);
    assert!(turn.poll_next(cx).is_pending(), "once is enough");
    turn.done();
}

#[tokio::test]
async fn a_session_ends_once_nobody_has_received_for_the_delay() {
    let (pipe, mut side) = pipe();
    let delay = Duration::from_secs(3);
    let watching = tokio::spawn({
        let pipe = Arc::clone(&pipe);
        async move { pipe.watch(delay).await }
    });
    assert_eq!(poll(&pipe).await, "o");
    for _ in 0..2 {
        tokio::time::sleep(delay / 4).await;
        let turn = pipe.receive().unwrap();
        // For as long as it likes while it receives.
        tokio::time::sleep(delay * 3 / 2).await;
        turn.done();
    }
    let gone = Instant::now();
    assert_eq!(side.read(&mut [0; 10]).await.unwrap(), 0);
    assert!(gone.elapsed() > delay * 9 / 10);
    assert!(!pipe.finish(), "nobody is told");
    watching.abort();
}
