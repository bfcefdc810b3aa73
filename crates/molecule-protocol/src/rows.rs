//! Lists, read row by row: what is no row takes nothing, and all rows together take no more than an answer may.

use std::fmt;

use serde::Deserializer as _;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::JsonError;
use crate::json::Budget;

/// The elements of a list that are rows, and how many are none.
#[derive(Debug, Default)]
pub(crate) struct Rows<T> {
    pub(crate) rows: Vec<T>,
    pub(crate) unreadable: usize,
}

/// Reads a list, or `null` as an empty one. No row may take more than `share`.
///
/// # Errors
/// [`JsonError::TooDear`] when the elements are too many, or take too much together.
pub(crate) fn read_rows<T>(
    list: &[u8],
    share: usize,
    read: impl FnMut(&RawValue, &mut Budget) -> Option<T>,
) -> Result<Rows<T>, JsonError> {
    let mut budget = Budget::ANSWER.with_share(share);
    let mut json = serde_json::Deserializer::from_slice(list);
    let rows = json.deserialize_any(Reader {
        read,
        budget: &mut budget,
        rows: Vec::new(),
    });
    if budget.is_overdrawn() {
        return Err(JsonError::TooDear);
    }
    let rows = rows?;
    json.end()?;
    Ok(rows)
}

struct Reader<'a, T, F> {
    read: F,
    budget: &'a mut Budget,
    rows: Vec<T>,
}

impl<'de, T, F: FnMut(&RawValue, &mut Budget) -> Option<T>> Visitor<'de> for Reader<'_, T, F> {
    type Value = Rows<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_unit<E>(self) -> Result<Rows<T>, E> {
        Ok(Rows {
            rows: self.rows,
            unreadable: 0,
        })
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<Rows<T>, A::Error> {
        let mut unreadable = 0;
        while let Some(element) = list.next_element()? {
            match self.row(element) {
                Some(row) => self.rows.push(row),
                None => unreadable += 1,
            }
            if self.budget.is_overdrawn() {
                return Err(A::Error::custom("too many rows"));
            }
        }
        Ok(Rows {
            rows: self.rows,
            unreadable,
        })
    }
}

impl<T, F: FnMut(&RawValue, &mut Budget) -> Option<T>> Reader<'_, T, F> {
    /// Its place in the list is paid for, too: a list doubles, so that half of it may be empty.
    fn row(&mut self, element: &RawValue) -> Option<T> {
        self.budget.pay(2 * size_of::<T>()).ok()?;
        let is_object = element.get().starts_with('{');
        is_object
            .then(|| (self.read)(element, self.budget))
            .flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(list: &str, share: usize) -> Result<Rows<u8>, JsonError> {
        read_rows(list.as_bytes(), share, |row, budget| {
            let fields: serde_json::Value = budget.parse(row.get().as_bytes()).ok()?;
            fields["n"].as_u64()?.try_into().ok()
        })
    }

    #[test]
    fn an_element_that_is_no_row_hides_no_other() {
        let deep = "[".repeat(10_000) + &"]".repeat(10_000);
        let list = format!(r#"[{{"n":1}},null,[{{"n":2}}],{{"n":{deep}}},{{"n":300}},{{"n":4}}]"#);
        let Rows { rows, unreadable } = numbers(&list, usize::MAX).unwrap();
        assert_eq!((rows, unreadable), (vec![1, 4], 4));
        assert!(numbers("null", usize::MAX).unwrap().rows.is_empty());
    }

    #[test]
    fn what_is_no_list_is_an_error() {
        for text in ["{}", "7", "", "[", "[{}", "[] []", "null null"] {
            let error = numbers(text, usize::MAX).unwrap_err();
            assert!(matches!(error, JsonError::Unreadable(_)), "{text}");
        }
    }

    #[test]
    fn a_row_that_is_dearer_than_its_share_hides_no_other() {
        let list = format!(
            r#"[{{"n":1}},{{"n":2,"a":[{}0]}},{{"n":3}}]"#,
            "0,".repeat(9_000)
        );
        assert_eq!(numbers(&list, 100_000).unwrap().rows, [1, 3]);
        assert_eq!(numbers(&list, 1_000_000).unwrap().rows, [1, 2, 3]);
    }

    #[test]
    fn rows_that_are_too_dear_together_are_an_error() {
        let row = format!(r#"{{"n":1,"a":[{}0]}}"#, "0,".repeat(100_000));
        let list = |count| format!("[{}]", vec![row.as_str(); count].join(","));
        assert_eq!(numbers(&list(10), usize::MAX).unwrap().rows.len(), 10);
        let error = numbers(&list(11), usize::MAX).unwrap_err();
        assert!(matches!(error, JsonError::TooDear));
    }

    #[test]
    fn elements_without_end_are_an_error_although_they_are_no_rows() {
        let list = format!("[{}0]", "0,".repeat(10_000));
        let large = |_: &RawValue, _: &mut Budget| None::<[u64; 1000]>;
        let error = read_rows(list.as_bytes(), usize::MAX, large).unwrap_err();
        assert!(matches!(error, JsonError::TooDear));
    }
}
