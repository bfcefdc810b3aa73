//! Files that go along with a notification, as they are written on the command line.

use molecule_agent::protocol::endpoints::Attachment;

const HINT: &str = "give an address such as https://example.com/report.pdf, which its reader can fetch; \
                    `attachments upload` makes one where the platform keeps files";

/// Reads `[NAME=]URI[;type=TYPE][;size=BYTES]`. A name has neither `:` nor `/`, so that a `=` within the address begins none.
///
/// # Errors
/// When there is no address, no name, or no number.
pub(crate) fn parse(text: &str) -> Result<Attachment, String> {
    let (address, mime_type, size) = parameters(text)?;
    let (name, uri) = match address.split_once('=') {
        Some((name, uri)) if !name.contains([':', '/']) => (name, uri),
        _ => (last_segment(address), address),
    };
    if !has_scheme(uri) {
        return Err(HINT.to_owned());
    }
    if name.trim().is_empty() {
        return Err("the address ends without a name; write NAME=URI".to_owned());
    }
    let mut attachment = Attachment::new(uri, name);
    attachment.mime_type = mime_type.map(str::to_owned);
    attachment.size = size;
    Ok(attachment)
}

/// Writes what [`parse`] reads. A name that it could not tell from an address is left out, as is what follows a media type.
pub(crate) fn written(attachment: &Attachment) -> String {
    let Attachment { uri, name, .. } = attachment;
    let is_name = !name.is_empty() && !name.contains([':', '/', '=']);
    let mut text = if is_name {
        format!("{name}={uri}")
    } else {
        uri.clone()
    };
    let mime_type = attachment.mime_type.as_deref().unwrap_or_default();
    if let Some(mime_type) = mime_type.split(';').next().filter(|text| !text.is_empty()) {
        text.push_str(&format!(";type={mime_type}"));
    }
    if let Some(size) = attachment.size {
        text.push_str(&format!(";size={size}"));
    }
    text
}

/// What stands before the parameters, and these.
fn parameters(text: &str) -> Result<(&str, Option<&str>, Option<u64>), String> {
    let (mut rest, mut mime_type, mut size) = (text, None, None);
    while let Some((before, parameter)) = rest.rsplit_once(';') {
        match parameter.split_once('=') {
            Some(("type", value)) => mime_type = Some(value),
            Some(("size", value)) => {
                let bytes = value.parse().map_err(|_| "size= takes a number of bytes")?;
                size = Some(bytes);
            }
            _ => break,
        }
        rest = before;
    }
    Ok((rest, mime_type, size))
}

fn last_segment(uri: &str) -> &str {
    let path = uri.split(['?', '#']).next().unwrap_or_default();
    let path = path.split_once("://").map_or(path, |(_, rest)| rest);
    path.rsplit_once(['/', ':']).map_or("", |(_, name)| name)
}

fn has_scheme(uri: &str) -> bool {
    let Some((scheme, rest)) = uri.split_once(':') else {
        return false;
    };
    let is_letter = |c: char| c.is_ascii_alphanumeric() || "+.-".contains(c);
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(is_letter)
        && !rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, uri: &str, name: &str) -> Attachment {
        let attachment = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(
            (attachment.uri.as_str(), attachment.name.as_str()),
            (uri, name),
            "{text}"
        );
        attachment
    }

    #[test]
    fn the_name_is_said_or_the_addresss_own() {
        let plain = "https://example.com/a/report.pdf";
        check(plain, plain, "report.pdf");
        check(&format!("Q3 report={plain}"), plain, "Q3 report");
        let query = "https://example.com/report.pdf?id=3#p=1";
        check(query, query, "report.pdf");
        check(&format!("r.pdf={query}"), query, "r.pdf");
        check("workspace:/a.txt", "workspace:/a.txt", "a.txt");
    }

    #[test]
    fn type_and_size_follow_the_address() {
        let attachment = check(
            "a.pdf=https://example.com/a;v=1;type=application/pdf;size=17",
            "https://example.com/a;v=1",
            "a.pdf",
        );
        assert_eq!(attachment.mime_type.as_deref(), Some("application/pdf"));
        assert_eq!(attachment.size, Some(17));
    }

    #[test]
    fn what_is_written_can_be_read() {
        let check = |attachment: Attachment, expect: &str| {
            assert_eq!(written(&attachment), expect);
            let read = parse(expect).unwrap();
            assert_eq!((read.uri, read.size), (attachment.uri, attachment.size));
        };
        let file = |name: &str| Attachment::new("platform-pending:1/2", name);
        let pdf = file("Q3; final.pdf").with_mime_type("application/pdf");
        check(
            pdf.with_size(17),
            "Q3; final.pdf=platform-pending:1/2;type=application/pdf;size=17",
        );
        let text = file("a:b").with_mime_type("text/plain; charset=utf-8");
        check(text, "platform-pending:1/2;type=text/plain");
        check(file(""), "platform-pending:1/2");
    }

    #[test]
    fn what_nobody_could_fetch_is_refused() {
        for text in [
            "",
            "report.pdf",
            "./report.pdf",
            "/tmp/report.pdf",
            "a=b",
            "https:",
        ] {
            assert!(parse(text).unwrap_err().contains("an address"), "{text:?}");
        }
        assert!(
            parse("https://example.com/")
                .unwrap_err()
                .contains("NAME=URI")
        );
        assert!(
            parse("https://example.com")
                .unwrap_err()
                .contains("NAME=URI")
        );
        assert!(
            parse("=https://example.com/a")
                .unwrap_err()
                .contains("NAME=URI")
        );
        assert!(
            parse("https://example.com/a;size=big")
                .unwrap_err()
                .contains("bytes")
        );
    }
}
