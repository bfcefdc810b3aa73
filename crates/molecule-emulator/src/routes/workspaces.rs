//! Workspaces: listed, shown and changed.

use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::{Value, json};

use crate::asked::{Admins, Anyone, Asked, TheWorkspace};
use crate::reply::{Outcome, Reply, bad_request, not_found};
use crate::request::parse_id;
use crate::workspace::Workspace;

pub(crate) async fn list(asked: Asked<Admins>) -> Outcome {
    asked.read(|tx| {
        let live = tx
            .state
            .ordered()
            .into_iter()
            .filter(|row| !row.is_removed());
        Ok(Reply::ok(
            &live.map(Workspace::administrative).collect::<Vec<_>>(),
        ))
    })
}

pub(crate) async fn show(asked: Asked<Anyone>) -> Outcome {
    let id = parse_id(&asked.id).ok_or_else(|| bad_request("invalid workspace ID"))?;
    let include_removed = asked
        .params
        .get("include_removed")
        .is_some_and(|value| value == "true");
    asked.read(|tx| {
        let row = tx
            .state
            .get(id)
            .ok_or_else(|| not_found("workspace not found"))?;
        let shown = include_removed || tx.config.quirks().removed_is_shown;
        if row.is_removed() && !shown {
            return Err(removed(row));
        }
        Ok(Reply::ok(&row.public()))
    })
}

/// The later generation's answer for a workspace that is no more.
pub(crate) fn removed(row: &Workspace) -> Reply {
    let body = json!({
        "error": "workspace removed",
        "hint": "stop the agent; add ?include_removed=true to see the row",
        "id": row.id,
        "removed_at": row.removed_at,
    });
    Reply::new(StatusCode::GONE, &body)
}

/// A change of a row: each field by itself, and what does not fit is ignored.
pub(crate) async fn patch(asked: Asked<TheWorkspace>) -> Outcome {
    asked.write(|tx| {
        let id = parse_id(&asked.id).ok_or_else(|| bad_request("invalid workspace ID"))?;
        let fields: BTreeMap<String, Value> = asked.decode()?;
        let text = |key| fields.get(key).and_then(Value::as_str);
        check_name(text("name").unwrap_or("unchanged")).map_err(bad_request)?;
        check_role(text("role").unwrap_or_default()).map_err(bad_request)?;
        let parent = text("parent_id")
            .and_then(parse_id)
            .filter(|id| tx.state.get(*id).is_some());
        let row = tx
            .state
            .get_mut(id)
            .ok_or_else(|| not_found("workspace not found"))?;
        apply(row, &fields);
        if parent.is_some() || fields.get("parent_id") == Some(&Value::Null) {
            row.parent_id = parent;
        }
        Ok(Reply::ok(&json!({ "status": "updated" })))
    })
}

fn apply(row: &mut Workspace, fields: &BTreeMap<String, Value>) {
    let text = |key| fields.get(key).and_then(Value::as_str).map(str::to_owned);
    let number = |key| fields.get(key).and_then(Value::as_f64);
    let keep = |new: Option<String>, old: &mut String| *old = new.unwrap_or(std::mem::take(old));
    keep(text("name"), &mut row.name);
    keep(text("runtime"), &mut row.runtime);
    row.role = text("role").or(row.role.take());
    row.workspace_dir = text("workspace_dir").or(row.workspace_dir.take());
    row.tier = fields
        .get("tier")
        .and_then(Value::as_i64)
        .unwrap_or(row.tier);
    row.collapsed = fields
        .get("collapsed")
        .and_then(Value::as_bool)
        .unwrap_or(row.collapsed);
    if let (Some(x), Some(y)) = (number("x"), number("y")) {
        (row.x, row.y) = (x, y);
    }
}

pub(crate) fn check_name(name: &str) -> Result<(), &'static str> {
    if name.chars().count() > 255 {
        Err("name must be at most 255 characters")
    } else if name.contains(['\n', '\r']) {
        Err("name must not contain newline characters")
    } else if name.contains(['{', '}', '[', ']', '|', '>', '*', '&', '!']) {
        Err("name must not contain YAML special characters")
    } else {
        Ok(())
    }
}

pub(crate) fn check_role(role: &str) -> Result<(), &'static str> {
    if role.chars().count() > 1000 {
        Err("role must be at most 1000 characters")
    } else if role.contains(['\n', '\r']) {
        Err("role must not contain newline characters")
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expect: Result<(), &'static str>) {
        assert_eq!(check_name(name), expect, "{name:?}");
    }

    #[test]
    fn names_are_short_single_lines_without_yaml() {
        check("alpha beta-1", Ok(()));
        check(&"x".repeat(255), Ok(()));
        check(&"x".repeat(256), Err("name must be at most 255 characters"));
        check("bad\nname", Err("name must not contain newline characters"));
        check(
            "bad[name]",
            Err("name must not contain YAML special characters"),
        );
    }
}
