//! One HTTP request to a node that may be anything but well.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// How long an answer may take.
const TIME_MAX: Duration = Duration::from_secs(10);

/// The JSON of an answer of status 2xx; what came instead where there is none.
pub(crate) async fn ask(
    node: SocketAddr,
    request: &str,
    token: Option<&str>,
    body: Option<&Value>,
) -> Result<Value, String> {
    let asked = tokio::time::timeout(TIME_MAX, exchange(node, request, token, body)).await;
    let answer = asked.map_err(|_| format!("{request}: no answer in {TIME_MAX:?}"))?;
    let answer = answer.map_err(|error| format!("{request}: {error}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| format!("{request}: {answer:?}"))?;
    if !head.starts_with("HTTP/1.1 2") {
        return Err(format!("{request}: {} {body}", head.lines().next().unwrap_or_default()));
    }
    serde_json::from_str(body).map_err(|error| format!("{request}: {error}: {body}"))
}

async fn exchange(
    node: SocketAddr,
    request: &str,
    token: Option<&str>,
    body: Option<&Value>,
) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(node).await?;
    let bearer = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let body = body.map(Value::to_string).unwrap_or_default();
    let head = format!(
        "{request} HTTP/1.1\r\nHost: {node}\r\nConnection: close\r\nAccept: application/json\r\n{bearer}Content-Type: \
         application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
