//! The rules, as what is said when one is broken.

use crate::EntryName;

/// The rule that an archive breaks, with the entry that breaks it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The first bytes are not those of gzip.
    #[error("the archive is not a gzip file; build it with `tar -czf`")]
    NotGzip,
    /// The gzip header is damaged, longer than 64 KiB, or uses flags that mean nothing.
    #[error("the archive has an invalid gzip header; build it with `tar -czf`")]
    GzipHeader,
    /// The compressed bytes are damaged.
    #[error("the archive's compressed bytes are damaged; download or build it again")]
    GzipCorrupt,
    /// The CRC-32 at the end is not that of what was unpacked.
    #[error("the archive's gzip checksum is wrong; download or build it again")]
    GzipChecksum,
    /// The length at the end is not that of what was unpacked.
    #[error("the archive's gzip length is wrong; download or build it again")]
    GzipLength,
    /// Something follows the gzip member: another one, zeros, or anything else.
    #[error("bytes follow the archive's gzip data; compress it in one piece and append nothing")]
    GzipTrailing,
    /// The compressed archive is too large.
    #[error("the archive is larger than {limit} bytes; pack less")]
    CompressedBytes {
        /// The most, in bytes.
        limit: u64,
    },
    /// It unpacks to suspiciously much.
    #[error(
        "the archive unpacks to more than {limit} times its size; leave out what is almost empty"
    )]
    Ratio {
        /// The most, in unpacked bytes for each compressed one.
        limit: u64,
    },
    /// It is compressed in too many pieces.
    #[error(
        "the archive is compressed in more than {limit} blocks; compress it in one piece, without flushing"
    )]
    TooManyBlocks {
        /// The most deflate blocks.
        limit: u32,
    },

    /// The archive stops before its end.
    #[error("the archive is cut off{}; download or build it again", at(entry.as_ref()))]
    Truncated {
        /// The last entry that began.
        entry: Option<EntryName>,
    },
    /// One zero block, where two mean the end and none may stand otherwise.
    #[error("the archive has a single zero block{}; some programs would stop there", at(entry.as_ref()))]
    LoneZeroBlock {
        /// The entry behind it.
        entry: Option<EntryName>,
    },
    /// Something other than zeros stands behind the end.
    #[error("the archive goes on behind its end; send it without what was appended")]
    TrailingData,
    /// More zeros follow the end than any writer pads with.
    #[error("more than {limit} bytes of padding follow the archive's end; pad it less")]
    TooMuchPadding {
        /// The most, in bytes.
        limit: u64,
    },

    /// The header is neither POSIX ustar nor GNU.
    #[error(
        "entry \"{entry}\" is neither in ustar nor in GNU format; write the archive with a current tar"
    )]
    UnknownFormat {
        /// The entry.
        entry: EntryName,
    },
    /// The header's checksum is not that of its bytes, taken as unsigned.
    #[error("entry \"{entry}\" has a wrong header checksum; the archive is damaged")]
    Checksum {
        /// The entry.
        entry: EntryName,
    },
    /// A number is malformed, negative, or in a notation that not every program reads.
    #[error("entry \"{entry}\" has a malformed {field}; write the archive with a current tar")]
    InvalidNumber {
        /// The entry.
        entry: EntryName,
        /// Which number.
        field: &'static str,
    },
    /// Bytes that mean nothing in this format, and that some programs take for a part of the path.
    #[error(
        "entry \"{entry}\" has bytes in its header that some programs read as a path; write the archive anew"
    )]
    ReservedBytes {
        /// The entry.
        entry: EntryName,
    },
    /// A type other than file, directory and link.
    #[error("entry \"{entry}\" is of type {}, which is not supported; pack plain files and directories", .type_flag.escape_ascii())]
    UnsupportedType {
        /// The entry.
        entry: EntryName,
        /// The type, as the header has it.
        type_flag: u8,
    },
    /// A device or a pipe.
    #[error("entry \"{entry}\" is a device or a pipe; pack plain files and directories")]
    SpecialFile {
        /// The entry.
        entry: EntryName,
    },
    /// A file with holes, in whatever dialect.
    #[error("entry \"{entry}\" is a sparse file; pack it without `--sparse`")]
    SparseFile {
        /// The entry.
        entry: EntryName,
    },
    /// A directory or link that claims to have contents: some programs would skip them, some would read them as entries.
    #[error("entry \"{entry}\" has a size, but its type has no contents; write the archive anew")]
    SizeWithoutData {
        /// The entry.
        entry: EntryName,
    },
    /// A file that names the target of a link: some programs would make it one.
    #[error("entry \"{entry}\" is no link, but has a link's target; write the archive anew")]
    UnexpectedLinkTarget {
        /// The entry.
        entry: EntryName,
    },
    /// A link to nothing.
    #[error("entry \"{entry}\" is a link without a target; remove it")]
    EmptyLinkTarget {
        /// The entry.
        entry: EntryName,
    },
    /// A link, where links are not wanted.
    #[error("entry \"{entry}\" is a link; pack what it points to")]
    Link {
        /// The entry.
        entry: EntryName,
    },

    /// An extension header describes no entry.
    #[error("extension header \"{entry}\" has no entry behind it; the archive is damaged")]
    OrphanExtension {
        /// The extension header.
        entry: EntryName,
    },
    /// An extension header holds nothing.
    #[error("extension header \"{entry}\" is empty; write the archive with a current tar")]
    EmptyExtension {
        /// The extension header.
        entry: EntryName,
    },
    /// An extension header is too long.
    #[error(
        "extension header \"{entry}\" is longer than {limit} bytes; shorten the names and attributes"
    )]
    ExtensionTooLarge {
        /// The extension header.
        entry: EntryName,
        /// The most, in bytes.
        limit: u64,
    },
    /// Too many extension headers describe one entry.
    #[error(
        "extension header \"{entry}\" is one of more than {limit} before one entry; write the archive anew"
    )]
    TooManyExtensions {
        /// The one too many.
        entry: EntryName,
        /// The most.
        limit: u32,
    },
    /// Two extension headers of one kind describe the same entry.
    #[error("extension header \"{entry}\" repeats one for the same entry; write the archive anew")]
    DuplicateExtension {
        /// The second.
        entry: EntryName,
    },
    /// A pax header and a GNU one describe the same entry.
    #[error(
        "extension header \"{entry}\" mixes pax and GNU for one entry; write the archive in one format"
    )]
    MixedExtensions {
        /// The second.
        entry: EntryName,
    },
    /// An extension header is in the other format than it belongs to.
    #[error(
        "extension header \"{entry}\" belongs to another format than its header; write the archive in one format"
    )]
    ForeignExtension {
        /// The extension header.
        entry: EntryName,
    },
    /// A global header stands between an extension header and what that describes.
    #[error(
        "global header \"{entry}\" stands between an extension header and its entry; write the archive anew"
    )]
    MisplacedGlobal {
        /// The global header.
        entry: EntryName,
    },
    /// A global header says more than a comment: it would change entries from afar.
    #[error("global header \"{entry}\" has the key \"{key}\"; only a comment is supported")]
    UnsupportedGlobal {
        /// The global header.
        entry: EntryName,
        /// The key.
        key: EntryName,
    },
    /// A pax record is not `length key=value newline`.
    #[error(
        "extension header \"{entry}\" has a malformed pax record; write the archive with a current tar"
    )]
    MalformedPax {
        /// The extension header.
        entry: EntryName,
    },
    /// A pax record holds a newline, at which some programs begin to read another record.
    #[error(
        "extension header \"{entry}\" has a line break in \"{key}\"; remove it, or pack without extended attributes (--no-xattrs)"
    )]
    NewlineInPax {
        /// The extension header.
        entry: EntryName,
        /// The key.
        key: EntryName,
    },
    /// A pax key occurs twice.
    #[error("extension header \"{entry}\" has \"{key}\" twice; write the archive anew")]
    DuplicatePaxKey {
        /// The extension header.
        entry: EntryName,
        /// The key.
        key: EntryName,
    },
    /// A pax record has no value, which takes back what stood before, for those programs that know it.
    #[error("extension header \"{entry}\" has no value for \"{key}\"; write the archive anew")]
    EmptyPaxValue {
        /// The extension header.
        entry: EntryName,
        /// The key.
        key: EntryName,
    },
    /// A pax key that is not known to be harmless.
    #[error(
        "extension header \"{entry}\" has the key \"{key}\", which is not supported; pack plain files and directories"
    )]
    UnsupportedPaxKey {
        /// The extension header.
        entry: EntryName,
        /// The key.
        key: EntryName,
    },
    /// The pax size and the header's differ: programs that know only one of them read another archive.
    #[error("entry \"{entry}\" has two different sizes; write the archive anew")]
    SizeMismatch {
        /// The entry.
        entry: EntryName,
    },

    /// A file without a name.
    #[error("entry \"{entry}\" has an empty path; remove it")]
    EmptyPath {
        /// The entry.
        entry: EntryName,
    },
    /// Two slashes in a row.
    #[error("entry \"{entry}\" has an empty component in its path; write each slash once")]
    EmptyComponent {
        /// The entry.
        entry: EntryName,
    },
    /// The path begins with a slash.
    #[error("entry \"{entry}\" has an absolute path; pack paths relative to the top")]
    AbsolutePath {
        /// The entry.
        entry: EntryName,
    },
    /// A component is `..`.
    #[error(
        "entry \"{entry}\" has a `..` in its path; no entry may leave the archive's own directory"
    )]
    ParentComponent {
        /// The entry.
        entry: EntryName,
    },
    /// A backslash, which separates components on Windows.
    #[error("entry \"{entry}\" has a backslash in its path; rename it")]
    Backslash {
        /// The entry.
        entry: EntryName,
    },
    /// A zero byte, at which some programs stop to read and some do not.
    #[error("entry \"{entry}\" has a zero byte in a name; the archive is damaged")]
    NulInName {
        /// The entry.
        entry: EntryName,
    },
    /// The path is not UTF-8.
    #[error("entry \"{entry}\" has a path that is not UTF-8; rename it")]
    NotUtf8 {
        /// The entry.
        entry: EntryName,
    },
    /// A control character.
    #[error("entry \"{entry}\" has a control character in its path; rename it")]
    ControlCharacter {
        /// The entry.
        entry: EntryName,
    },
    /// A character that is not seen (formats, changes of direction), or means whatever a program wants (private use).
    #[error("entry \"{entry}\" has an invisible or private character in its path; rename it")]
    HiddenCharacter {
        /// The entry.
        entry: EntryName,
    },
    /// A file whose path ends as a directory's: some programs would make one.
    #[error(
        "entry \"{entry}\" is no directory, but its path ends like one; write the archive anew"
    )]
    TrailingSlash {
        /// The entry.
        entry: EntryName,
    },
    /// A path too long.
    #[error("entry \"{entry}\" has a path longer than {limit} bytes; shorten it")]
    PathTooLong {
        /// The entry.
        entry: EntryName,
        /// The most, in bytes.
        limit: usize,
    },
    /// A component too long.
    #[error("entry \"{entry}\" has a component longer than {limit} bytes in its path; shorten it")]
    ComponentTooLong {
        /// The entry.
        entry: EntryName,
        /// The most, in bytes.
        limit: usize,
    },
    /// A path too deep.
    #[error("entry \"{entry}\" is deeper than {limit} components; flatten the directories")]
    TooDeep {
        /// The entry.
        entry: EntryName,
        /// The most.
        limit: usize,
    },
    /// A colon: a drive or a stream on Windows.
    #[error("entry \"{entry}\" has a colon in its path, which Windows cannot keep; rename it")]
    Colon {
        /// The entry.
        entry: EntryName,
    },
    /// The name of a device on Windows, with whatever extension.
    #[error("entry \"{entry}\" has the name of a Windows device in its path; rename it")]
    DeviceName {
        /// The entry.
        entry: EntryName,
    },
    /// A component ends in a dot or a space, which Windows drops.
    #[error("entry \"{entry}\" has a component that ends in a dot or a space; rename it")]
    TrailingDotOrSpace {
        /// The entry.
        entry: EntryName,
    },
    /// A component such as `NAME~1`, by which Windows knows another file.
    #[error("entry \"{entry}\" has a component that looks like a short name of Windows; rename it")]
    ShortName {
        /// The entry.
        entry: EntryName,
    },
    /// A name that differs from `plugin.yaml` or `setup.sh`, and is the same file on some disks.
    #[error(
        "entry \"{entry}\" would be {reserved} on some disks; spell it exactly so, or rename it"
    )]
    Lookalike {
        /// The entry.
        entry: EntryName,
        /// Which name it resembles.
        reserved: &'static str,
    },
    /// The manifest is a link or a directory.
    #[error(
        "entry \"{entry}\" is not a regular file, but the manifest has to be; pack the file itself"
    )]
    ManifestNotAFile {
        /// The entry.
        entry: EntryName,
    },

    /// A path occurs twice.
    #[error("entry \"{entry}\" occurs twice; keep one")]
    Duplicate {
        /// The second.
        entry: EntryName,
    },
    /// A path is a file and a directory.
    #[error("entry \"{entry}\" makes one path a file and a directory; rename one")]
    FileAndDirectory {
        /// The second.
        entry: EntryName,
    },
    /// Two different names are the same file on some disks.
    #[error("entry \"{entry}\" and \"{other}\" are the same name on some disks; rename one")]
    NameCollision {
        /// The second.
        entry: EntryName,
        /// The component as it was spelled before.
        other: EntryName,
    },
    /// A path is, or leads through, a link that was left out.
    #[error("entry \"{entry}\" is at or below a link of the archive; pack what the link points to")]
    ThroughLink {
        /// The entry.
        entry: EntryName,
    },
    /// A link has the path of an earlier entry.
    #[error("entry \"{entry}\" is a link in place of an earlier entry; keep one")]
    LinkRepeatsPath {
        /// The link.
        entry: EntryName,
    },

    /// Too many entries, or directories that they imply.
    #[error("entry \"{entry}\" is one of more than {limit}; pack fewer files")]
    TooManyEntries {
        /// The one too many.
        entry: EntryName,
        /// The most.
        limit: u32,
    },
    /// A file too large.
    #[error("entry \"{entry}\" is larger than {limit} bytes; leave it out")]
    FileTooLarge {
        /// The entry.
        entry: EntryName,
        /// The most, in bytes.
        limit: u64,
    },
    /// All files and extension headers together are too large.
    #[error("entry \"{entry}\" makes the archive larger than {limit} bytes unpacked; pack less")]
    TooManyBytes {
        /// The one too many.
        entry: EntryName,
        /// The most, in bytes.
        limit: u64,
    },
    /// All paths together are too long.
    #[error(
        "entry \"{entry}\" makes the paths longer than {limit} bytes altogether; pack fewer files, or shorten their names"
    )]
    TooManyNameBytes {
        /// The one too many.
        entry: EntryName,
        /// The most, in bytes.
        limit: usize,
    },
}

