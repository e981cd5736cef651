//! The one file that a backup is.
//!
//! ```text
//! sarangbang backup 1                    the form
//! {"form":1,"sarangbang":...}            the manifest, JSON on one line
//! 64 hexadecimal digits                  SHA-256 of that line
//! ...                                    the store's file, packed with zstd (RFC 8878)
//! 64 hexadecimal digits                  SHA-256 of everything before; nothing follows but the line's end
//! ```
//!
//! So `head -2 FILE` tells what is in it, and no byte of it can change without being noticed.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Read, Seek as _, SeekFrom, Write};
use std::path::Path;

use aws_lc_rs::digest::{Context, SHA256, digest};

use super::manifest::FORM;
use super::{BackupError, Manifest, Progress};
use crate::store::copy::hex;
use crate::store::sqlite::folder;

const FIRST_LINE: &str = "sarangbang backup ";
/// Digits of a SHA-256 and the end of the line.
const SUM_BYTES: u64 = 65;
/// A manifest has some 250 bytes for each room; a line without an end is none.
const MANIFEST_BYTES_MAX: u64 = 1 << 30;
/// Three is what zstd itself takes: a third of the file in a few seconds a gigabyte.
const LEVEL: i32 = 3;
const PIECE: usize = 128 * 1024;

/// Writes everything, down to the disk.
pub(super) fn write(
    to: &Path,
    manifest: &Manifest,
    database: &Path,
    mut told: impl FnMut(Progress),
) -> Result<(), BackupError> {
    let line = serde_json::to_vec(manifest).map_err(|cause| BackupError::file(to)(cause.into()))?;
    let bytes = manifest.database_bytes;
    let mut write = || -> io::Result<()> {
        let mut out = Summed { inner: BufWriter::with_capacity(PIECE, folder::open(to)?), sum: Context::new(&SHA256) };
        out.write_all(format!("{FIRST_LINE}{FORM}\n").as_bytes())?;
        out.write_all(&line)?;
        out.write_all(format!("\n{}\n", hex(digest(&SHA256, &line).as_ref())).as_bytes())?;
        let mut packed = zstd::Encoder::new(&mut out, LEVEL)?;
        packed.include_checksum(true)?;
        pour(&mut File::open(database)?, &mut packed, |done| told(Progress::Packing(done, bytes)))?;
        packed.finish()?;
        let Summed { mut inner, sum } = out;
        writeln!(inner, "{}", hex(sum.finish().as_ref()))?;
        inner.flush()?;
        inner.get_ref().sync_all()
    };
    write().map_err(BackupError::file(to))
}

/// Whether it is one, by its beginning; anything else may be a database.
pub(super) fn is_database(path: &Path) -> bool {
    let mut start = [0; 16];
    File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok() && start == *b"SQLite format 3\0"
}

/// The manifest, and where the packed file begins and ends. Every byte of the file has been looked at.
pub(super) fn look(path: &Path) -> Result<(Manifest, Packed), BackupError> {
    let failed = || BackupError::file(path);
    let file = File::open(path).map_err(failed())?;
    let length = file.metadata().map_err(failed())?.len();
    let mut file = BufReader::with_capacity(PIECE, file);
    let mut line = |max| -> Result<Vec<u8>, BackupError> {
        let mut line = Vec::new();
        file.by_ref().take(max).read_until(b'\n', &mut line).map_err(failed())?;
        Ok(line)
    };
    let cut =
        |what: &str| BackupError::damaged(path, format!("it has {length} bytes and ends {what}: the rest is lacking"));
    let first = line(64)?;
    let Some(form) = first.strip_prefix(FIRST_LINE.as_bytes()) else {
        return Err(if length < FIRST_LINE.len() as u64 && FIRST_LINE.as_bytes().starts_with(&first) {
            cut("in its first line")
        } else {
            BackupError::NotABackup(path.to_owned())
        });
    };
    if form != format!("{FORM}\n").as_bytes() {
        let found = String::from_utf8_lossy(form).trim().to_owned();
        return Err(match form.last() {
            None => cut("in its first line"),
            _ => BackupError::Form { path: path.to_owned(), found, known: FORM },
        });
    }
    let (manifest, stated) = (line(MANIFEST_BYTES_MAX)?, line(SUM_BYTES)?);
    let Some(manifest) = manifest.strip_suffix(b"\n").filter(|_| stated.len() as u64 == SUM_BYTES) else {
        return Err(cut("in its manifest"));
    };
    if sum_of(&stated).as_deref() != Some(&*hex(digest(&SHA256, manifest).as_ref())) {
        return Err(BackupError::damaged(path, "the SHA-256 of its manifest is not the one that stands behind it"));
    }
    let start = file.stream_position().map_err(failed())?;
    let Some(end) = length.checked_sub(SUM_BYTES).filter(|end| *end > start) else {
        return Err(cut("in the store"));
    };
    whole(path, end, length)?;
    let manifest = serde_json::from_slice(manifest).map_err(|cause| BackupError::damaged(path, cause.to_string()))?;
    Ok((manifest, Packed { start, bytes: end - start }))
}

