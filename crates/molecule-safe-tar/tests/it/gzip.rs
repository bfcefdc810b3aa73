//! The gzip layer: one intact member of bounded size, and nothing after it.

use std::io::{self, ErrorKind, Read, Write};

use flate2::{Compression, Crc, GzBuilder};
use molecule_safe_tar::{Limits, Options, Refusal, UnpackError};
use proptest::prelude::*;

use crate::builder::Tar;
use crate::sandbox::{Sandbox, gz, listing, stored};

const HEADER_CRC: u8 = 2;
const EXTRA: u8 = 4;
const NAME: u8 = 8;
const COMMENT: u8 = 16;

fn small() -> Vec<u8> {
    Tar::new()
        .directory("skills/")
        .file("skills/a.md", "a skill")
        .file("setup.sh", "echo")
        .end()
}

/// More than is unpacked without a second thread.
fn large() -> Vec<u8> {
    Tar::new()
        .file("first", pseudo_random(500_000))
        .file("second", "2")
        .end()
}

/// Bytes that do not compress.
fn pseudo_random(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as u8
    };
    (0..length).map(|_| next()).collect()
}

/// A gzip header of these flags and fields, before what `gz` compressed.
fn with_header(flags: u8, fields: &[u8], tar: &[u8]) -> Vec<u8> {
    let mut header = [&[0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 255], fields].concat();
    if flags & HEADER_CRC != 0 {
        let mut crc = Crc::new();
        crc.update(&header);
        header.extend_from_slice(&crc.sum().to_le_bytes()[..2]);
    }
    [&header, &gz(tar)[10..]].concat()
}

fn limited(change: impl FnOnce(&mut Limits)) -> Options {
    let mut limits = Limits::default();
    change(&mut limits);
    Options::new().with_limits(limits)
}

#[test]
fn every_field_of_the_header_is_skipped() {
    let sandbox = Sandbox::new();
    let plain = sandbox.accepts(&gz(&small())[..]);
    for (flags, fields) in [
        (1, &b""[..]),
        (EXTRA, b"\x05\0extra"),
        (NAME, b"name\0"),
        (COMMENT, b"comment\0"),
        (HEADER_CRC, b""),
        (
            HEADER_CRC | EXTRA | NAME | COMMENT,
            b"\x02\0exname\0comment\0",
        ),
    ] {
        let archive = with_header(flags, fields, &small());
        assert_eq!(sandbox.accepts(&archive[..]), plain, "flags {flags}");
    }
}

#[test]
fn what_is_not_gzip_is_refused() {
    let sandbox = Sandbox::new();
    sandbox.refuses(&small(), "not-gzip");
    sandbox.refuses(b"PK\x03\x04 and more than ten bytes", "not-gzip");
}

#[test]
fn another_method_and_reserved_flags_are_refused() {
    let sandbox = Sandbox::new();
    let mut archive = gz(&small());
    archive[2] = 7;
    sandbox.refuses(&archive, "gzip-header");
    for bit in 5..8 {
        sandbox.refuses(&with_header(1 << bit, b"", &small()), "gzip-header");
    }
}

#[test]
fn a_header_whose_checksum_is_wrong_is_refused() {
    let mut archive = with_header(HEADER_CRC, b"", &small());
    archive[11] ^= 1;
    Sandbox::new().refuses(&archive, "gzip-header");
}

#[test]
fn a_header_that_does_not_end_is_refused() {
    let sandbox = Sandbox::new();
    for flag in [NAME, COMMENT] {
        let archive = with_header(flag, &[b'n'; 70_000], &small());
        sandbox.refuses(&archive, "gzip-header");
    }
    let extra = [&[0xff, 0xff][..], &[b'e'; 0xffff]].concat();
    sandbox.refuses(&with_header(EXTRA, &extra, &small()), "gzip-header");
    let endless = io::Cursor::new(with_header(NAME, b"", b""))
        .take(10)
        .chain(io::repeat(b'n'));
    let error = sandbox.unpack(endless).unwrap_err();
    assert!(matches!(error, UnpackError::Refused(refusal) if refusal.kind() == "gzip-header"));
}

