//! A tar archive, read strictly, in one pass.

use std::io::BufRead;
use std::mem;

use crate::blocks::Blocks;
use crate::claims::Claims;
use crate::extensions::{Extensions, check_format};
use crate::header::{BLOCK, Block, Extension, Header, Kind, Member};
use crate::path::EntryPath;
use crate::pax;
use crate::sink::Sink;
use crate::{EntryName, LinkPolicy, Options, Refusal, SkipReason, Skipped, Summary, UnpackError};

/// Reads the whole archive: every rule is decided here, and what is accepted goes to `sink`. `archive` is uncompressed, and
/// ends where the archive ends.
pub(crate) fn read_tar<R: BufRead, S: Sink>(
    archive: &mut R,
    options: &Options,
    sink: &mut S,
) -> Result<Summary, UnpackError> {
    let mut reader = Reader {
        blocks: Blocks::new(archive),
        options,
        sink,
        claims: Claims::default(),
        entries: 0,
        bytes: 0,
        names_bytes: 0,
        global: None,
        summary: Summary::default(),
    };
    reader.entries()?;
    Ok(reader.summary)
}

/// What is known between two entries.
struct Reader<'a, R, S> {
    blocks: Blocks<'a, R>,
    options: &'a Options,
    sink: &'a mut S,
    claims: Claims,
    /// Entries and implied directories.
    entries: u32,
    /// Bytes of files and of extension headers.
    bytes: u64,
    /// Bytes of paths.
    names_bytes: usize,
    /// A global header with nothing behind it yet.
    global: Option<EntryName>,
    summary: Summary,
}

