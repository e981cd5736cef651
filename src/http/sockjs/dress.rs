//! How each transport dresses frames for its way.

use axum::http::HeaderValue;
use bytes::{BufMut as _, Bytes, BytesMut};

use super::frames::Frame;

/// What some browsers want to have before they show anything of an answer.
const XHR_PRELUDE_BYTES: usize = 2_048;
const HTML_PRELUDE_BYTES: usize = 1_024;

/// One way of receiving.
#[derive(Clone, Debug)]
pub(super) enum Dress {
    Xhr,
    XhrStreaming,
    EventSource,
    /// In scripts of a page that grows, each marked with this word, the only ones that the page's policy lets run.
    HtmlFile {
        callback: Box<str>,
        nonce: Box<str>,
    },
    Jsonp {
        callback: Box<str>,
    },
}

impl Dress {
    /// What metrics call it.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Xhr => "xhr",
            Self::XhrStreaming => "xhr_streaming",
            Self::EventSource => "eventsource",
            Self::HtmlFile { .. } => "htmlfile",
            Self::Jsonp { .. } => "jsonp",
        }
    }

    /// Whether an answer has more than one frame.
    pub(super) const fn is_stream(&self) -> bool {
        !matches!(self, Self::Xhr | Self::Jsonp { .. })
    }

    pub(super) const fn media_type(&self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Xhr | Self::XhrStreaming | Self::Jsonp { .. } => "application/javascript;charset=UTF-8",
            Self::EventSource => "text/event-stream",
            Self::HtmlFile { .. } => "text/html;charset=UTF-8",
        })
    }

    /// What comes before the first frame of a stream.
    pub(super) fn prelude(&self) -> Bytes {
        match self {
            Self::Xhr | Self::Jsonp { .. } => Bytes::new(),
            Self::XhrStreaming => {
                let mut prelude = vec![b'h'; XHR_PRELUDE_BYTES];
                prelude.push(b'\n');
                prelude.into()
            }
            Self::EventSource => Bytes::from_static(b"\r\n"),
            Self::HtmlFile { callback, nonce } => {
                let mut page = format!(
                    "<!doctype html>\n<html><head>\n  \
                     <meta http-equiv=\"X-UA-Compatible\" content=\"IE=edge\" />\n  \
                     <meta http-equiv=\"Content-Type\" content=\"text/html; charset=UTF-8\" />\n\
                     </head><body><h2>Don't panic!</h2>\n  <script nonce=\"{nonce}\">\n    \
                     document.domain = document.domain;\n    var c = parent.{callback};\n    c.start();\n    \
                     function p(d) {{c.message(d);}};\n    window.onload = function() {{c.stop();}};\n  </script>\n"
                );
                page.extend(std::iter::repeat_n(' ', HTML_PRELUDE_BYTES));
                page.push_str("\r\n\r\n");
                page.into()
            }
        }
    }

    /// A frame as it goes over this way.
    pub(super) fn frame(&self, frame: &Frame) -> Bytes {
        let mut told = frame.bytes();
        match self {
            Self::Xhr | Self::XhrStreaming => {
                told.put_u8(b'\n');
                return told.freeze();
            }
            Self::EventSource => {
                // The client takes each line for one that `encodeURI` has made.
                let mut event = BytesMut::from(&b"data: "[..]);
                for part in told.split_inclusive(|byte| *byte == b'%') {
                    event.put_slice(part);
                    if part.ends_with(b"%") {
                        event.put_slice(b"25");
                    }
                }
                event.put_slice(b"\r\n\r\n");
                event
            }
            Self::HtmlFile { nonce, .. } => {
                let mut script = BytesMut::from(format!("<script nonce=\"{nonce}\">\np(").as_bytes());
                as_script(&told, &mut script);
                script.put_slice(b");\n</script>\r\n");
                script
            }
            Self::Jsonp { callback } => {
                // A comment first: whoever takes the answer for another kind of file (a Flash movie) stops there.
                let mut script = BytesMut::from(format!("/**/{callback}(").as_bytes());
                as_script(&told, &mut script);
                script.put_slice(b");\r\n");
                script
            }
        }
        .freeze()
    }
}

/// A frame as a string of JavaScript, in which nothing ends the script around it. Control characters, and what
/// JavaScript takes for the end of a line, were escaped as the frame was made.
fn as_script(frame: &[u8], to: &mut BytesMut) {
    to.reserve(frame.len() + frame.len() / 8 + 2);
    to.put_u8(b'"');
    for byte in frame {
        match byte {
            b'"' | b'\\' => to.put_slice(&[b'\\', *byte]),
            b'<' => to.put_slice(b"\\u003c"),
            byte => to.put_u8(*byte),
        }
    }
    to.put_u8(b'"');
}

#[cfg(test)]
mod tests {
    use super::super::frames::{Close, join};
    use super::*;

    fn told(dress: &Dress, text: &str) -> String {
        let mut messages = BytesMut::new();
        join(text.as_bytes(), &mut messages);
        String::from_utf8(dress.frame(&Frame::Messages(messages.freeze())).to_vec()).unwrap()
    }

    #[test]
    fn each_way_has_its_dress() {
        let (callback, nonce): (Box<str>, Box<str>) = ("cb".into(), "n".into());
        let html = Dress::HtmlFile { callback: callback.clone(), nonce };
        let jsonp = Dress::Jsonp { callback };
        for (dress, expected) in [
            (&Dress::Xhr, "a[\"x\"]\n"),
            (&Dress::XhrStreaming, "a[\"x\"]\n"),
            (&Dress::EventSource, "data: a[\"x\"]\r\n\r\n"),
            (&html, "<script nonce=\"n\">\np(\"a[\\\"x\\\"]\");\n</script>\r\n"),
            (&jsonp, "/**/cb(\"a[\\\"x\\\"]\");\r\n"),
        ] {
            assert_eq!(told(dress, "x"), expected);
        }
        assert_eq!(jsonp.frame(&Frame::Close(Close::gone())), "/**/cb(\"c[3000,\\\"Go away!\\\"]\");\r\n");
    }

    #[test]
    fn a_percent_sign_arrives_as_one_where_the_client_decodes_uris() {
        assert_eq!(told(&Dress::EventSource, "100% %41%"), "data: a[\"100%25 %2541%25\"]\r\n\r\n");
    }

    #[test]
    fn nothing_that_somebody_says_ends_the_script_that_it_stands_in() {
        let html = Dress::HtmlFile { callback: "cb".into(), nonce: "n".into() };
        let script = told(&html, "</script><script>alert(\"1\")//<!--\u{2028}\n");
        assert_eq!(script.matches('<').count(), 2, "{script}");
        assert!(!script.contains('\u{2028}') && script.matches('\n').count() == 3, "{script}");
        assert!(script.contains(r#"\u003c/script>\u003cscript>alert(\\\"1\\\")//\u003c!--\\u2028\\n"#), "{script}");
    }

    #[test]
    fn preludes_are_as_long_as_browsers_want_them() {
        assert_eq!(Dress::XhrStreaming.prelude(), ["h".repeat(2_048), "\n".into()].concat());
        assert_eq!(Dress::EventSource.prelude(), "\r\n");
        let html = Dress::HtmlFile { callback: "a.b-c_d".into(), nonce: "n".into() }.prelude();
        assert!(html.len() > 1_024 && html.windows(19).any(|part| part == b"c = parent.a.b-c_d;"));
    }
}