/// Where the store's file stands in a backup.
pub(super) struct Packed {
    start: u64,
    bytes: u64,
}

/// Unpacks the store's file.
pub(super) fn unpack(
    path: &Path,
    manifest: &Manifest,
    packed: &Packed,
    to: &Path,
    mut told: impl FnMut(Progress),
) -> Result<(), BackupError> {
    let bytes = manifest.database_bytes;
    let read = |cause: io::Error| BackupError::damaged(path, format!("the store in it cannot be unpacked: {cause}"));
    let mut file = File::open(path).map_err(BackupError::file(path))?;
    file.seek(SeekFrom::Start(packed.start)).map_err(BackupError::file(path))?;
    let unpacked = zstd::Decoder::new(file.take(packed.bytes)).map_err(read)?;
    let mut out = folder::open(to).map_err(BackupError::file(to))?;
    let mut torn = None;
    // One byte more than there can be: what is larger is noticed, and does not fill the disk.
    let mut source = Reading { inner: unpacked.take(bytes + 1), failure: &mut torn };
    let poured = pour(&mut source, &mut out, |done| told(Progress::Unpacking(done, bytes)));
    let poured = poured.and_then(|poured| out.sync_all().map(|()| poured));
    match (torn, poured) {
        (Some(cause), _) => Err(read(cause)),
        (None, Err(cause)) => Err(BackupError::file(to)(cause)),
        (None, Ok(poured)) if poured != bytes => Err(BackupError::damaged(
            path,
            format!("the store in it does not have the {bytes} bytes that the manifest says"),
        )),
        (None, Ok(_)) => Ok(()),
    }
}

/// Looks whether the last line is the sum of everything before it.
fn whole(path: &Path, end: u64, length: u64) -> Result<(), BackupError> {
    let failed = || BackupError::file(path);
    let mut file = File::open(path).map_err(failed())?;
    let mut sum = Summed { inner: io::sink(), sum: Context::new(&SHA256) };
    pour(&mut (&mut file).take(end), &mut sum, |_| ()).map_err(failed())?;
    let mut stated = Vec::new();
    file.read_to_end(&mut stated).map_err(failed())?;
    let Some(stated) = sum_of(&stated) else {
        let what =
            format!("it has {length} bytes and does not end with its SHA-256: the end is lacking or overwritten");
        return Err(BackupError::damaged(path, what));
    };
    if stated != hex(sum.sum.finish().as_ref()) {
        return Err(BackupError::damaged(
            path,
            "its SHA-256 is not the one that stands at its end: bytes of it have changed",
        ));
    }
    Ok(())
}

/// The digits of a line that is a SHA-256 and nothing else.
fn sum_of(line: &[u8]) -> Option<String> {
    let digits = line.strip_suffix(b"\n").filter(|digits| digits.len() as u64 == SUM_BYTES - 1)?;
    let is_digit = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
    digits.iter().all(is_digit).then(|| String::from_utf8_lossy(digits).into_owned())
}

/// Copies everything, and tells after each piece how much it has been.
fn pour(from: &mut impl Read, to: &mut impl Write, mut told: impl FnMut(u64)) -> io::Result<u64> {
    let (mut piece, mut done) = (vec![0; PIECE], 0);
    loop {
        let read = match from.read(&mut piece) {
            Ok(0) => return Ok(done),
            Ok(read) => read,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        to.write_all(piece.get(..read).unwrap_or_default())?;
        done += read as u64;
        told(done);
    }
}

/// Sums up what is written.
struct Summed<W> {
    inner: W,
    sum: Context,
}

impl<W: Write> Write for Summed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.sum.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Keeps apart what fails in reading from what fails in writing.
struct Reading<'a, R> {
    inner: R,
    failure: &'a mut Option<io::Error>,
}

