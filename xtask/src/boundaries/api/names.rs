//! Which names in a file mean something of a hidden crate.

use std::collections::BTreeMap;

use syn::visit::{Visit, visit_path};
use syn::{Item, Path, UseTree, Visibility};

use crate::boundaries::table::HIDDEN;

/// Names by which a file knows something of a hidden crate, and the crate.
#[derive(Default)]
pub(super) struct Names {
    imported: BTreeMap<String, String>,
    aliases: Aliases,
}

/// Names that a crate gives to something of a hidden crate for its own use, in any of its files.
#[derive(Default, Clone)]
pub(super) struct Aliases(BTreeMap<String, String>);

/// One name that a `use` brings, and where it comes from.
pub(super) struct Leaf {
    pub(super) path: Vec<String>,
    pub(super) name: String,
}

impl Names {
    /// As the imports of a file say.
    pub(super) fn of(items: &[Item], aliases: &Aliases) -> Self {
        let mut names = Self {
            imported: BTreeMap::new(),
            aliases: aliases.clone(),
        };
        for item in super::flat(items) {
            match item {
                Item::Use(item) => {
                    for leaf in leaves(&item.tree) {
                        let krate = names.hidden(&leaf.path).map(str::to_owned);
                        names.imported.extend(krate.map(|krate| (leaf.name, krate)));
                    }
                }
                Item::Type(item) => {
                    let name = item.ident.to_string();
                    let krate = names.inside(|finder| finder.visit_type(&item.ty));
                    names.imported.extend(krate.map(|krate| (name, krate)));
                }
                _ => {}
            }
        }
        names
    }

    /// The hidden crate that a path leads to.
    pub(super) fn hidden(&self, path: &[String]) -> Option<&str> {
        let (first, last) = (path.first()?, path.last()?);
        if let Some(krate) = HIDDEN.iter().find(|krate| *krate == first) {
            return Some(krate);
        }
        if matches!(first.as_str(), "crate" | "self" | "super") {
            return self.aliases.0.get(last).map(String::as_str);
        }
        self.imported.get(first).map(String::as_str)
    }

    /// The first hidden crate in what `visit` goes through.
    fn inside(&self, visit: impl FnOnce(&mut Finder<'_>)) -> Option<String> {
        let mut finder = Finder {
            names: self,
            found: None,
        };
        visit(&mut finder);
        finder.found
    }
}

impl Aliases {
    /// A private import or type may be named by other files.
    pub(super) fn note(&mut self, item: &Item, names: &Names) {
        let known = |name: String| {
            let krate = names.imported.get(&name)?.clone();
            Some((name, krate))
        };
        match item {
            Item::Use(item) if matches!(item.vis, Visibility::Restricted(_)) => {
                let found = leaves(&item.tree).into_iter().map(|leaf| leaf.name);
                self.0.extend(found.filter_map(known));
            }
            Item::Type(item) => self.0.extend(known(item.ident.to_string())),
            _ => {}
        }
    }
}

struct Finder<'a> {
    names: &'a Names,
    found: Option<String>,
}

impl Visit<'_> for Finder<'_> {
    fn visit_path(&mut self, path: &Path) {
        let path_here = Vec::from_iter(path.segments.iter().map(|part| part.ident.to_string()));
        let krate = self.names.hidden(&path_here).map(str::to_owned);
        self.found = self.found.take().or(krate);
        visit_path(self, path);
    }
}

/// The names that a `use` brings.
pub(super) fn leaves(tree: &UseTree) -> Vec<Leaf> {
    let mut all = Vec::new();
    collect(tree, &mut Vec::new(), &mut all);
    all
}

fn collect(tree: &UseTree, path: &mut Vec<String>, all: &mut Vec<Leaf>) {
    match tree {
        UseTree::Path(tree) => {
            path.push(tree.ident.to_string());
            collect(&tree.tree, path, all);
            path.pop();
        }
        UseTree::Group(tree) => tree.items.iter().for_each(|tree| collect(tree, path, all)),
        UseTree::Name(tree) => all.push(leaf(path, &tree.ident.to_string(), None)),
        UseTree::Rename(tree) => {
            let name = tree.rename.to_string();
            all.push(leaf(path, &tree.ident.to_string(), Some(name)));
        }
        UseTree::Glob(_) => all.push(leaf(path, "*", None)),
    }
}

/// `self` at the end of a path stands for what is before it.
fn leaf(path: &[String], last: &str, renamed: Option<String>) -> Leaf {
    let mut path = path.to_vec();
    if last != "self" || path.is_empty() {
        path.push(last.to_owned());
    }
    let name = path
        .last()
        .expect("something was pushed, or was there")
        .clone();
    Leaf {
        name: renamed.unwrap_or(name),
        path,
    }
}
