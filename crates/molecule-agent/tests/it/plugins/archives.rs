//! Archives as platforms send them.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

/// A `.tar.gz` of these files; those that end in `.sh` are executable.
pub(crate) fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, content) in files {
        let mut header = header(path, content.len() as u64);
        tar.append_data(&mut header, path, *content).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

/// A plugin with this `setup.sh`, and nothing that vouches for it.
pub(crate) fn with_setup(script: &str) -> Vec<u8> {
    archive(&[
        ("plugin.yaml", b"name: demo\nversion: 1.0.0\n"),
        ("setup.sh", script.as_bytes()),
    ])
}

/// A plugin whose one file has this content.
pub(crate) fn plain(content: &str) -> Vec<u8> {
    archive(&[
        ("plugin.yaml", b"name: demo\nversion: 1.0.0\n"),
        ("rules/r.md", content.as_bytes()),
    ])
}

/// Bytes that gzip cannot make smaller, the same every time.
pub(crate) fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    (0..bytes).map(|_| next()).collect()
}

/// Writes an archive of one file of `bytes` bytes, as far as anybody takes it.
pub(crate) fn write_large(to: impl Write, bytes: u64) -> std::io::Result<()> {
    let piece = noise(64 << 10);
    let mut gzip = GzEncoder::new(to, Compression::none());
    let mut header = header("large.bin", bytes);
    header.set_path("large.bin")?;
    header.set_cksum();
    gzip.write_all(header.as_bytes())?;
    for _ in 0..bytes / piece.len() as u64 {
        gzip.write_all(&piece)?;
    }
    gzip.write_all(&[0; 1024])?;
    gzip.try_finish()
}

fn header(path: &str, size: u64) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_size(size);
    header.set_mode(if path.ends_with(".sh") { 0o755 } else { 0o644 });
    header
}
