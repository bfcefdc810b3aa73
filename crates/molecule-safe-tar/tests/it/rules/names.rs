//! Paths.

use molecule_safe_tar::Options;

use super::{accepted, accepted_with, posix, refused, refused_with};
use crate::builder::{Header, Tar, at};

/// Refused whatever the policy, as a file's, a directory's and a link's path.
#[track_caller]
fn never(path: &str, kind: &str, entry: &str) {
    for options in [Options::new(), posix()] {
        for type_flag in *b"0512" {
            let target: &[u8] = if matches!(type_flag, b'1' | b'2') {
                b"x"
            } else {
                b""
            };
            let header = Header::new(type_flag, path.as_bytes(), 0).target(target);
            refused_with(&Tar::new().entry(header, b"").end(), &options, kind, entry);
        }
    }
}

/// Refused unless only POSIX systems matter.
#[track_caller]
fn not_portable(name: &str, kind: &str) {
    for path in [name.to_owned(), format!("d/{name}"), format!("{name}/f")] {
        let tar = Tar::new().file(&path, "");
        refused(
            tar.clone(),
            kind,
            &molecule_safe_tar::EntryName::new(path.as_bytes()).to_string(),
        );
        assert_eq!(accepted_with(tar, &posix())[0].path, path);
    }
}

#[test]
fn ordinary_paths_are_accepted() {
    let paths = [
        "plugin.yaml",
        "rules/r.md",
        "a b/c-d_e+f,g@h=i.tar.gz",
        ".hidden",
        "..a/b..c/...d",
        "größe/日本/λ",
        "-rf",
        "~",
        "0",
        "1e3",
        "#x",
    ];
    let tar = paths
        .iter()
        .fold(Tar::new(), |tar, path| tar.file(path, *path));
    accepted(tar, &paths);
}

#[test]
fn dots_that_stand_for_the_directory_itself_are_dropped() {
    let tar = Tar::new()
        .directory("./")
        .directory(".")
        .directory("./a/")
        .file("./a/./b", "")
        .file("././c", "");
    accepted(tar, &["a/b", "c"]);
}

#[test]
fn a_directory_may_end_in_a_slash_or_not() {
    accepted(
        Tar::new()
            .directory("a")
            .directory("b/")
            .directory("c/.")
            .file("a/x", "")
            .file("b/x", ""),
        &["a/x", "b/x"],
    );
}

#[test]
fn a_parent_component_is_refused() {
    for path in [
        "..",
        "../a",
        "a/..",
        "a/../b",
        "./../a",
        "a/b/../../../c",
        "sub/../outdir/file.txt",
    ] {
        never(path, "parent-component", path);
    }
    refused(Tar::new().directory("../"), "parent-component", "../");
}

#[test]
fn an_absolute_path_is_refused() {
    for path in ["/", "/a", "/etc/passwd", "//a", "/.", "/../a"] {
        never(path, "absolute-path", path);
    }
}

#[test]
fn an_empty_component_is_refused() {
    for path in ["a//b", "a//", ".//a", "a/b//c"] {
        never(path, "empty-component", path);
    }
    let prefix = Header::new(b'0', b"b", 0).put(at::PREFIX, b"a/");
    refused(Tar::new().entry(prefix, b""), "empty-component", "a//b");
}

#[test]
fn an_empty_path_is_refused() {
    for options in [Options::new(), posix()] {
        for type_flag in *b"05" {
            let archive = Tar::new().entry(Header::new(type_flag, b"", 0), b"").end();
            refused_with(&archive, &options, "empty-path", "");
        }
    }
}

#[test]
fn a_file_that_ends_as_a_directory_is_refused() {
    for path in ["a/", ".", "./", "a/.", "a/b/"] {
        refused(Tar::new().file(path, ""), "trailing-slash", path);
        refused(Tar::new().symbolic_link(path, "x"), "trailing-slash", path);
    }
    let old = Header::new(0, b"a/", 0);
    refused(Tar::new().entry(old, b""), "trailing-slash", "a/");
    let prefix_alone = Header::new(b'0', b"", 0).put(at::PREFIX, b"a");
    refused(Tar::new().entry(prefix_alone, b""), "trailing-slash", "a/");
}

#[test]
fn a_backslash_is_refused() {
    never(r"a\b", "backslash", r"a\\b");
    never(r"..\a", "backslash", r"..\\a");
    never(r"C:\a", "backslash", r"C:\\a");
}

#[test]
fn a_path_that_is_not_utf8_is_refused() {
    for (path, entry) in [
        (&b"a\xff"[..], r"a\xff"),
        (b"\xed\xa0\x80", r"\xed\xa0\x80"),
        (b"\xc0\xaf", r"\xc0\xaf"),
        (b"\xf5\x80\x80\x80", r"\xf5\x80\x80\x80"),
    ] {
        refused(Tar::new().file(path, ""), "not-utf8", entry);
        refused(
            Tar::new().pax(&[("path", path)]).file("x", ""),
            "not-utf8",
            entry,
        );
    }
}

