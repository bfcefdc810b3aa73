//! Paths with gaps.

/// Whether a path is meant: `*` stands for one segment, and `**` at the end for any number of them.
pub(super) fn matches(pattern: &str, path: &str) -> bool {
    let (mut wanted, mut found) = (pattern.split('/'), path.split('/'));
    loop {
        match (wanted.next(), found.next()) {
            (Some("**"), _) => return true,
            (None, None) => return true,
            (Some(wanted), Some(found)) if wanted == "*" || wanted == found => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_a_segment_and_two_are_the_rest() {
        let check = |pattern, path, expect| {
            assert_eq!(matches(pattern, path), expect, "{pattern} {path}");
        };
        check("/health", "/health", true);
        check("/health", "/health/", false);
        check("/health", "/healthy", false);
        check("/workspaces/*/notify", "/workspaces/a/notify", true);
        check("/workspaces/*/notify", "/workspaces/a/b/notify", false);
        check("/workspaces/*", "/workspaces", false);
        check("/workspaces/**", "/workspaces/a/b", true);
        check("/workspaces/**", "/workspaces", true);
        check("**", "/x", true);
        check("", "/x", false);
    }
}