/// Where something happened, if that is known.
fn at(entry: Option<&EntryName>) -> String {
    entry.map_or_else(String::new, |entry| format!(" at entry \"{entry}\""))
}

impl Refusal {
    /// A short word for the rule, for programs: `parent-component`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::NotGzip => "not-gzip",
            Self::GzipHeader => "gzip-header",
            Self::GzipCorrupt => "gzip-corrupt",
            Self::GzipChecksum => "gzip-checksum",
            Self::GzipLength => "gzip-length",
            Self::GzipTrailing => "gzip-trailing",
            Self::CompressedBytes { .. } => "compressed-bytes",
            Self::Ratio { .. } => "ratio",
            Self::TooManyBlocks { .. } => "too-many-blocks",
            Self::Truncated { .. } => "truncated",
            Self::LoneZeroBlock { .. } => "lone-zero-block",
            Self::TrailingData => "trailing-data",
            Self::TooMuchPadding { .. } => "too-much-padding",
            Self::UnknownFormat { .. } => "unknown-format",
            Self::Checksum { .. } => "checksum",
            Self::InvalidNumber { .. } => "invalid-number",
            Self::ReservedBytes { .. } => "reserved-bytes",
            Self::UnsupportedType { .. } => "unsupported-type",
            Self::SpecialFile { .. } => "special-file",
            Self::SparseFile { .. } => "sparse-file",
            Self::SizeWithoutData { .. } => "size-without-data",
            Self::UnexpectedLinkTarget { .. } => "unexpected-link-target",
            Self::EmptyLinkTarget { .. } => "empty-link-target",
            Self::Link { .. } => "link",
            Self::OrphanExtension { .. } => "orphan-extension",
            Self::EmptyExtension { .. } => "empty-extension",
            Self::ExtensionTooLarge { .. } => "extension-too-large",
            Self::TooManyExtensions { .. } => "too-many-extensions",
            Self::DuplicateExtension { .. } => "duplicate-extension",
            Self::MixedExtensions { .. } => "mixed-extensions",
            Self::ForeignExtension { .. } => "foreign-extension",
            Self::MisplacedGlobal { .. } => "misplaced-global",
            Self::UnsupportedGlobal { .. } => "unsupported-global",
            Self::MalformedPax { .. } => "malformed-pax",
            Self::NewlineInPax { .. } => "newline-in-pax",
            Self::DuplicatePaxKey { .. } => "duplicate-pax-key",
            Self::EmptyPaxValue { .. } => "empty-pax-value",
            Self::UnsupportedPaxKey { .. } => "unsupported-pax-key",
            Self::SizeMismatch { .. } => "size-mismatch",
            Self::EmptyPath { .. } => "empty-path",
            Self::EmptyComponent { .. } => "empty-component",
            Self::AbsolutePath { .. } => "absolute-path",
            Self::ParentComponent { .. } => "parent-component",
            Self::Backslash { .. } => "backslash",
            Self::NulInName { .. } => "nul-in-name",
            Self::NotUtf8 { .. } => "not-utf8",
            Self::ControlCharacter { .. } => "control-character",
            Self::HiddenCharacter { .. } => "hidden-character",
            Self::TrailingSlash { .. } => "trailing-slash",
            Self::PathTooLong { .. } => "path-too-long",
            Self::ComponentTooLong { .. } => "component-too-long",
            Self::TooDeep { .. } => "too-deep",
            Self::Colon { .. } => "colon",
            Self::DeviceName { .. } => "device-name",
            Self::TrailingDotOrSpace { .. } => "trailing-dot-or-space",
            Self::ShortName { .. } => "short-name",
            Self::Lookalike { .. } => "lookalike",
            Self::ManifestNotAFile { .. } => "manifest-not-a-file",
            Self::Duplicate { .. } => "duplicate",
            Self::FileAndDirectory { .. } => "file-and-directory",
            Self::NameCollision { .. } => "name-collision",
            Self::ThroughLink { .. } => "through-link",
            Self::LinkRepeatsPath { .. } => "link-repeats-path",
            Self::TooManyEntries { .. } => "too-many-entries",
            Self::FileTooLarge { .. } => "file-too-large",
            Self::TooManyBytes { .. } => "too-many-bytes",
            Self::TooManyNameBytes { .. } => "too-many-name-bytes",
        }
    }

    /// The entry that breaks it, where one does.
    #[must_use]
    pub const fn entry(&self) -> Option<&EntryName> {
        match self {
            Self::NotGzip
            | Self::GzipHeader
            | Self::GzipCorrupt
            | Self::GzipChecksum
            | Self::GzipLength
            | Self::GzipTrailing
            | Self::CompressedBytes { .. }
            | Self::Ratio { .. }
            | Self::TooManyBlocks { .. }
            | Self::TrailingData
            | Self::TooMuchPadding { .. } => None,
            Self::Truncated { entry } | Self::LoneZeroBlock { entry } => entry.as_ref(),
            Self::UnknownFormat { entry }
            | Self::Checksum { entry }
            | Self::InvalidNumber { entry, .. }
            | Self::ReservedBytes { entry }
            | Self::UnsupportedType { entry, .. }
            | Self::SpecialFile { entry }
            | Self::SparseFile { entry }
            | Self::SizeWithoutData { entry }
            | Self::UnexpectedLinkTarget { entry }
            | Self::EmptyLinkTarget { entry }
            | Self::Link { entry }
            | Self::OrphanExtension { entry }
            | Self::EmptyExtension { entry }
            | Self::ExtensionTooLarge { entry, .. }
            | Self::TooManyExtensions { entry, .. }
            | Self::DuplicateExtension { entry }
            | Self::MixedExtensions { entry }
            | Self::ForeignExtension { entry }
            | Self::MisplacedGlobal { entry }
            | Self::UnsupportedGlobal { entry, .. }
            | Self::MalformedPax { entry }
            | Self::NewlineInPax { entry, .. }
            | Self::DuplicatePaxKey { entry, .. }
            | Self::EmptyPaxValue { entry, .. }
            | Self::UnsupportedPaxKey { entry, .. }
            | Self::SizeMismatch { entry }
            | Self::EmptyPath { entry }
            | Self::EmptyComponent { entry }
            | Self::AbsolutePath { entry }
            | Self::ParentComponent { entry }
            | Self::Backslash { entry }
            | Self::NulInName { entry }
            | Self::NotUtf8 { entry }
            | Self::ControlCharacter { entry }
            | Self::HiddenCharacter { entry }
            | Self::TrailingSlash { entry }
            | Self::PathTooLong { entry, .. }
            | Self::ComponentTooLong { entry, .. }
            | Self::TooDeep { entry, .. }
            | Self::Colon { entry }
            | Self::DeviceName { entry }
            | Self::TrailingDotOrSpace { entry }
            | Self::ShortName { entry }
            | Self::Lookalike { entry, .. }
            | Self::ManifestNotAFile { entry }
            | Self::Duplicate { entry }
            | Self::FileAndDirectory { entry }
            | Self::NameCollision { entry, .. }
            | Self::ThroughLink { entry }
            | Self::LinkRepeatsPath { entry }
            | Self::TooManyEntries { entry, .. }
            | Self::FileTooLarge { entry, .. }
            | Self::TooManyBytes { entry, .. }
            | Self::TooManyNameBytes { entry, .. } => Some(entry),
        }
    }
}