#[test]
fn control_characters_are_refused() {
    let controls = (1..0x20).chain(0x7f..0xa0).filter_map(char::from_u32);
    for c in controls {
        let entry = molecule_safe_tar::EntryName::new(format!("a{c}b").as_bytes()).to_string();
        never(&format!("a{c}b"), "control-character", &entry);
    }
}

#[test]
fn invisible_and_private_characters_are_refused() {
    for c in [
        '\u{ad}',
        '\u{61c}',
        '\u{200b}',
        '\u{200d}',
        '\u{202e}',
        '\u{2066}',
        '\u{feff}',
        '\u{e000}',
        '\u{e0041}',
        '\u{10fffd}',
    ] {
        never(
            &format!("a{c}b"),
            "hidden-character",
            &format!("a\\u{{{:x}}}b", u32::from(c)),
        );
    }
}

#[test]
fn unassigned_characters_are_accepted() {
    accepted(
        Tar::new().file("a\u{378}", "").file("b\u{fffe}", ""),
        &["a\u{378}", "b\u{fffe}"],
    );
}

#[test]
fn colons_are_not_portable() {
    for name in ["a:b", "C:", "file.txt:stream", ":"] {
        not_portable(name, "colon");
    }
}

#[test]
fn device_names_are_not_portable() {
    for name in [
        "con",
        "PRN",
        "Aux",
        "nul",
        "COM1",
        "com0",
        "lpt9",
        "COM¹",
        "lpt³",
        "CONIN$",
        "conout$",
        "clock$",
        "nul.txt",
        "con.tar.gz",
        "aux .md",
    ] {
        not_portable(name, "device-name");
    }
    accepted(
        Tar::new()
            .file("console", "")
            .file("com", "")
            .file("com10", "")
            .file("lpt", "")
            .file("null", "")
            .file("a.con", ""),
        &["console", "com", "com10", "lpt", "null", "a.con"],
    );
}

#[test]
fn a_dot_or_space_at_the_end_is_not_portable() {
    for name in ["a.", "a ", "a. .", "...", " "] {
        not_portable(name, "trailing-dot-or-space");
    }
    accepted(Tar::new().file(" a", "").file("a b", ""), &[" a", "a b"]);
}

#[test]
fn short_names_are_not_portable() {
    for name in [
        "PLUGIN~1",
        "plugin~1.yam",
        "GIT~1",
        "a~12",
        "SETUP~1.SH",
        "a~b~1",
    ] {
        not_portable(name, "short-name");
    }
    let paths = [
        "~1",
        "a~",
        "backup~",
        "a~b",
        "longername~1",
        "a~1.yaml",
        "a~1.b.c",
    ];
    accepted(
        paths
            .iter()
            .fold(Tar::new(), |tar, path| tar.file(path, "")),
        &paths,
    );
}

#[test]
fn lookalikes_of_reserved_names_are_refused() {
    for name in [
        "Plugin.yaml",
        "PLUGIN.YAML",
        "plug\u{131}n.yaml",
        "Setup.sh",
        "\u{17f}etup.sh",
    ] {
        for tar in [
            Tar::new().file(name, ""),
            Tar::new().directory(name),
            Tar::new().symbolic_link(name, "x"),
        ] {
            refused(tar.clone(), "lookalike", name);
            refused_with(&tar.end(), &posix(), "lookalike", name);
        }
    }
    refused(
        Tar::new().file("PLUGIN.yaml/x", ""),
        "lookalike",
        "PLUGIN.yaml/x",
    );
    let paths = [
        "plugin.yaml",
        "setup.sh",
        "docs/Plugin.yaml",
        "plugin.yml",
        "Setup.sh.md",
    ];
    accepted(
        paths
            .iter()
            .fold(Tar::new(), |tar, path| tar.file(path, "")),
        &paths,
    );
}

#[test]
fn a_manifest_that_is_no_file_is_refused() {
    refused(
        Tar::new().directory("plugin.yaml"),
        "manifest-not-a-file",
        "plugin.yaml",
    );
    refused(
        Tar::new().symbolic_link("plugin.yaml", "x"),
        "manifest-not-a-file",
        "plugin.yaml",
    );
    refused(
        Tar::new().hard_link("./plugin.yaml", "x"),
        "manifest-not-a-file",
        "./plugin.yaml",
    );
    refused(
        Tar::new().file("plugin.yaml/x", ""),
        "manifest-not-a-file",
        "plugin.yaml/x",
    );
    accepted(
        Tar::new()
            .directory("docs/plugin.yaml")
            .directory("setup.sh"),
        &[],
    );
}
