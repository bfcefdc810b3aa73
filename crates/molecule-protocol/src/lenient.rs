//! Reading fields that matter less than the rest of what they stand in.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// The field, or its default if it is null or of another kind than expected.
pub(crate) fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

/// The elements that can be read: an odd one hides no other.
pub(crate) fn readable<T: DeserializeOwned>(elements: Vec<Value>) -> Vec<T> {
    let elements = elements.into_iter();
    elements
        .filter_map(|element| serde_json::from_value(element).ok())
        .collect()
}
