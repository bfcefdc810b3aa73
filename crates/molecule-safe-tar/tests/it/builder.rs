//! Archives by hand: every byte of a header can be wrong.

pub(crate) const BLOCK: usize = 512;

/// Where a header's fields begin.
pub(crate) mod at {
    pub(crate) const MODE: usize = 100;
    pub(crate) const USER: usize = 108;
    pub(crate) const GROUP: usize = 116;
    pub(crate) const SIZE: usize = 124;
    pub(crate) const TIME: usize = 136;
    pub(crate) const SUM: usize = 148;
    pub(crate) const TYPE: usize = 156;
    pub(crate) const TARGET: usize = 157;
    pub(crate) const MAGIC: usize = 257;
    pub(crate) const DEVICE: usize = 329;
    pub(crate) const PREFIX: usize = 345;
    pub(crate) const REST: usize = 500;
}

/// A header block, in ustar format unless told otherwise.
#[derive(Clone)]
pub(crate) struct Header([u8; BLOCK]);

impl Header {
    pub(crate) fn new(type_flag: u8, name: &[u8], size: usize) -> Self {
        Self([0; BLOCK])
            .put(0, name)
            .put(at::MODE, b"0000644\0")
            .put(at::USER, b"0001750\0")
            .put(at::GROUP, b"0001750\0")
            .put(at::SIZE, format!("{size:011o}\0").as_bytes())
            .put(at::TIME, b"14733200000\0")
            .put(at::TYPE, &[type_flag])
            .put(at::MAGIC, b"ustar\x0000")
            .sealed()
    }

    /// With the magic of GNU.
    pub(crate) fn gnu(self) -> Self {
        self.put(at::MAGIC, b"ustar  \0")
    }

    pub(crate) fn target(self, target: &[u8]) -> Self {
        self.put(at::TARGET, target)
    }

    /// With other bytes somewhere, and the right checksum again.
    pub(crate) fn put(mut self, at: usize, bytes: &[u8]) -> Self {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
        match at {
            at::SUM => self,
            _ => self.sealed(),
        }
    }

    /// The sum of all bytes, as each reader takes them: unsigned or signed.
    pub(crate) fn sum(&self, of: impl Fn(u8) -> i64) -> i64 {
        let mut block = self.0;
        block[at::SUM..at::SUM + 8].fill(b' ');
        block.iter().map(|byte| of(*byte)).sum()
    }

    fn sealed(self) -> Self {
        let sum = self.sum(i64::from);
        self.put(at::SUM, format!("{sum:06o}\0 ").as_bytes())
    }
}

/// An archive that grows.
#[derive(Clone, Default)]
pub(crate) struct Tar(Vec<u8>);

impl Tar {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A header and what is behind it, filled up to a block.
    pub(crate) fn entry(self, header: Header, body: &[u8]) -> Self {
        let padding = body.len().next_multiple_of(BLOCK) - body.len();
        self.raw(&header.0).raw(body).raw(&vec![0; padding])
    }

    pub(crate) fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn file(self, name: impl AsRef<[u8]>, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        self.entry(Header::new(b'0', name.as_ref(), body.len()), body)
    }

    pub(crate) fn directory(self, name: impl AsRef<[u8]>) -> Self {
        self.entry(Header::new(b'5', name.as_ref(), 0), b"")
    }

    pub(crate) fn symbolic_link(self, name: &str, target: &str) -> Self {
        self.entry(
            Header::new(b'2', name.as_bytes(), 0).target(target.as_bytes()),
            b"",
        )
    }

    pub(crate) fn hard_link(self, name: &str, target: &str) -> Self {
        self.entry(
            Header::new(b'1', name.as_bytes(), 0).target(target.as_bytes()),
            b"",
        )
    }

    /// A pax header with this body.
    pub(crate) fn pax_body(self, body: &[u8]) -> Self {
        self.entry(Header::new(b'x', b"PaxHeaders/x", body.len()), body)
    }

    /// A pax header with these records.
    pub(crate) fn pax(self, records: &[(&str, &[u8])]) -> Self {
        self.pax_body(&bodies(records))
    }

    /// A global pax header with these records.
    pub(crate) fn global(self, records: &[(&str, &[u8])]) -> Self {
        let body = bodies(records);
        self.entry(Header::new(b'g', b"pax_global_header", body.len()), &body)
    }

    /// GNU's extension of this type.
    pub(crate) fn gnu(self, type_flag: u8, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let header = Header::new(type_flag, b"././@LongLink", body.len()).gnu();
        self.entry(header, body)
    }

    /// GNU's long name, ended as GNU ends it.
    pub(crate) fn long_name(self, name: impl AsRef<[u8]>) -> Self {
        self.gnu(b'L', [name.as_ref(), &[0]].concat())
    }

    /// GNU's long target of a link.
    pub(crate) fn long_target(self, target: impl AsRef<[u8]>) -> Self {
        self.gnu(b'K', [target.as_ref(), &[0]].concat())
    }

    pub(crate) fn zeros(self, blocks: usize) -> Self {
        self.raw(&vec![0; blocks * BLOCK])
    }

    /// The archive as it stands.
    pub(crate) fn open(self) -> Vec<u8> {
        self.0
    }

    /// The archive with its end.
    pub(crate) fn end(self) -> Vec<u8> {
        self.zeros(2).open()
    }
}

fn bodies(records: &[(&str, &[u8])]) -> Vec<u8> {
    records
        .iter()
        .flat_map(|(key, value)| record(key, value))
        .collect()
}

/// A pax record, with the length that counts itself.
pub(crate) fn record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let length = (rest + 1..).find(|length| length.to_string().len() + rest == *length);
    let mut record = format!("{} {key}=", length.unwrap()).into_bytes();
    record.extend_from_slice(value);
    record.push(b'\n');
    record
}
