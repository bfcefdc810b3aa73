//! The archives that are installed: the same bytes on every machine.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Result;
use fastrand::Rng;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};

/// What an archive is made of.
pub(crate) struct Shape {
    pub(crate) title: &'static str,
    pub(crate) files: usize,
    /// Of each file.
    pub(crate) bytes: usize,
    per_folder: usize,
}

/// Few large files, many small ones, and what plugins usually are.
pub(crate) const SHAPES: [Shape; 3] = [
    shape("100 MB in 100 files", 100, 1_000_000, 10),
    shape("5 000 files of 2 kB", 5_000, 2_000, 100),
    shape("12 files of 1 kB", 12, 1_000, 4),
];

const fn shape(title: &'static str, files: usize, bytes: usize, per_folder: usize) -> Shape {
    Shape {
        title,
        files,
        bytes,
        per_folder,
    }
}

/// A written archive.
pub(crate) struct Archive {
    pub(crate) path: PathBuf,
    /// Regular files, `plugin.yaml` among them.
    pub(crate) files: usize,
    pub(crate) compressed: u64,
    pub(crate) unpacked: u64,
}

impl Shape {
    /// Writes the archive. Its `plugin.yaml`, at the end, declares the manifest hash.
    pub(crate) fn write(&self, path: &Path) -> Result<Archive> {
        let file = BufWriter::new(File::create(path)?);
        let mut tar = tar::Builder::new(GzEncoder::new(file, Compression::default()));
        let mut source = Source::new();
        let mut manifest = Manifest::default();
        for index in 0..self.files {
            let name = format!("part-{:03}/file-{index:05}.txt", index / self.per_folder);
            let content = source.file(index, self.bytes);
            add(&mut tar, &name, &content)?;
            manifest.add(&name, &content);
        }
        add(&mut tar, "plugin.yaml", manifest.yaml().as_bytes())?;
        tar.into_inner()?.finish()?.flush()?;
        Ok(Archive {
            path: path.to_owned(),
            files: self.files + 1,
            compressed: path.metadata()?.len(),
            unpacked: (self.files * self.bytes) as u64,
        })
    }
}

fn add(tar: &mut tar::Builder<impl Write>, name: &str, content: &[u8]) -> Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    Ok(tar.append_data(&mut header, name, content)?)
}

/// Contents, three quarters of them text.
struct Source {
    random: Rng,
    words: Vec<String>,
}

impl Source {
    fn new() -> Self {
        let mut random = Rng::with_seed(7);
        let mut word = || {
            let len = random.usize(2..10);
            (0..len).map(|_| random.lowercase()).collect()
        };
        let words = (0..1_500).map(|_| word()).collect();
        Self { random, words }
    }

    fn file(&mut self, index: usize, bytes: usize) -> Vec<u8> {
        if index % 4 == 3 {
            let mut content = vec![0; bytes];
            self.random.fill(&mut content);
            content
        } else {
            self.text(bytes)
        }
    }

    /// Words, where the first ones are frequent, as in a language.
    fn text(&mut self, bytes: usize) -> Vec<u8> {
        let mut text = String::with_capacity(bytes + 16);
        while text.len() < bytes {
            let rank = self.random.f64().powi(4) * self.words.len() as f64;
            text.push_str(&self.words[rank as usize]);
            text.push(if self.random.u8(..) < 20 { '\n' } else { ' ' });
        }
        text.truncate(bytes);
        text.into_bytes()
    }
}

/// The manifest hash of files that come in order and have plain names.
#[derive(Default)]
struct Manifest(Vec<String>);

impl Manifest {
    fn add(&mut self, name: &str, content: &[u8]) {
        let digest = hex(&Sha256::digest(content));
        self.0.push(format!("[\"{name}\", \"{digest}\"]"));
    }

    fn yaml(&self) -> String {
        let json = format!("[{}]", self.0.join(", "));
        let digest = hex(&Sha256::digest(json));
        format!("name: bench\nversion: 1.0.0\nsha256: {digest}\n")
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        // Writing into a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_is_the_same_every_time() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name| SHAPES[2].write(&folder.path().join(name)).unwrap();
        let (first, second) = (write("a"), write("b"));
        assert_eq!(
            std::fs::read(first.path).unwrap(),
            std::fs::read(second.path).unwrap()
        );
        assert_eq!((first.files, first.unpacked), (13, 12_000));
    }

    #[test]
    fn text_shrinks_to_a_third_or_a_quarter_and_noise_does_not() {
        let mut source = Source::new();
        let mut ratio = |index| {
            let content = source.file(index, 500_000);
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(&content).unwrap();
            content.len() as f64 / encoder.finish().unwrap().len() as f64
        };
        let text = ratio(0);
        assert!((3.0..4.0).contains(&text), "{text}");
        assert!(ratio(3) < 1.01);
    }

    #[test]
    fn the_manifest_hash_of_nothing_is_that_of_an_empty_list() {
        let digest = hex(&Sha256::digest("[]"));
        assert!(Manifest::default().yaml().ends_with(&format!("{digest}\n")));
    }
}
