//! What an agent says about itself.

use bytes::Bytes;
use http::header::ACCEPT;
use http::{StatusCode, Uri};
use molecule_protocol::parse_json;
use molecule_transport::{CallOptions, Target, Transport};
use serde_json::Value;

use super::ClientError;
use crate::Version;

/// Where cards are: the place of today, and that of before.
const PLACES: [&str; 2] = ["/.well-known/agent-card.json", "/.well-known/agent.json"];
/// The name of the only binding that is spoken here.
const JSON_RPC: &str = "JSONRPC";

/// The card of an agent, of either version or of both.
#[derive(Debug, Clone, PartialEq)]
pub struct PeerCard(Value);

impl PeerCard {
    /// Asks the agent at `base` for its card.
    ///
    /// # Errors
    /// Any [`ClientError`] but a refusal.
    pub async fn fetch(transport: &dyn Transport, base: &Uri) -> Result<Self, ClientError> {
        let [place, older] = PLACES;
        match fetch(transport, base, place).await {
            Err(ClientError::Status { status, .. }) if status == StatusCode::NOT_FOUND => {
                fetch(transport, base, older).await
            }
            card => card,
        }
    }

    /// The card as it was sent.
    #[must_use]
    pub const fn as_json(&self) -> &Value {
        &self.0
    }

    /// Where the agent is called and in which version: 1.0 if it speaks that, and otherwise 0.3. `None` if it speaks neither over
    /// JSON-RPC. The address is whatever the agent says, and may be somebody else's.
    #[must_use]
    pub fn interface(&self) -> Option<(Version, Uri)> {
        let versions = [Version::V1_0, Version::V0_3].into_iter();
        versions
            .filter_map(|version| Some((version, self.url(version)?)))
            .next()
    }

    /// Where the agent is called in this version.
    #[must_use]
    pub fn url(&self, version: Version) -> Option<Uri> {
        let url = match version {
            Version::V0_3 => self.listed(version).or_else(|| self.older()),
            Version::V1_0 => self.listed(version),
        };
        let url: Uri = url?.parse().ok()?;
        let is_web = matches!(url.scheme_str(), Some("http" | "https"));
        is_web.then_some(url)
    }

    /// As version 1.0 says it.
    fn listed(&self, version: Version) -> Option<&str> {
        let interfaces = self.0.get("supportedInterfaces")?.as_array()?;
        let interface = interfaces.iter().find(|interface| {
            let named = text(interface, "protocolVersion").and_then(Version::named);
            named == Some(version) && text(interface, "protocolBinding") == Some(JSON_RPC)
        });
        text(interface?, "url")
    }

    /// As version 0.3 says it: a main address, and further ones.
    fn older(&self) -> Option<&str> {
        let version = text(&self.0, "protocolVersion").map(Version::named);
        if version.is_some_and(|version| version != Some(Version::V0_3)) {
            return None;
        }
        if text(&self.0, "preferredTransport").unwrap_or(JSON_RPC) == JSON_RPC {
            return text(&self.0, "url");
        }
        let further = self.0.get("additionalInterfaces")?.as_array()?;
        let over_json_rpc = |one: &&Value| text(one, "transport") == Some(JSON_RPC);
        text(further.iter().find(over_json_rpc)?, "url")
    }
}

impl From<Value> for PeerCard {
    fn from(card: Value) -> Self {
        Self(card)
    }
}

fn text<'a>(object: &'a Value, field: &str) -> Option<&'a str> {
    object.get(field)?.as_str()
}

/// The address of what is at `place` below `base`.
fn below(base: &Uri, place: &str) -> Option<Uri> {
    base.scheme()?;
    let path = format!("{}{place}", base.path().trim_end_matches('/'));
    let mut parts = base.clone().into_parts();
    parts.path_and_query = Some(path.parse().ok()?);
    Uri::from_parts(parts).ok()
}

async fn fetch(
    transport: &dyn Transport,
    base: &Uri,
    place: &str,
) -> Result<PeerCard, ClientError> {
    let url = below(base, place).ok_or(ClientError::NotAbsolute)?;
    let request = http::Request::get(url).header(ACCEPT, "application/json");
    let request = request.body(Bytes::new());
    let request = request.expect("the address is parsed, and the header is a constant");
    let target = Target::of(&request);
    let options = CallOptions::new().with_repeatable(true);
    let answer = transport.send(options.attach(request)).await?;
    let status = answer.status();
    if !status.is_success() {
        return Err(ClientError::Status { target, status });
    }
    let body = answer.into_body().collect().await?;
    let card = parse_json(&body);
    let card: Value = card.map_err(|source| ClientError::Unreadable { target, source })?;
    Ok(PeerCard(card))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(card: Value, expect: Option<(Version, &str)>) {
        let found = PeerCard::from(card.clone()).interface();
        let expect = expect.map(|(version, url)| (version, url.parse().unwrap()));
        assert_eq!(found, expect, "{card}");
    }

    #[test]
    fn a_card_says_where_and_in_which_version() {
        let one =
            json!({"url": "http://a/1", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"});
        let old =
            json!({"url": "http://a/3", "protocolBinding": "JSONRPC", "protocolVersion": "0.3"});
        let grpc =
            json!({"url": "http://a/g", "protocolBinding": "GRPC", "protocolVersion": "1.0"});
        let later =
            json!({"url": "http://a/9", "protocolBinding": "JSONRPC", "protocolVersion": "9.0"});
        let listed = |list: &[&Value]| json!({"supportedInterfaces": list, "url": "http://a/top"});
        check(
            listed(&[&later, &old, &grpc, &one]),
            Some((Version::V1_0, "http://a/1")),
        );
        check(listed(&[&grpc, &old]), Some((Version::V0_3, "http://a/3")));
        check(listed(&[&grpc]), Some((Version::V0_3, "http://a/top")));
    }

    #[test]
    fn a_card_of_version_0_3_has_a_main_address() {
        let card = |transport: &str, version: &str| {
            json!({"url": "http://a/", "preferredTransport": transport, "protocolVersion": version,
                "additionalInterfaces": [{"url": "http://a/j", "transport": "JSONRPC"}]})
        };
        check(card("JSONRPC", "0.3.0"), Some((Version::V0_3, "http://a/")));
        check(card("GRPC", "0.3.0"), Some((Version::V0_3, "http://a/j")));
        check(card("JSONRPC", "0.2.5"), None);
        check(
            json!({"url": "http://a/"}),
            Some((Version::V0_3, "http://a/")),
        );
    }

    #[test]
    fn a_card_is_below_the_address_of_its_agent() {
        for (base, expect) in [
            ("http://a", Some("http://a/.well-known/agent.json")),
            ("http://a/?x=1", Some("http://a/.well-known/agent.json")),
            (
                "https://a:8/b/",
                Some("https://a:8/b/.well-known/agent.json"),
            ),
            ("a:8", None),
            ("/b", None),
            ("*", None),
        ] {
            let url = below(&base.parse().unwrap(), PLACES[1]);
            assert_eq!(url.map(|url| url.to_string()).as_deref(), expect, "{base}");
        }
    }

    #[test]
    fn what_is_no_address_of_the_web_is_none() {
        for url in ["file:///etc/passwd", "ftp://a/", "/relative", "", "a b"] {
            check(json!({ "url": url }), None);
        }
        for card in [
            json!([]),
            json!(null),
            json!("http://a/"),
            json!({"url": 7}),
        ] {
            check(card, None);
        }
    }
}
