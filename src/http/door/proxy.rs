//! The header of the PROXY protocol, by which a load balancer for TCP says who the client is
//! (<https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt>).
//!
//! The bytes are counted here, and `ppp` is given whole headers alone: it takes a line of version 1 that is cut within
//! its last number for a bad one, and the family of a LOCAL header for one that matters.

use std::io;
use std::net::IpAddr;

use bytes::{Buf as _, BytesMut};
use ppp::{v1, v2};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Longest line of version 1, its CR LF included (section 2.1).
const LINE_BYTES_MAX: usize = 107;
/// Before the length that a header of version 2 has (section 2.2).
const FIXED_BYTES: usize = 16;
/// Longest header of version 2, extensions included. The specification's own example of a long one has 536.
const HEADER_BYTES_MAX: usize = 4 * 1024;

/// Reads a header from the beginning of a stream, and leaves what was read beyond it in `ahead`. Answers the client's
/// address; `None` where the proxy speaks for itself.
///
/// # Errors
/// When the stream ends, or begins with anything else.
pub(super) async fn client<R>(stream: &mut R, ahead: &mut BytesMut) -> io::Result<Option<IpAddr>>
where
    R: AsyncRead + Unpin,
{
    loop {
        if let Some((address, length)) = parsed(ahead).map_err(bad)? {
            ahead.advance(length);
            return Ok(address);
        }
        ahead.reserve(256);
        if stream.read_buf(ahead).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

fn bad(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("no PROXY header: {why}"))
}

/// The client and the length of the header at the beginning of these bytes; `None` while it is not whole.
fn parsed(bytes: &[u8]) -> Result<Option<(Option<IpAddr>, usize)>, String> {
    let begins = |prefix: &[u8]| prefix.starts_with(bytes) || bytes.starts_with(prefix);
    if begins(v2::PROTOCOL_PREFIX) {
        version_2(bytes)
    } else if begins(v1::PROTOCOL_PREFIX.as_bytes()) {
        version_1(bytes)
    } else {
        Err("it begins with something else".into())
    }
}

fn version_1(bytes: &[u8]) -> Result<Option<(Option<IpAddr>, usize)>, String> {
    let line = &bytes[..bytes.len().min(LINE_BYTES_MAX)];
    let Some(end) = line.windows(2).position(|two| two == b"\r\n") else {
        return if line.len() < LINE_BYTES_MAX { Ok(None) } else { Err("its line has no end".into()) };
    };
    let header = v1::Header::try_from(&line[..end + 2]).map_err(|error| error.to_string())?;
    let address = match header.addresses {
        v1::Addresses::Unknown => None,
        v1::Addresses::Tcp4(addresses) => Some(IpAddr::V4(addresses.source_address)),
        v1::Addresses::Tcp6(addresses) => Some(IpAddr::V6(addresses.source_address)),
    };
    Ok(Some((address, end + 2)))
}

fn version_2(bytes: &[u8]) -> Result<Option<(Option<IpAddr>, usize)>, String> {
    let Some(fixed) = bytes.first_chunk::<FIXED_BYTES>() else { return Ok(None) };
    let length = FIXED_BYTES + usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    if length > HEADER_BYTES_MAX {
        return Err(format!("it has {length} bytes"));
    }
    let Some(header) = bytes.get(..length) else { return Ok(None) };
    // LOCAL: a health check. What follows is to be skipped, whatever it is.
    if fixed[12] == 0x20 {
        return Ok(Some((None, length)));
    }
    let header = v2::Header::try_from(header).map_err(|error| error.to_string())?;
    let address = match (header.protocol, header.addresses) {
        (v2::Protocol::Stream, v2::Addresses::IPv4(addresses)) => Some(IpAddr::V4(addresses.source_address)),
        (v2::Protocol::Stream, v2::Addresses::IPv6(addresses)) => Some(IpAddr::V6(addresses.source_address)),
        // Section 2.2: what is not known is taken as UNKNOWN is.
        _ => None,
    };
    Ok(Some((address, length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &[u8] = b"PROXY TCP4 198.51.100.7 192.0.2.1 56324 443\r\n";
    const V1_SIX: &[u8] = b"PROXY TCP6 2001:db8::7 2001:db8::1 56324 443\r\n";

    fn v2(command: u8, family: u8, payload: &[u8]) -> Vec<u8> {
        let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
        header.extend([command, family]);
        header.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
        header.extend(payload);
        header
    }

    fn v2_four(extensions: usize) -> Vec<u8> {
        let mut payload = vec![198, 51, 100, 7, 192, 0, 2, 1, 0xDC, 4, 1, 0xBB];
        if extensions > 0 {
            payload.push(4);
            payload.extend(u16::try_from(extensions).unwrap().to_be_bytes());
            payload.resize(payload.len() + extensions, b'x');
        }
        v2(0x21, 0x11, &payload)
    }

    /// What comes of these bytes with "GET /" after them, `step` bytes at a time.
    async fn read(header: &[u8], step: usize) -> Result<Option<String>, String> {
        let bytes = [header, b"GET /"].concat();
        let mut script = tokio_test_io(&bytes, step);
        let mut ahead = BytesMut::new();
        let address = client(&mut script, &mut ahead).await.map_err(|error| error.to_string())?;
        let mut rest = ahead.to_vec();
        script.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"GET /", "what follows is handed on");
        Ok(address.map(|address| address.to_string()))
    }

    /// A reader that gives so many bytes at a time.
    fn tokio_test_io(bytes: &[u8], step: usize) -> impl AsyncRead + Unpin {
        let (mut near, far) = tokio::io::duplex(step);
        let bytes = bytes.to_vec();
        tokio::spawn(async move { tokio::io::AsyncWriteExt::write_all(&mut near, &bytes).await });
        far
    }

    #[tokio::test]
    async fn a_header_says_who_the_client_is_however_it_is_cut() {
        for step in [1, 2, 3, 7, 16, 50, 8_192] {
            for (header, client) in [
                (V1.to_vec(), "198.51.100.7"),
                (V1_SIX.to_vec(), "2001:db8::7"),
                (v2_four(0), "198.51.100.7"),
                (v2_four(4_000), "198.51.100.7"),
                (
                    v2(0x21, 0x21, &[[0x20; 16], [0x30; 16], [0; 16]].concat()),
                    "2020:2020:2020:2020:2020:2020:2020:2020",
                ),
            ] {
                assert_eq!(read(&header, step).await, Ok(Some(client.to_owned())), "{header:?} by {step}");
            }
        }
    }

    #[tokio::test]
    async fn a_proxy_may_speak_for_itself() {
        for step in [1, 8_192] {
            assert_eq!(read(b"PROXY UNKNOWN\r\n", step).await, Ok(None));
            assert_eq!(read(b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", step).await, Ok(None));
            assert_eq!(read(&v2(0x20, 0x00, b""), step).await, Ok(None), "LOCAL");
            assert_eq!(read(&v2(0x20, 0x11, b"short"), step).await, Ok(None), "LOCAL, whose family is ignored");
            assert_eq!(read(&v2(0x20, 0xFF, b""), step).await, Ok(None), "LOCAL, whose family is ignored");
            assert_eq!(read(&v2(0x21, 0x00, b"who knows"), step).await, Ok(None), "unspecified");
            assert_eq!(read(&v2(0x21, 0x31, &[b'/'; 216]), step).await, Ok(None), "a socket of the proxy's host");
        }
    }

    #[tokio::test]
    async fn anything_else_is_refused() {
        for bad in [
            &b"GET / HTTP/1.1\r\n\r\n"[..],
            b"\x16\x03\x01\x02\x00",
            b"PROXX TCP4 198.51.100.7 192.0.2.1 56324 443\r\n",
            b"PROXY TCP5 198.51.100.7 192.0.2.1 56324 443\r\n",
            b"PROXY TCP4 198.51.100.256 192.0.2.1 56324 443\r\n",
            b"PROXY TCP4 2001:db8::7 192.0.2.1 56324 443\r\n",
            b"PROXY TCP4 198.51.100.7 192.0.2.1 56324 65536\r\n",
            b"PROXY TCP4 198.51.100.7\r\n",
            b"PROXY \r\n",
            b"PROXY\r\n",
            &[&b"PROXY UNKNOWN "[..], &[b'x'; 107], b"\r\n"].concat(),
            &v2(0x11, 0x11, &[0; 12]),
            &v2(0x22, 0x11, &[0; 12]),
            &v2(0x21, 0x11, &[0; 11]),
            &v2(0x21, 0x51, &[0; 12]),
            &v2_four(4_094),
        ] {
            for step in [1, 8_192] {
                let refused = read(bad, step).await;
                assert!(refused.is_err(), "{bad:?} by {step}: {refused:?}");
            }
        }
    }

    #[tokio::test]
    async fn a_header_that_never_ends_takes_no_memory() {
        let endless = [&b"PROXY UNKNOWN "[..], &[b'x'; 100_000]].concat();
        let (mut stream, mut ahead) = (&endless[..], BytesMut::new());
        assert!(client(&mut stream, &mut ahead).await.is_err());
        assert!(ahead.capacity() < 2 * HEADER_BYTES_MAX, "{}", ahead.capacity());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_fall_over(bytes: Vec<u8>, version in 0..3_usize) {
            let start = [&b""[..], b"PROXY ", b"\r\n\r\n\0\r\nQUIT\n"][version];
            let bytes = [start, &bytes[..]].concat();
            if let Ok(Some((_, length))) = parsed(&bytes) {
                assert!(length <= bytes.len());
            }
        }
    }
}
