//! What the public API of a library must not show: types of the crates that it is built with.
//!
//! It reads the sources, so that it runs on a stable compiler. What is `pub` is public here, because the lint `unreachable_pub` lets nothing
//! else be. What macros make is not seen.

mod names;

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use syn::visit::{Visit, visit_path};
use syn::{Attribute, Fields, ImplItem, Item, ItemImpl, Path, TraitItem, Type, Visibility};

use self::names::{Aliases, Names, leaves};
use super::files::File;
use super::table::{PROGRAMS, SHOWN_ON_PURPOSE, TABLE, TESTS};

/// Every public item that shows a type of a hidden crate.
pub(crate) fn violations(files: &[File]) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for row in TABLE {
        if !PROGRAMS.contains(&row.name) && !TESTS.contains(&row.name) {
            all.extend(Library::read(row.name, files)?.violations());
        }
    }
    Ok(all)
}

/// The sources of a crate.
struct Library<'a> {
    name: &'a str,
    files: Vec<(&'a str, syn::File)>,
    aliases: Aliases,
    /// Types that only the crate itself can name.
    private: BTreeSet<String>,
}

impl<'a> Library<'a> {
    fn read(name: &'a str, files: &'a [File]) -> Result<Self> {
        let folder = format!("crates/{name}/src/");
        let sources = files.iter().filter(|file| {
            file.path.starts_with(&folder)
                && file.path.ends_with(".rs")
                && !file.path.ends_with("/tests.rs")
        });
        let mut parsed = Vec::new();
        for file in sources {
            let tree = syn::parse_file(&file.text)
                .with_context(|| format!("cannot parse {}", file.path))?;
            parsed.push((file.path.as_str(), tree));
        }
        let mut library = Self {
            name,
            files: parsed,
            aliases: Aliases::default(),
            private: BTreeSet::new(),
        };
        library.look_around();
        Ok(library)
    }

    /// What has to be known of the whole crate before one of its items can be judged.
    fn look_around(&mut self) {
        let (mut private, mut public) = (BTreeSet::new(), BTreeSet::new());
        for (_, file) in &self.files {
            let names = Names::of(&file.items, &Aliases::default());
            for item in flat(&file.items) {
                self.aliases.note(item, &names);
                if let Some((name, vis)) = declared(item) {
                    let set = if is_public(vis) {
                        &mut public
                    } else {
                        &mut private
                    };
                    set.insert(name);
                }
            }
        }
        self.private = &private - &public;
    }

    fn violations(&self) -> Vec<String> {
        let mut all = Vec::new();
        for (path, file) in &self.files {
            let names = Names::of(&file.items, &self.aliases);
            for item in flat(&file.items) {
                let mut shown = Shown::new(&names);
                self.visit(item, &mut shown);
                let found = shown
                    .found
                    .into_iter()
                    .filter(|(krate, _)| !self.may_show(krate));
                all.extend(found.map(|(krate, what)| {
                    format!(
                        "{path}: the public API shows `{what}`, which is {krate}'s: who uses {} would have to use the same {krate}",
                        self.name
                    )
                }));
            }
        }
        all
    }

    fn may_show(&self, krate: &str) -> bool {
        SHOWN_ON_PURPOSE
            .iter()
            .any(|(library, shown, _)| *library == self.name && *shown == krate)
    }

    /// Goes through what of an item others can see.
    fn visit(&self, item: &Item, shown: &mut Shown<'_>) {
        match item {
            Item::Impl(item) => self.visit_impl(item, shown),
            Item::Use(item) if is_public(&item.vis) => shown.reexported(&item.tree),
            Item::Fn(item) if is_public(&item.vis) => shown.visit_signature(&item.sig),
            Item::Const(item) if is_public(&item.vis) => shown.visit_type(&item.ty),
            Item::Static(item) if is_public(&item.vis) => shown.visit_type(&item.ty),
            Item::Type(item) if is_public(&item.vis) => shown.visit_item_type(item),
            Item::Struct(item) if is_public(&item.vis) => {
                shown.visit_generics(&item.generics);
                shown.fields(&item.fields, false);
            }
            Item::Enum(item) if is_public(&item.vis) => {
                shown.visit_generics(&item.generics);
                let variants = item.variants.iter();
                variants.for_each(|variant| shown.fields(&variant.fields, true));
            }
            Item::Trait(item) if is_public(&item.vis) => {
                shown.visit_generics(&item.generics);
                let bounds = item.supertraits.iter();
                bounds.for_each(|bound| shown.visit_type_param_bound(bound));
                item.items.iter().for_each(|item| match item {
                    TraitItem::Fn(item) => shown.visit_signature(&item.sig),
                    item => shown.visit_trait_item(item),
                });
            }
            _ => {}
        }
    }

