//! How much an archive may ask for.

/// What an archive may ask for at most. The defaults fit plugins.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of the compressed archive.
    pub compressed_bytes: u64,
    /// Bytes of all files and extension headers together.
    pub total_bytes: u64,
    /// Bytes of one file.
    pub file_bytes: u64,
    /// Entries, and directories that they imply.
    pub entries: u32,
    /// Unpacked bytes for each compressed one, once the floor is passed.
    pub ratio: u64,
    /// Unpacked bytes (headers and padding included) up to which the ratio does not matter.
    pub ratio_floor: u64,
    /// Deflate blocks. Each can bring Huffman tables of its own, which cost time and yield nothing.
    pub deflate_blocks: u32,
    /// Components of a path.
    pub depth: usize,
    /// Bytes of a path.
    pub path_bytes: usize,
    /// Bytes of the paths of all entries together.
    pub names_bytes: usize,
    /// Bytes of one component of a path.
    pub component_bytes: usize,
    /// Bytes of one extension header's body (pax, GNU long names).
    pub extension_bytes: u64,
    /// Extension headers before one entry.
    pub extensions_per_entry: u32,
    /// Entries that are listed as skipped; more are counted.
    pub listed_skips: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            compressed_bytes: 100 << 20,
            total_bytes: 100 << 20,
            file_bytes: 100 << 20,
            entries: 20_000,
            ratio: 200,
            ratio_floor: 16 << 20,
            deflate_blocks: 300_000,
            depth: 64,
            path_bytes: 1024,
            names_bytes: 4 << 20,
            component_bytes: 255,
            extension_bytes: 64 << 10,
            extensions_per_entry: 4,
            listed_skips: 100,
        }
    }
}
