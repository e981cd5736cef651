//! What a command prints: lines, tables and JSON on stdout, notes on stderr.
//!
//! Whoever reads may stop reading (`| head`): a broken pipe is no failure, and no panic as with `println!`.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

use clap::Args;
use serde::Serialize;

// The flag of every verb that prints something. (A doc comment would become the help of a verb that has none of its own.)
#[derive(Args)]
pub(super) struct Output {
    /// Print JSON, for scripts; its times are milliseconds since the Unix epoch
    #[arg(long, global = true)]
    pub(super) json: bool,
}

impl Output {
    /// Prints `value` as JSON where that was asked for, else what `text` says.
    pub(super) fn show(&self, value: &impl Serialize, text: impl FnOnce() -> String) -> anyhow::Result<()> {
        let shown = if self.json { serde_json::to_string(value)? } else { text() };
        Ok(line(shown)?)
    }
}

/// One line (or several at once) on stdout.
pub(super) fn line(text: impl Display) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// One line on stderr, for the person at the terminal. A stderr that is gone has nobody to tell.
pub(super) fn note(text: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Columns as wide as their widest cell, as terminals count it.
pub(super) fn table<const N: usize>(titles: [&str; N], rows: &[[String; N]]) -> String {
    let titles = titles.map(str::to_owned);
    let mut widths = [0; N];
    for row in std::iter::once(&titles).chain(rows) {
        for (max, cell) in widths.iter_mut().zip(row) {
            *max = width(cell).max(*max);
        }
    }
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths);
        let line: String = cells.map(|(cell, max)| format!("{cell}{}", " ".repeat(max - width(cell) + 2))).collect();
        line.trim_end().to_owned()
    };
    std::iter::once(&titles).chain(rows).map(line).collect::<Vec<_>>().join("\n")
}

/// A time in milliseconds since the Unix epoch as people read it, in UTC.
pub(super) fn time(ms: i64) -> String {
    let minutes = ms.div_euclid(60_000);
    let (days, minute) = (minutes.div_euclid(1_440), minutes.rem_euclid(1_440));
    // The proleptic Gregorian calendar in eras of 400 years, each beginning on the first of March.
    let since = days + 719_468;
    let (era, day) = (since.div_euclid(146_097), since.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{:04}-{month:02}-{day:02} {:02}:{:02} UTC", era * 400 + year + next, minute / 60, minute % 60)
}

/// Columns that a text takes: Hangul, Chinese and Japanese characters are two wide.
fn width(text: &str) -> usize {
    let wide = |c: char| {
        matches!(u32::from(c), 0x1100..=0x115f | 0x2e80..=0xa4cf | 0xac00..=0xd7a3 | 0xf900..=0xfaff
            | 0xff00..=0xff60 | 0x1_f300..=0x1_f64f | 0x1_f900..=0x1_f9ff | 0x2_0000..=0x3_fffd)
    };
    text.chars().map(|c| if wide(c) { 2 } else { 1 }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_below_one_another_in_hangul_too() {
        let rows = [["행복".to_owned(), "user".to_owned()], ["bob".to_owned(), "admin".to_owned()]];
        assert_eq!(table(["NAME", "ROLE"], &rows), "NAME  ROLE\n행복  user\nbob   admin");
    }

    #[test]
    fn times_are_calendar_days() {
        assert_eq!(time(0), "1970-01-01 00:00 UTC");
        assert_eq!(time(951_782_399_999), "2000-02-28 23:59 UTC");
        assert_eq!(time(951_868_800_000), "2000-03-01 00:00 UTC");
        assert_eq!(time(1_735_689_599_000), "2024-12-31 23:59 UTC");
        assert_eq!(time(-60_000), "1969-12-31 23:59 UTC");
    }
}