    /// Methods are as public as they say; a trait is implemented for whoever can name the type.
    fn visit_impl(&self, item: &ItemImpl, shown: &mut Shown<'_>) {
        if self.is_private(&item.self_ty) {
            return;
        }
        if let Some((_, path, _)) = &item.trait_ {
            shown.visit_generics(&item.generics);
            shown.visit_path(path);
            shown.visit_type(&item.self_ty);
        }
        for inner in &item.items {
            match inner {
                ImplItem::Fn(inner) if is_public(&inner.vis) => shown.visit_signature(&inner.sig),
                ImplItem::Const(inner) if is_public(&inner.vis) => shown.visit_type(&inner.ty),
                ImplItem::Type(inner) => shown.visit_type(&inner.ty),
                _ => {}
            }
        }
    }

    fn is_private(&self, ty: &Type) -> bool {
        let Type::Path(ty) = ty else { return false };
        let last = ty.path.segments.last();
        last.is_some_and(|segment| self.private.contains(&segment.ident.to_string()))
    }
}

/// The types of hidden crates in what is visited: the crate, and how it is named.
struct Shown<'a> {
    names: &'a Names,
    found: Vec<(String, String)>,
}

impl<'a> Shown<'a> {
    const fn new(names: &'a Names) -> Self {
        Self {
            names,
            found: Vec::new(),
        }
    }

    fn fields(&mut self, fields: &Fields, all: bool) {
        for field in fields.iter().filter(|field| all || is_public(&field.vis)) {
            self.visit_type(&field.ty);
        }
    }

    fn reexported(&mut self, tree: &syn::UseTree) {
        for leaf in leaves(tree) {
            self.look_at(&leaf.path);
        }
    }

    fn look_at(&mut self, path: &[String]) {
        let krate = self.names.hidden(path);
        self.found
            .extend(krate.map(|krate| (krate.to_owned(), path.join("::"))));
    }
}

impl Visit<'_> for Shown<'_> {
    fn visit_path(&mut self, path: &Path) {
        let segments = path.segments.iter();
        self.look_at(&Vec::from_iter(segments.map(|part| part.ident.to_string())));
        visit_path(self, path);
    }

    fn visit_attribute(&mut self, _: &Attribute) {}
}

/// The items of a file and of the modules in it, without what is compiled for tests only.
fn flat(items: &[Item]) -> Vec<&Item> {
    let mut all = Vec::new();
    for item in items {
        match item {
            Item::Mod(module) if !is_for_tests(&module.attrs) => {
                let inner = module.content.iter().flat_map(|(_, items)| flat(items));
                all.extend(inner);
            }
            Item::Mod(_) => {}
            item => all.push(item),
        }
    }
    all
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .parse_args::<Path>()
                .is_ok_and(|path| path.is_ident("test"))
    })
}

fn declared(item: &Item) -> Option<(String, &Visibility)> {
    match item {
        Item::Struct(item) => Some((item.ident.to_string(), &item.vis)),
        Item::Enum(item) => Some((item.ident.to_string(), &item.vis)),
        _ => None,
    }
}

