//! The tree of workspaces: who is whose peer, and who may talk to whom.

use uuid::Uuid;

use crate::state::State;
use crate::workspace::Workspace;

impl State {
    /// Rows in the order of their creation.
    pub(crate) fn ordered(&self) -> Vec<&Workspace> {
        let mut rows: Vec<_> = self.workspaces.values().collect();
        rows.sort_by_key(|row| row.seq);
        rows
    }

    /// The live direct children.
    pub(crate) fn children(&self, id: Uuid) -> Vec<&Workspace> {
        let is_child = |row: &&Workspace| row.parent_id == Some(id) && row.id != id;
        self.ordered()
            .into_iter()
            .filter(is_child)
            .filter(|row| !row.is_removed())
            .collect()
    }

    /// All live rows below this one.
    pub(crate) fn descendants(&self, id: Uuid) -> Vec<Uuid> {
        let mut found = Vec::new();
        let mut next = vec![id];
        while let Some(parent) = next.pop() {
            for child in self.children(parent) {
                if child.id != id && !found.contains(&child.id) {
                    found.push(child.id);
                    next.push(child.id);
                }
            }
        }
        found
    }

    /// Siblings, then children, then the parent; removed rows are nobody's peers.
    pub(crate) fn peers(&self, id: Uuid) -> Vec<&Workspace> {
        let Some(me) = self.get(id) else {
            return Vec::new();
        };
        let is_sibling = |row: &&Workspace| row.id != id && row.parent_id == me.parent_id;
        let mut peers: Vec<_> = self.ordered().into_iter().filter(is_sibling).collect();
        peers.extend(self.children(id));
        peers.extend(me.parent_id.and_then(|parent| self.get(parent)));
        peers.retain(|row| !row.is_removed());
        peers
    }

    /// The platform's access rule: oneself, siblings, and any ancestor or descendant.
    pub(crate) fn can_communicate(&self, a: Uuid, b: Uuid) -> bool {
        let (Some(first), Some(second)) = (self.get(a), self.get(b)) else {
            return false;
        };
        a == b
            || first.parent_id == second.parent_id
            || self.is_ancestor(a, b)
            || self.is_ancestor(b, a)
    }

    fn is_ancestor(&self, ancestor: Uuid, of: Uuid) -> bool {
        let parent_of = |id: &Uuid| self.get(*id).and_then(|row| row.parent_id);
        // A row may have been re-parented into a circle; no path is longer than the table.
        std::iter::successors(Some(of), parent_of)
            .take(self.workspaces.len() + 1)
            .skip(1)
            .any(|id| id == ancestor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    fn tree(edges: &[(u128, Option<u128>)]) -> State {
        let mut state = State::default();
        for (id, parent) in edges {
            let mut row =
                Workspace::new(Uuid::from_u128(*id), id.to_string(), Timestamp::UNIX_EPOCH);
            row.parent_id = parent.map(Uuid::from_u128);
            state.insert(row);
        }
        state
    }

    fn family() -> State {
        tree(&[
            (1, None),
            (2, Some(1)),
            (3, Some(1)),
            (4, Some(2)),
            (5, None),
            (6, Some(5)),
        ])
    }

    fn check(a: u128, b: u128, expect: bool) {
        let allowed = family().can_communicate(Uuid::from_u128(a), Uuid::from_u128(b));
        assert_eq!(allowed, expect, "{a} -> {b}");
    }

    #[test]
    fn relatives_in_line_and_siblings_may_talk_and_nobody_else() {
        check(2, 2, true);
        check(2, 3, true);
        check(1, 5, true);
        check(1, 4, true);
        check(4, 1, true);
        check(4, 3, false);
        check(2, 5, false);
        check(4, 6, false);
        check(2, 99, false);
    }

    #[test]
    fn peers_are_siblings_then_children_then_the_parent() {
        let names = |id: u128| -> Vec<String> {
            family()
                .peers(Uuid::from_u128(id))
                .iter()
                .map(|row| row.name.clone())
                .collect()
        };
        assert_eq!(names(2), ["3", "4", "1"]);
        assert_eq!(names(1), ["5", "2", "3"]);
    }

    #[test]
    fn a_circle_of_parents_ends_the_search() {
        let state = tree(&[(1, Some(2)), (2, Some(1)), (3, None)]);
        assert!(!state.can_communicate(Uuid::from_u128(1), Uuid::from_u128(3)));
        assert_eq!(state.descendants(Uuid::from_u128(1)), [Uuid::from_u128(2)]);
    }
}