#[test]
fn a_wrong_checksum_or_length_is_refused() {
    let sandbox = Sandbox::new();
    for tar in [small(), large()] {
        let archive = gz(&tar);
        for (from_end, kind) in [
            (8, "gzip-checksum"),
            (5, "gzip-checksum"),
            (4, "gzip-length"),
            (1, "gzip-length"),
        ] {
            let mut archive = archive.clone();
            let at = archive.len() - from_end;
            archive[at] ^= 0x10;
            sandbox.refuses(&archive, kind);
        }
    }
}

#[test]
fn nothing_may_follow_the_member() {
    let sandbox = Sandbox::new();
    for tar in [small(), large()] {
        let archive = gz(&tar);
        for tail in [&b"\0"[..], b"x", &[0; 512], &gz(b""), &archive] {
            sandbox.refuses(&[&archive[..], tail].concat(), "gzip-trailing");
        }
    }
}

#[test]
fn a_second_member_with_the_rest_of_the_archive_is_refused() {
    let tar = small();
    let (first, second) = tar.split_at(512);
    let archive = [gz(first), gz(second)].concat();
    Sandbox::new().refuses(&archive, "gzip-trailing");
}

#[test]
fn an_archive_cut_off_anywhere_is_refused() {
    let sandbox = Sandbox::new();
    let archive = gz(&small());
    for length in 0..archive.len() {
        sandbox.refuses(&archive[..length], "truncated");
    }
    let archive = stored(&large());
    for length in [300_000, 450_000, archive.len() - 9, archive.len() - 1] {
        sandbox.refuses(&archive[..length], "truncated");
    }
}

#[test]
fn a_cut_names_the_entry_that_it_hit() {
    let sandbox = Sandbox::new();
    let refusal = sandbox.refusal(&stored(&large())[..450_000], &Options::new());
    assert_eq!(refusal.entry().unwrap().to_string(), "first");
}

#[test]
fn a_flipped_bit_is_refused_or_changes_nothing() {
    let sandbox = Sandbox::new();
    let archive = gz(&small());
    let expected = sandbox.accepts(&archive[..]);
    for at in 0..archive.len() {
        for bit in 0..8 {
            let mut archive = archive.clone();
            archive[at] ^= 1 << bit;
            match sandbox.unpack(&archive[..]) {
                Ok(quarantine) => assert_eq!(
                    listing(quarantine.path()),
                    expected,
                    "bit {bit} of byte {at}"
                ),
                Err(UnpackError::Refused(_)) => {}
                Err(other) => panic!("{other:?}"),
            }
            sandbox.is_untouched();
        }
    }
}

#[test]
fn what_unpacks_to_suspiciously_much_is_refused() {
    let sandbox = Sandbox::new();
    let zeros = gz(&Tar::new().file("zeros", vec![0; 600 << 10]).end());
    let refusal = |floor, ratio| {
        let options = limited(|limits| (limits.ratio_floor, limits.ratio) = (floor, ratio));
        sandbox.refusal(&zeros, &options)
    };
    assert_eq!(refusal(500 << 10, 50), Refusal::Ratio { limit: 50 });
    assert_eq!(refusal(0, 99), Refusal::Ratio { limit: 99 });
    for (floor, ratio) in [(700 << 10, 50), (500 << 10, 1000)] {
        let options = limited(|limits| (limits.ratio_floor, limits.ratio) = (floor, ratio));
        drop(
            sandbox
                .unpack_watched(&zeros[..], &options, &mut ())
                .unwrap(),
        );
    }
}

/// Eight deflate blocks that hold nothing, ten bits each: a header, and the code that ends it.
fn empty_blocks() -> [u8; 10] {
    let mut bytes = [0; 10];
    for bit in (1..80).step_by(10) {
        bytes[bit / 8] |= 1 << (bit % 8);
    }
    bytes
}

/// The archive of [`small`] behind so many blocks that hold nothing.
fn behind_empty_blocks(blocks: usize) -> Vec<u8> {
    let archive = gz(&small());
    let nothing = empty_blocks().repeat(blocks / 8);
    [&archive[..10], &nothing, &archive[10..]].concat()
}

