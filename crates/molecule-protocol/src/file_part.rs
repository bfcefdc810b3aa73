//! A file in a message: its bytes, or where they are.

use serde_json::{Map, Value};

use crate::base64;

/// The file of a file part. Fields that this version does not know are kept.
///
/// ```
/// use molecule_protocol::FilePart;
///
/// let file = FilePart::from_bytes(b"a,b\n1,2\n").with_name("table.csv").with_mime_type("text/csv");
/// assert_eq!(file.bytes().as_deref(), Some(&b"a,b\n1,2\n"[..]));
/// assert_eq!(FilePart::from_uri("https://files.example.com/1").uri(), Some("https://files.example.com/1"));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct FilePart(Map<String, Value>);

impl FilePart {
    /// A file that goes along, as base64.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(Map::new()).with("bytes", base64::encode(bytes))
    }

    /// A file that is elsewhere.
    #[must_use]
    pub fn from_uri(uri: impl Into<String>) -> Self {
        Self(Map::new()).with("uri", uri)
    }

    /// Says what the file is called.
    #[must_use]
    pub fn with_name(self, name: impl Into<String>) -> Self {
        self.with("name", name)
    }

    /// Says what kind of file it is, such as `text/csv`.
    #[must_use]
    pub fn with_mime_type(self, mime_type: impl Into<String>) -> Self {
        self.with("mimeType", mime_type)
    }

    fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.0.insert(key.to_owned(), value.into().into());
        self
    }

    /// What the file is called, in its sender's words: no path to write to without a look.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.text("name")
    }

    /// What kind of file its sender says it is.
    #[must_use]
    pub fn mime_type(&self) -> Option<&str> {
        self.text("mimeType").or_else(|| self.text("mime_type"))
    }

    /// Where the file is, if it does not go along.
    #[must_use]
    pub fn uri(&self) -> Option<&str> {
        self.text("uri")
    }

    /// The bytes of a file that goes along, unless they are no base64.
    #[must_use]
    pub fn bytes(&self) -> Option<Vec<u8>> {
        base64::decode(self.text("bytes")?)
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.as_str()
    }

    /// Reads the `file` of a part; it needs bytes or a uri.
    pub(crate) fn from_json(file: &Value) -> Option<Self> {
        let file = Self(file.as_object()?.clone());
        (file.uri().is_some() || file.text("bytes").is_some()).then_some(file)
    }

    /// The file as it goes over the wire.
    #[must_use]
    pub fn to_json(&self) -> Value {
        self.0.clone().into()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn unknown_fields_are_kept() {
        let file = json!({"uri": "workspace:a.txt", "size": 7, "name": "a.txt"});
        assert_eq!(FilePart::from_json(&file).unwrap().to_json(), file);
    }

    #[test]
    fn a_file_that_is_nowhere_is_no_file() {
        for file in [
            json!({"name": "a"}),
            json!("a"),
            json!({"uri": 7}),
            json!(null),
        ] {
            assert_eq!(FilePart::from_json(&file), None, "{file}");
        }
    }

    #[test]
    fn bytes_that_are_no_base64_are_none() {
        let file = FilePart::from_json(&json!({"bytes": "not base64!"})).unwrap();
        assert_eq!(file.bytes(), None);
    }
}