impl<R: Read> Read for Reading<'_, R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.inner.read(bytes).or_else(|cause| {
            *self.failure = Some(cause);
            Ok(0)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::copy::Survey;

    struct Made {
        folder: tempfile::TempDir,
        bytes: Vec<u8>,
        manifest: Manifest,
    }

    fn made() -> Made {
        let folder = tempfile::tempdir().unwrap();
        let database: Vec<u8> = (0..300_000_u32).map(|n| (n.wrapping_mul(n) >> 7) as u8).collect();
        std::fs::write(folder.path().join("db"), &database).unwrap();
        let manifest = Manifest {
            form: FORM,
            sarangbang: "1.2.3".into(),
            schema: 6,
            made_at: 7,
            database_bytes: database.len() as u64,
            holds: Survey { kinds: Vec::new(), rooms: Vec::new(), unread_entries: 0 },
        };
        let path = folder.path().join("whole");
        write(&path, &manifest, &folder.path().join("db"), |_| ()).unwrap();
        Made { bytes: std::fs::read(path).unwrap(), folder, manifest }
    }

    impl Made {
        /// What is said of a file of these bytes.
        fn read(&self, bytes: &[u8]) -> Result<Manifest, BackupError> {
            let path = self.folder.path().join("file");
            std::fs::write(&path, bytes).unwrap();
            let (manifest, packed) = look(&path)?;
            let to = self.folder.path().join("unpacked");
            unpack(&path, &manifest, &packed, &to, |_| ())?;
            assert_eq!(std::fs::read(&to).unwrap(), std::fs::read(self.folder.path().join("db")).unwrap());
            Ok(manifest)
        }

        /// With another line in the place of the last, which is true for what stands before.
        fn signed(&self, mut bytes: Vec<u8>) -> Vec<u8> {
            bytes.truncate(bytes.len() - SUM_BYTES as usize);
            let sum = hex(digest(&SHA256, &bytes).as_ref());
            bytes.extend_from_slice(format!("{sum}\n").as_bytes());
            bytes
        }
    }

    #[test]
    fn what_was_written_is_read_and_its_second_line_is_the_manifest() {
        let made = made();
        assert_eq!(made.read(&made.bytes).unwrap(), made.manifest);
        let text = String::from_utf8_lossy(&made.bytes);
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("sarangbang backup 1"));
        assert_eq!(serde_json::from_str::<Manifest>(lines.next().unwrap()).unwrap(), made.manifest);
    }

    #[test]
    fn no_byte_changes_unnoticed() {
        let made = made();
        // Every byte of the lines, and of the rest one in so many.
        let lines = 400;
        let rest = (lines..made.bytes.len()).step_by(1_999);
        for at in (0..lines).chain(rest).chain(made.bytes.len() - 70..made.bytes.len()) {
            let mut bytes = made.bytes.clone();
            bytes[at] ^= 0x10;
            let refusal = made.read(&bytes).expect_err(&format!("byte {at}")).to_string();
            assert!(refusal.contains("/file "), "{refusal}");
        }
    }

    #[test]
    fn no_end_is_missing_unnoticed_and_nothing_is_added() {
        let made = made();
        for length in (0..500).chain((500..made.bytes.len()).step_by(777)).chain([made.bytes.len() - 1]) {
            let refusal = made.read(&made.bytes[..length]).expect_err(&format!("{length} bytes"));
            assert!(matches!(refusal, BackupError::Damaged { .. }) || length == 0, "{length}: {refusal}");
        }
        let mut longer = made.bytes.clone();
        longer.push(b'x');
        assert!(matches!(made.read(&longer), Err(BackupError::Damaged { .. })));
    }

    #[test]
    fn a_true_sum_over_something_else_is_not_enough() {
        let made = made();
        let text = String::from_utf8_lossy(&made.bytes[..400]).into_owned();
        let packed_at = text.lines().take(3).map(|line| line.len() + 1).sum::<usize>();
        let mut torn = made.bytes.clone();
        torn[packed_at + 5_000] ^= 1;
        let refusal = made.read(&made.signed(torn)).unwrap_err().to_string();
        assert!(refusal.contains("cannot be unpacked"), "{refusal}");
        let mut short = made.bytes.clone();
        short.drain(short.len() - 200..short.len() - 100);
        assert!(made.read(&made.signed(short)).unwrap_err().to_string().contains("cannot be unpacked"));
    }

    #[test]
    fn another_program_s_file_and_a_later_form_are_told_apart_from_damage() {
        let made = made();
        assert!(matches!(made.read(b"PK\x03\x04 and so on"), Err(BackupError::NotABackup(_))));
        let later = [b"sarangbang backup 2\n", &made.bytes[20..]].concat();
        let refusal = made.read(&later).unwrap_err().to_string();
        assert!(refusal.contains("form 2") && refusal.contains("knows up to 1"), "{refusal}");
    }
}