#[test]
fn work_that_yields_nothing_is_bounded() {
    let sandbox = Sandbox::new();
    let options = limited(|limits| limits.deflate_blocks = 10_000);
    let refusal = sandbox.refusal(&behind_empty_blocks(10_400), &options);
    assert_eq!(refusal, Refusal::TooManyBlocks { limit: 10_000 });
    let tolerated = behind_empty_blocks(9600);
    drop(
        sandbox
            .unpack_watched(&tolerated[..], &options, &mut ())
            .unwrap(),
    );
}

#[test]
fn an_archive_that_was_flushed_often_is_accepted() {
    let sandbox = Sandbox::new();
    let mut encoder = GzBuilder::new().write(Vec::new(), Compression::default());
    for byte in small() {
        encoder.write_all(&[byte]).unwrap();
        encoder.flush().unwrap();
    }
    let plain = sandbox.accepts(&gz(&small())[..]);
    assert_eq!(sandbox.accepts(&encoder.finish().unwrap()[..]), plain);
    assert_eq!(sandbox.accepts(&behind_empty_blocks(800)[..]), plain);
}

#[test]
fn a_bomb_of_zeros_in_the_padding_is_refused() {
    let tar = Tar::new().file("a", "").zeros(2 + 3000).open();
    Sandbox::new().refuses(&gz(&tar), "too-much-padding");
}

#[test]
fn what_unpacks_to_too_much_is_refused_before_it_is_written() {
    let sandbox = Sandbox::new();
    let options = limited(|limits| limits.total_bytes = 400_000);
    assert_eq!(
        sandbox.refusal(&stored(&large()), &options).kind(),
        "too-many-bytes"
    );
}

#[test]
fn the_compressed_size_is_limited_to_the_byte() {
    let sandbox = Sandbox::new();
    for archive in [gz(&small()), stored(&large())] {
        let size = archive.len() as u64;
        let fits = limited(|limits| limits.compressed_bytes = size);
        let quarantine = sandbox
            .unpack_watched(&archive[..], &fits, &mut ())
            .unwrap();
        assert_eq!(quarantine.summary().compressed_bytes, size);
        drop(quarantine);
        let too_small = limited(|limits| limits.compressed_bytes = size - 1);
        assert_eq!(
            sandbox.refusal(&archive, &too_small).kind(),
            "compressed-bytes"
        );
    }
}

#[test]
fn an_endless_source_is_read_to_the_limit_and_no_further() {
    let sandbox = Sandbox::new();
    let mut tar = Tar::new().file("first", pseudo_random(200_000)).open();
    tar.truncate(100_000);
    let mut encoder = GzBuilder::new().read(tar.chain_endless(), Compression::none());
    let mut source = Counted {
        read: &mut encoder,
        bytes: 0,
    };
    let options = limited(|limits| limits.compressed_bytes = 3 << 20);
    let error = sandbox
        .unpack_watched(&mut source, &options, &mut ())
        .unwrap_err();
    assert!(matches!(error, UnpackError::Refused(_)), "{error:?}");
    assert!(source.bytes <= (3 << 20) + (64 << 10), "{}", source.bytes);
    sandbox.is_untouched();
}

trait ChainEndless {
    fn chain_endless(self) -> impl Read;
}

impl ChainEndless for Vec<u8> {
    fn chain_endless(self) -> impl Read {
        io::Cursor::new(self).chain(io::repeat(7))
    }
}

/// Counts what was read.
struct Counted<R> {
    read: R,
    bytes: usize,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.read.read(buffer)?;
        self.bytes += bytes;
        Ok(bytes)
    }
}

#[test]
fn a_refused_archive_is_not_read_to_its_end() {
    let sandbox = Sandbox::new();
    let tar = Tar::new()
        .file("../escape", "x")
        .file("long", pseudo_random(4 << 20))
        .end();
    let archive = stored(&tar);
    let mut source = Counted {
        read: &archive[..],
        bytes: 0,
    };
    sandbox.unpack(&mut source).unwrap_err();
    assert!(source.bytes < 2 << 20, "{}", source.bytes);
}

