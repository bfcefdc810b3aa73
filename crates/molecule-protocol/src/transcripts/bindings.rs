//! Variables of the recordings and their values.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;

use serde_json::Value;

/// The values of the variables.
///
/// A variable's kind in capitals, as in `${WORKSPACE:alpha}`, means its value in capitals. `${unknown:N}` has a value
/// from the start: an id that no server hands out.
#[derive(Clone)]
pub struct Bindings(BTreeMap<String, String>);

impl Bindings {
    /// Bindings for a replay against the server at `platform_url`, an origin such as `http://127.0.0.1:8080`.
    ///
    /// They hold `platform_url`, `platform_host`, `platform_port` and `bogus`, a token that nobody issued.
    #[must_use]
    pub fn new(platform_url: &str) -> Self {
        let mut bindings = Self(BTreeMap::new());
        bindings.bind_platform(platform_url);
        bindings.bind("bogus", "a-token-that-nobody-issued-0000000000000000");
        bindings
    }

    /// Says where the server is from now on.
    pub fn bind_platform(&mut self, platform_url: &str) {
        let host = platform_url.rsplit('/').next().unwrap_or(platform_url);
        let port = host.rsplit_once(':').map_or("80", |(_, port)| port);
        self.bind("platform_url", platform_url);
        self.bind("platform_host", host);
        self.bind("platform_port", port);
    }

    /// Gives a variable a value, in place of any earlier one.
    pub fn bind(&mut self, name: &str, value: &str) {
        self.0.insert(name.to_owned(), value.to_owned());
    }

    /// Binds each variable to the string in `answer` that its JSON pointer names.
    ///
    /// # Errors
    /// [`UnboundVariable`] when there is no string.
    pub fn capture(
        &mut self,
        pointers: &BTreeMap<String, String>,
        answer: &Value,
    ) -> Result<(), UnboundVariable> {
        for (name, pointer) in pointers {
            let value = answer.pointer(pointer).and_then(Value::as_str);
            self.bind(
                name,
                value.ok_or_else(|| UnboundVariable { name: name.clone() })?,
            );
        }
        Ok(())
    }

    /// The value of a variable.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<String> {
        if let Some(value) = self.0.get(name) {
            return Some(value.clone());
        }
        let (kind, rest) = name.split_once(':')?;
        if kind.chars().all(|letter| letter.is_ascii_uppercase()) {
            let lower = format!("{}:{rest}", kind.to_ascii_lowercase());
            return self.get(&lower).map(|value| value.to_ascii_uppercase());
        }
        (kind == "unknown").then(|| format!("00000000-0000-4000-8000-{rest:0>12}"))
    }

    /// `text` with every variable replaced by its value.
    ///
    /// # Errors
    /// [`UnboundVariable`] names the first variable that has none.
    pub fn substitute(&self, text: &str) -> Result<String, UnboundVariable> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((before, name, after)) = next_variable(rest) {
            let value = self.get(name).ok_or_else(|| UnboundVariable {
                name: name.to_owned(),
            })?;
            out.push_str(before);
            out.push_str(&value);
            rest = after;
        }
        Ok(out + rest)
    }

    /// `value` with every variable in its strings replaced.
    ///
    /// # Errors
    /// [`UnboundVariable`] names the first variable that has no value.
    pub fn substitute_json(&self, value: &Value) -> Result<Value, UnboundVariable> {
        Ok(match value {
            Value::String(text) => Value::String(self.substitute(text)?),
            Value::Array(items) => items
                .iter()
                .map(|item| self.substitute_json(item))
                .collect::<Result<_, _>>()?,
            Value::Object(fields) => {
                let replaced = fields
                    .iter()
                    .map(|(key, field)| Ok((key.clone(), self.substitute_json(field)?)));
                Value::Object(replaced.collect::<Result<_, _>>()?)
            }
            other => other.clone(),
        })
    }
}

impl fmt::Debug for Bindings {
    /// Names only: tokens are among the values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Splits `text` at its first `${name}` into what is before, the name, and what is after.
pub(super) fn next_variable(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once("${")?;
    let (name, after) = rest.split_once('}')?;
    Some((before, name, after))
}

/// A variable was used before it had a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnboundVariable {
    /// Its name, without `${` and `}`.
    pub name: String,
}

impl fmt::Display for UnboundVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the variable {} has no value; replay the setup and the earlier steps first",
            self.name
        )
    }
}

impl Error for UnboundVariable {}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn bindings() -> Bindings {
        let mut bindings = Bindings::new("http://127.0.0.1:8080");
        bindings.bind("workspace:alpha", "9e453dad-99f0-4e01-8c72-0031bf974e26");
        bindings.bind("token:alpha", "very-secret");
        bindings
    }

    fn check(text: &str, expect: &str) {
        assert_eq!(bindings().substitute(text).unwrap(), expect);
    }

    #[test]
    fn variables_are_replaced_wherever_they_stand() {
        check("plain, ${not a variable", "plain, ${not a variable");
        check("Bearer ${token:alpha}", "Bearer very-secret");
        check(
            "/workspaces/${workspace:alpha}/state",
            "/workspaces/9e453dad-99f0-4e01-8c72-0031bf974e26/state",
        );
        check(
            "https://${platform_host} ${platform_port}",
            "https://127.0.0.1:8080 8080",
        );
    }

    #[test]
    fn a_kind_in_capitals_gives_the_value_in_capitals() {
        check("${WORKSPACE:alpha}", "9E453DAD-99F0-4E01-8C72-0031BF974E26");
        check("${UNKNOWN:12}", "00000000-0000-4000-8000-000000000012");
    }

    #[test]
    fn a_variable_without_a_value_is_named() {
        let error = bindings()
            .substitute_json(&json!({"id": ["${workspace:beta}"]}))
            .unwrap_err();
        assert_eq!(error.name, "workspace:beta");
    }

    #[test]
    fn an_answer_binds_what_it_captures() {
        let pointers =
            BTreeMap::from([("token:beta".to_owned(), "/connection/auth_token".to_owned())]);
        let mut bindings = bindings();
        bindings
            .capture(&pointers, &json!({"connection": {"auth_token": "t"}}))
            .unwrap();
        assert_eq!(bindings.get("token:beta").as_deref(), Some("t"));
        assert_eq!(
            bindings.capture(&pointers, &json!({})).unwrap_err().name,
            "token:beta"
        );
    }

    #[test]
    fn debug_shows_no_value() {
        let shown = format!("{:?}", bindings());
        assert!(
            shown.contains("token:alpha") && !shown.contains("very-secret"),
            "{shown}"
        );
    }
}