const fn is_public(vis: &Visibility) -> bool {
    matches!(vis, Visibility::Public(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sources of a library, and the types that it shows.
    fn check(sources: &[&str], expect: &[&str]) {
        let file = |(index, text): (usize, &&str)| File {
            path: format!("crates/molecule-transport/src/file{index}.rs"),
            text: (*text).to_owned(),
        };
        let files = Vec::from_iter(sources.iter().enumerate().map(file));
        let found = violations(&files).unwrap();
        assert_eq!(found.len(), expect.len(), "{sources:?}: {found:#?}");
        for (found, expect) in found.iter().zip(expect) {
            assert!(found.contains(&format!("shows `{expect}`")), "{found}");
        }
    }

    #[test]
    fn types_of_hidden_crates_are_found_wherever_others_see_them() {
        check(&["pub fn f(x: reqwest::Client) {}"], &["reqwest::Client"]);
        check(&["pub fn f() -> Vec<axum::Router> {}"], &["axum::Router"]);
        check(
            &["pub fn f(x: impl Into<redb::Database>) {}"],
            &["redb::Database"],
        );
        check(&["pub fn f<T>() where T: hyper::Body {}"], &["hyper::Body"]);
        check(
            &["pub struct S(pub rustls::ClientConfig);"],
            &["rustls::ClientConfig"],
        );
        check(
            &["pub enum E { A { source: reqwest::Error } }"],
            &["reqwest::Error"],
        );
        check(&["pub type T = reqwest::Client;"], &["reqwest::Client"]);
        check(
            &["pub trait T: tower::Service { fn f(&self) -> reqwest::Url; }"],
            &["tower::Service", "reqwest::Url"],
        );
        check(
            &["pub use reqwest::{Client, Url};"],
            &["reqwest::Client", "reqwest::Url"],
        );
        check(&["pub use axum;"], &["axum"]);
        check(&["pub use axum::*;"], &["axum::*"]);
        check(
            &["pub struct S; impl S { pub fn f(&self) -> &redb::Database {} }"],
            &["redb::Database"],
        );
        check(
            &["pub struct E; impl From<reqwest::Error> for E {}"],
            &["reqwest::Error"],
        );
        check(
            &["pub mod m { pub fn f(x: reqwest::Client) {} }"],
            &["reqwest::Client"],
        );
    }

    #[test]
    fn what_others_do_not_see_may_be_anything() {
        check(&["pub struct S { client: reqwest::Client }"], &[]);
        check(&["pub struct S(reqwest::Client);"], &[]);
        check(&["pub(crate) fn f(x: reqwest::Client) {}"], &[]);
        check(
            &["pub fn f() { let x: reqwest::Client = reqwest::Client::new(); }"],
            &[],
        );
        check(&["struct S; impl From<reqwest::Error> for S {}"], &[]);
        check(
            &["struct S; impl tower::Service<reqwest::Url> for S { type Error = reqwest::Error; }"],
            &[],
        );
        check(
            &["use reqwest::Client; pub struct S { client: Client }"],
            &[],
        );
        check(
            &["#[cfg(test)] mod tests { pub fn f(x: reqwest::Client) {} }"],
            &[],
        );
        check(
            &["pub fn f(x: http::Uri, y: &mut std::fmt::Formatter<'_>) {}"],
            &[],
        );
    }

    #[test]
    fn other_names_for_a_hidden_type_hide_nothing() {
        check(
            &["use reqwest::Client; pub fn f(x: Client) {}"],
            &["Client"],
        );
        check(
            &["use reqwest::Client as Http; pub fn f(x: Http) {}"],
            &["Http"],
        );
        check(
            &["use reqwest::{self as r, redirect}; pub fn f(x: r::Client, y: redirect::Policy) {}"],
            &["r::Client", "redirect::Policy"],
        );
        check(
            &["type Http = reqwest::Client; pub fn f(x: Http) {}"],
            &["Http"],
        );
        check(
            &[
                "pub(crate) type Http = reqwest::Client;",
                "use crate::a::Http; pub fn f(x: Http) {}",
            ],
            &["Http"],
        );
        check(
            &[
                "pub(crate) use reqwest::Client as Http;",
                "pub fn f(x: crate::Http) {}",
            ],
            &["crate::Http"],
        );
        check(
            &[
                "pub(crate) use reqwest::Client;",
                "pub use crate::a::Client;",
            ],
            &["crate::a::Client"],
        );
        check(
            &[
                "pub(crate) use reqwest::Client;",
                "use other::Client; pub fn f(x: Client) {}",
            ],
            &[],
        );
    }

    #[test]
    fn programs_show_nothing_to_anybody() {
        let text = "pub fn f(x: reqwest::Client) {}".to_owned();
        let path = "crates/molecule-agent-cli/src/lib.rs".to_owned();
        assert_eq!(violations(&[File { path, text }]).unwrap().len(), 0);
    }
}
