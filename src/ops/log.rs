//! The log: one line an event, on stderr, for people or for machines.
//!
//! Standard output belongs to what a command was asked for. Invariant: a panic is a line of the log like any other,
//! so that a log of JSON lines stays one.

use std::io::IsTerminal;

use tracing::Subscriber;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt};

use crate::config::{LogConfig, LogFormat};

/// Starts the log of this process. Once; a second call is refused.
///
/// # Errors
/// When the level is not understood, which a loaded configuration rules out, or a log was started before.
pub fn start(config: &LogConfig) -> anyhow::Result<()> {
    let surroundings = Surroundings::of_this_process();
    tracing::subscriber::set_global_default(subscriber(config, surroundings, std::io::stderr)?)?;
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panic: {}", panic.payload_as_str().unwrap_or("without a message"));
    }));
    Ok(())
}

/// What stderr leads to.
#[derive(Clone, Copy)]
struct Surroundings {
    /// It takes colours.
    coloured: bool,
    /// Every line gets a time there anyway.
    timed: bool,
}

impl Surroundings {
    fn of_this_process() -> Self {
        let set = |variable| std::env::var_os(variable).is_some_and(|value| !value.is_empty());
        Self {
            // https://no-color.org
            coloured: std::io::stderr().is_terminal() && !set("NO_COLOR"),
            // systemd.exec(5): set where stderr is connected to the journal.
            timed: !std::io::stderr().is_terminal() && set("JOURNAL_STREAM"),
        }
    }
}

fn subscriber<W>(config: &LogConfig, surroundings: Surroundings, writer: W) -> anyhow::Result<impl Subscriber + use<W>>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = fmt::layer().with_writer(writer);
    let layer: Box<dyn Layer<Registry> + Send + Sync> = match config.format {
        LogFormat::Json => layer.json().flatten_event(true).with_span_list(false).boxed(),
        LogFormat::Text => {
            let text = layer.compact().with_ansi(surroundings.coloured);
            if surroundings.timed { text.without_time().boxed() } else { text.boxed() }
        }
    };
    Ok(Registry::default().with(layer.with_filter(EnvFilter::try_new(&config.level)?)))
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn written(format: LogFormat, level: &str, events: impl FnOnce()) -> String {
        let paper = Paper::default();
        let config = LogConfig { format, level: level.into() };
        let copy = paper.clone();
        let plain = Surroundings { coloured: false, timed: true };
        let subscriber = subscriber(&config, plain, move || copy.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, events);
        let bytes = paper.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_line_for_people_is_short_and_without_colour_codes() {
        let text = written(LogFormat::Text, "info", || tracing::info!(target: "sarangbang::x", rooms = 3, "ready"));
        assert_eq!(text, " INFO sarangbang::x: ready rooms=3\n");
    }

    #[test]
    fn a_line_for_machines_is_one_json_object() {
        let text = written(LogFormat::Json, "info", || tracing::warn!(rooms = 3, "two\nlines"));
        assert_eq!(text.lines().count(), 1);
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&json["level"], &json["message"], &json["rooms"]),
            (&"WARN".into(), &"two\nlines".into(), &3.into())
        );
        assert!(json["timestamp"].is_string());
    }

    #[test]
    fn the_level_may_differ_by_module() {
        let text = written(LogFormat::Text, "warn,sarangbang::stomp=debug", || {
            tracing::info!(target: "sarangbang::http", "unheard");
            tracing::debug!(target: "sarangbang::stomp", "heard");
        });
        assert!(text.contains("heard") && !text.contains("unheard"), "{text}");
    }
}