#[test]
fn a_source_that_trickles_is_not_read_on_until_a_chunk_is_full() {
    /// One byte at a time once `fast` are through, and time for others between them.
    struct Trickle<'a> {
        archive: &'a [u8],
        fast: usize,
        slow: usize,
    }
    impl Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            if self.fast > 0 {
                let most = buffer.len().min(self.fast);
                let bytes = self.archive.read(&mut buffer[..most])?;
                self.fast -= bytes;
                return Ok(bytes);
            }
            std::thread::yield_now();
            self.slow += 1;
            self.archive.read(&mut buffer[..1])
        }
    }
    let sandbox = Sandbox::new();
    let tar = Tar::new()
        .file("first", pseudo_random(500_000))
        .file("../escape", "")
        .file("more", pseudo_random(300_000))
        .end();
    let archive = stored(&tar);
    let mut source = Trickle {
        archive: &archive,
        fast: 540_000,
        slow: 0,
    };
    sandbox.unpack(&mut source).unwrap_err();
    assert!(source.slow < 100_000, "{}", source.slow);
}

/// Does something at a certain byte.
struct At<'a, F> {
    archive: &'a [u8],
    left: usize,
    then: F,
}

impl<F: FnMut() -> io::Result<usize>> Read for At<'_, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            return (self.then)();
        }
        let piece = buffer.len().min(self.left).min(1000);
        let bytes = self.archive.read(&mut buffer[..piece])?;
        self.left -= bytes;
        Ok(bytes)
    }
}

#[test]
fn an_error_of_the_source_is_passed_on_and_nothing_is_left() {
    let sandbox = Sandbox::new();
    let archive = stored(&large());
    for left in [0, 5, 1000, 300_000, archive.len() - 4, archive.len()] {
        for kind in [ErrorKind::ConnectionReset, ErrorKind::UnexpectedEof] {
            let then = || Err(io::Error::new(kind, "the line went dead"));
            let source = At {
                archive: &archive,
                left,
                then,
            };
            match sandbox.unpack(source) {
                Err(UnpackError::Source(error)) => {
                    assert_eq!(error.to_string(), "the line went dead");
                }
                other => panic!("{other:?}"),
            }
            sandbox.is_untouched();
        }
    }
}

#[test]
fn an_interrupted_read_is_tried_again() {
    struct Interrupted<'a>(&'a [u8], bool);
    impl Read for Interrupted<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            match self.1 {
                true => Err(ErrorKind::Interrupted.into()),
                false => self.0.read(buffer),
            }
        }
    }
    drop(
        Sandbox::new()
            .unpack(Interrupted(&stored(&large()), false))
            .unwrap(),
    );
}

#[test]
fn a_source_that_gives_one_byte_at_a_time_reads_alike() {
    struct Bytewise<'a>(&'a [u8]);
    impl Read for Bytewise<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let most = buffer.len().min(1);
            self.0.read(&mut buffer[..most])
        }
    }
    let sandbox = Sandbox::new();
    for tar in [small(), large()] {
        let archive = gz(&tar);
        assert_eq!(
            sandbox.accepts(Bytewise(&archive)),
            sandbox.accepts(&archive[..])
        );
    }
}

#[test]
fn a_panic_of_the_source_goes_through_and_nothing_is_left() {
    let sandbox = Sandbox::new();
    let archive = stored(&large());
    for left in [0, 1000, 450_000] {
        let then = || -> io::Result<usize> { panic!("the source panics") };
        let source = At {
            archive: &archive,
            left,
            then,
        };
        let panic =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| sandbox.unpack(source)));
        assert_eq!(
            *panic.unwrap_err().downcast::<&str>().unwrap(),
            "the source panics"
        );
        sandbox.is_untouched();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn bytes_that_only_begin_like_gzip_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let sandbox = Sandbox::new();
        let archive = [&gz(b"")[..10], &bytes].concat();
        sandbox.refusal(&archive, &Options::new());
    }
}