impl<R: BufRead, S: Sink> Reader<'_, R, S> {
    /// All entries, up to the end.
    fn entries(&mut self) -> Result<(), UnpackError> {
        let mut extensions = Extensions::default();
        while let Some(header) = self.header(&extensions)? {
            match header.kind {
                Kind::Member(member) => self.member(&header, member, mem::take(&mut extensions)),
                Kind::Extension(kind) => self.extension(&header, kind, &mut extensions),
                Kind::Global => self.global(&header, &extensions),
            }?;
        }
        self.blocks.finish()
    }

    /// The next header, or the end: two blocks of zeros.
    fn header(&mut self, extensions: &Extensions) -> Result<Option<Header>, UnpackError> {
        let block = self.blocks.block()?;
        if block != [0; BLOCK] {
            return Ok(Some(Header::parse(block)?));
        }
        // CPython reads no archive that ends behind a global header either.
        let pending = extensions.pending().or(self.global.as_ref());
        if let Some(entry) = pending.cloned() {
            return Err(Refusal::OrphanExtension { entry }.into());
        }
        match self.blocks.block()? {
            second if second == [0; BLOCK] => Ok(None),
            second => Err(lone_zero_block(second).into()),
        }
    }

    fn global(&mut self, header: &Header, extensions: &Extensions) -> Result<(), UnpackError> {
        let entry = header.label();
        if extensions.pending().is_some() {
            return Err(Refusal::MisplacedGlobal { entry }.into());
        }
        self.count(1, &entry)?;
        check_format(header)?;
        let body = self.extension_body(header)?;
        pax::check_global(&body, &entry)?;
        self.global = Some(entry);
        Ok(())
    }

    fn extension(
        &mut self,
        header: &Header,
        extension: Extension,
        extensions: &mut Extensions,
    ) -> Result<(), UnpackError> {
        extensions.admit(header, extension, self.options.limits.extensions_per_entry)?;
        let body = self.extension_body(header)?;
        Ok(extensions.take(extension, body, &header.label())?)
    }

    fn extension_body(&mut self, header: &Header) -> Result<Vec<u8>, UnpackError> {
        let entry = header.label();
        let limit = self.options.limits.extension_bytes;
        if header.size == 0 {
            return Err(Refusal::EmptyExtension { entry }.into());
        }
        if header.size > limit {
            return Err(Refusal::ExtensionTooLarge { entry, limit }.into());
        }
        self.charge(header.size, &entry)?;
        self.blocks.enter(&entry);
        self.blocks.body(header.size)
    }

    /// An entry, with what was said about it before.
    fn member(
        &mut self,
        header: &Header,
        member: Member,
        extensions: Extensions,
    ) -> Result<(), UnpackError> {
        let raw = extensions.path(header);
        let entry = EntryName::new(&raw);
        self.global = None;
        self.blocks.enter(&entry);
        self.count(1, &entry)?;
        extensions.check(header, member, &entry)?;
        extensions.check_target(header, member, self.options.limits.path_bytes, &entry)?;
        let path = EntryPath::parse(&raw, member, self.options, &entry)?;
        self.charge_name(path.as_str().len(), &entry)?;
        self.claim(&path, member, &entry)?;
        match member {
            Member::File => self.file(header, &path, &entry),
            Member::Directory => Ok(()),
            Member::SymbolicLink => self.link(entry, SkipReason::SymbolicLink),
            Member::HardLink => self.link(entry, SkipReason::HardLink),
        }
    }

    /// Takes the path, and makes the directories that lead to it.
    fn claim(
        &mut self,
        path: &EntryPath,
        member: Member,
        entry: &EntryName,
    ) -> Result<(), UnpackError> {
        let added = self.claims.claim(path, member, entry)?;
        self.count(added.implied, entry)?;
        self.summary.directories += added.directories.len() as u64;
        added
            .directories
            .iter()
            .try_for_each(|path| self.sink.directory(path))
    }

    fn file(
        &mut self,
        header: &Header,
        path: &EntryPath,
        entry: &EntryName,
    ) -> Result<(), UnpackError> {
        let limit = self.options.limits.file_bytes;
        if header.size > limit {
            let entry = entry.clone();
            return Err(Refusal::FileTooLarge { entry, limit }.into());
        }
        self.charge(header.size, entry)?;
        self.summary.files += 1;
        self.summary.bytes += header.size;
        self.copy(path.as_str(), header.size, header.executable)
    }

    fn copy(&mut self, path: &str, size: u64, executable: bool) -> Result<(), UnpackError> {
        self.sink.file(path, size, executable)?;
        self.blocks.data(size, |bytes| self.sink.data(bytes))?;
        self.sink.close()
    }

    fn link(&mut self, name: EntryName, reason: SkipReason) -> Result<(), UnpackError> {
        if self.options.links == LinkPolicy::Refuse {
            return Err(Refusal::Link { entry: name }.into());
        }
        self.summary.skipped_in_all += 1;
        if self.summary.skipped.len() < self.options.limits.listed_skips {
            self.summary.skipped.push(Skipped { name, reason });
        }
        Ok(())
    }

    fn count(&mut self, more: u32, entry: &EntryName) -> Result<(), Refusal> {
        let limit = self.options.limits.entries;
        self.entries = self.entries.saturating_add(more);
        match self.entries <= limit {
            true => Ok(()),
            false => Err(Refusal::TooManyEntries {
                entry: entry.clone(),
                limit,
            }),
        }
    }

    fn charge_name(&mut self, more: usize, entry: &EntryName) -> Result<(), Refusal> {
        let limit = self.options.limits.names_bytes;
        self.names_bytes = self.names_bytes.saturating_add(more);
        match self.names_bytes <= limit {
            true => Ok(()),
            false => Err(Refusal::TooManyNameBytes {
                entry: entry.clone(),
                limit,
            }),
        }
    }

    fn charge(&mut self, more: u64, entry: &EntryName) -> Result<(), Refusal> {
        let limit = self.options.limits.total_bytes;
        self.bytes = self.bytes.saturating_add(more);
        match self.bytes <= limit {
            true => Ok(()),
            false => Err(Refusal::TooManyBytes {
                entry: entry.clone(),
                limit,
            }),
        }
    }
}

/// Something follows a block of zeros that should have been the first of two.
fn lone_zero_block(second: Block) -> Refusal {
    let entry = Header::parse(second).ok().map(|header| header.label());
    Refusal::LoneZeroBlock { entry }
}
