//! What extension headers say about the entry behind them.

use crate::header::{Extension, Format, Header, Kind, Member};
use crate::pax::Pax;
use crate::{EntryName, Refusal};

/// The extension headers since the last entry.
#[derive(Debug, Default)]
pub(crate) struct Extensions {
    count: u32,
    last: Option<EntryName>,
    pax: Option<Pax>,
    long_name: Option<Vec<u8>>,
    long_target: Option<Vec<u8>>,
}

impl Extensions {
    /// Decides whether this header may stand here, before its body is read.
    pub(crate) fn admit(
        &mut self,
        header: &Header,
        extension: Extension,
        limit: u32,
    ) -> Result<(), Refusal> {
        let entry = header.label();
        check_format(header)?;
        if self.count >= limit {
            return Err(Refusal::TooManyExtensions { entry, limit });
        }
        let gnu = self.long_name.is_some() || self.long_target.is_some();
        let (repeats, mixes) = match extension {
            Extension::Pax => (self.pax.is_some(), gnu),
            Extension::LongName => (self.long_name.is_some(), self.pax.is_some()),
            Extension::LongTarget => (self.long_target.is_some(), self.pax.is_some()),
        };
        if repeats {
            return Err(Refusal::DuplicateExtension { entry });
        }
        if mixes {
            return Err(Refusal::MixedExtensions { entry });
        }
        self.count += 1;
        self.last = Some(entry);
        Ok(())
    }

    /// Takes the body of an admitted header.
    pub(crate) fn take(
        &mut self,
        extension: Extension,
        body: Vec<u8>,
        name: &EntryName,
    ) -> Result<(), Refusal> {
        match extension {
            Extension::Pax => self.pax = Some(Pax::parse(&body, name)?),
            Extension::LongName => self.long_name = Some(long(body, name)?),
            Extension::LongTarget => self.long_target = Some(long(body, name)?),
        }
        Ok(())
    }

    /// The last one, if no entry has followed it.
    pub(crate) fn pending(&self) -> Option<&EntryName> {
        self.last.as_ref()
    }

    /// The path of the entry with this header.
    pub(crate) fn path(&self, header: &Header) -> Vec<u8> {
        let pax = self.pax.as_ref().and_then(|pax| pax.path.as_ref());
        let long = self.long_name.as_ref().or(pax);
        long.cloned().unwrap_or_else(|| header.path())
    }

    /// Checks what a header and its extensions say in two places, or about links.
    pub(crate) fn check(
        &self,
        header: &Header,
        member: Member,
        entry: &EntryName,
    ) -> Result<(), Refusal> {
        let entry = entry.clone();
        if header.has_hidden_text() {
            return Err(Refusal::NulInName { entry });
        }
        let pax_size = self.pax.as_ref().and_then(|pax| pax.size);
        if pax_size.is_some_and(|size| size != header.size) {
            return Err(Refusal::SizeMismatch { entry });
        }
        if header.size != 0 && member != Member::File {
            return Err(Refusal::SizeWithoutData { entry });
        }
        if header.is_old_directory() {
            return Err(Refusal::TrailingSlash { entry });
        }
        Ok(())
    }

    /// Checks the target of a link, and that nothing else has one.
    pub(crate) fn check_target(
        &self,
        header: &Header,
        member: Member,
        limit: usize,
        entry: &EntryName,
    ) -> Result<(), Refusal> {
        let pax = self.pax.as_ref().and_then(|pax| pax.target.as_deref());
        let long = self.long_target.as_deref().or(pax);
        let target = long.unwrap_or_else(|| header.target());
        let entry = entry.clone();
        match member {
            Member::File | Member::Directory if target.is_empty() => Ok(()),
            Member::File | Member::Directory => Err(Refusal::UnexpectedLinkTarget { entry }),
            _ if target.is_empty() => Err(Refusal::EmptyLinkTarget { entry }),
            _ if target.len() > limit => Err(Refusal::PathTooLong { entry, limit }),
            _ => Ok(()),
        }
    }
}

/// Each kind of extension belongs to one format. A program that goes by the format would take it for a file in the other.
pub(crate) fn check_format(header: &Header) -> Result<(), Refusal> {
    let expected = match header.kind {
        Kind::Extension(Extension::LongName | Extension::LongTarget) => Format::Gnu,
        _ => Format::Ustar,
    };
    let entry = header.label();
    match header.format == expected {
        true => Ok(()),
        false => Err(Refusal::ForeignExtension { entry }),
    }
}

/// A GNU long name, without the zero byte that ends it.
fn long(mut body: Vec<u8>, name: &EntryName) -> Result<Vec<u8>, Refusal> {
    if body.last() == Some(&0) {
        body.pop();
    }
    let entry = name.clone();
    match body {
        body if body.is_empty() => Err(Refusal::EmptyExtension { entry }),
        body if body.contains(&0) => Err(Refusal::NulInName { entry }),
        body => Ok(body),
    }
}
