//! Index pages: the files of a directory, and the regions of a package, as HTML.

use crate::site::Entry;
use core::fmt::Write;
use dacti::Names;
use percent_encoding::utf8_percent_encode;
use std::collections::BTreeSet;

/// The maximum number of names on one page.
const NAMES_MAX: usize = 2_000;

/// Returns the page of a directory at `path`, which ends with `/`.
pub(crate) fn directory(path: &str, entries: &[Entry]) -> String {
    let mut page = Page::new(path);
    if path != "/" {
        page.link("../", "../", None);
    }
    for entry in entries.iter().take(NAMES_MAX) {
        let name = if entry.is_directory { format!("{}/", entry.name) } else { entry.name.clone() };
        let regions = entry.name.ends_with(".dacti-pack") && !entry.is_directory;
        page.link(&href(&name), &name, regions.then_some("-/"));
    }
    page.finish(entries.len())
}

/// Returns the page of the names of a folder at `path`, which ends with `/`.
pub(crate) fn names(path: &str, names: &[String]) -> String {
    let mut page = Page::new(path);
    // `/ipfs/CID/` has no folder above it.
    if path.matches('/').count() > 3 {
        page.link("../", "../", None);
    }
    for name in names.iter().take(NAMES_MAX) {
        page.link(&href(name), name, None);
    }
    page.finish(names.len())
}

/// Returns the page of a DAG-JSON or DAG-CBOR document at `path`: its links, and the forms in which
/// it can be fetched.
pub(crate) fn document(path: &str, links: &[String]) -> String {
    let mut page = Page::new(path);
    // The page's own path may end with `/`, so links begin at the root.
    let path = path.trim_end_matches('/');
    for format in ["raw", "car", "dar"] {
        page.link(&format!("{path}?format={format}"), &format!("format={format}"), None);
    }
    for link in links.iter().take(NAMES_MAX) {
        page.link(&format!("/ipfs/{link}"), link, None);
    }
    page.finish(links.len())
}

/// Returns the page of the regions of a package whose paths start with `folder`, which is empty or
/// ends with `/`; `None` if there are none. `path` is the path of the request.
pub(crate) fn regions(path: &str, names: &Names, folder: &str) -> Option<String> {
    let mut found = BTreeSet::new();
    for name in names.all() {
        let Some(rest) = name.path.strip_prefix(folder) else { continue };
        // Of a deeper path, only the first folder is shown.
        let end = rest.find('/').map_or(rest.len(), |at| at.saturating_add(1));
        found.extend(rest.get(..end).filter(|name| !name.is_empty()));
    }
    if found.is_empty() {
        return None;
    }
    let mut page = Page::new(path);
    if !folder.is_empty() {
        page.link("../", "../", None);
    }
    for name in found.iter().take(NAMES_MAX) {
        page.link(&href(name), name, None);
    }
    Some(page.finish(found.len()))
}

/// Returns a relative reference to `name`, which may end with `/`.
fn href(name: &str) -> String {
    let (name, slash) = name.strip_suffix('/').map_or((name, ""), |name| (name, "/"));
    // Without `./`, the part of a name before a colon would be read as the scheme of a URL.
    format!("./{}{slash}", utf8_percent_encode(name, crate::target::ESCAPED))
}

struct Page(String);

impl Page {
    fn new(path: &str) -> Self {
        let path = escaped(&percent_encoding::percent_decode_str(path).decode_utf8_lossy());
        Self(format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n<title>{path}</title>\n\
             <h1>{path}</h1>\n<ul>\n"
        ))
    }

    /// Adds a link. For a package, also adds a link to its regions, at the package's URL with
    /// `regions` after it.
    fn link(&mut self, href: &str, name: &str, regions: Option<&str>) {
        let (href, name) = (escaped(href), escaped(name));
        // Writing to a string cannot fail.
        let _ = write!(self.0, "<li><a href=\"{href}\">{name}</a>");
        if let Some(regions) = regions {
            let _ = write!(self.0, " (<a href=\"{href}/{regions}\">regions</a>)");
        }
        self.0.push_str("</li>\n");
    }

    fn finish(mut self, names: usize) -> String {
        self.0.push_str("</ul>\n");
        if let Some(more) = names.checked_sub(NAMES_MAX).filter(|more| *more > 0) {
            let _ = writeln!(self.0, "<p>and {more} more</p>");
        }
        self.0 + "</html>\n"
    }
}

/// Escapes text for HTML.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::{NAMES_MAX, directory};
    use crate::site::Entry;

    fn entry(name: &str, is_directory: bool) -> Entry {
        Entry { name: name.into(), is_directory }
    }

    #[test]
    fn names_are_escaped_in_links_and_in_text() {
        let entries = [entry("a&b<i>", true), entry("x:\"y\" z?#%.txt", false)];
        let page = directory("/%3Cb%3E/", &entries);
        assert!(page.contains("<title>/&lt;b&gt;/</title>"), "{page}");
        assert!(page.contains("<a href=\"../\">../</a>"), "{page}");
        assert!(page.contains("<a href=\"./a%26b%3Ci%3E/\">a&amp;b&lt;i&gt;/</a>"), "{page}");
        let link = "<a href=\"./x%3A%22y%22%20z%3F%23%25.txt\">x:&quot;y&quot; z?#%.txt</a>";
        assert!(page.contains(link), "{page}");
    }

    #[test]
    fn packages_link_to_their_regions_and_long_lists_end() {
        let mut entries = vec![entry("p.dacti-pack", false)];
        let page = directory("/", &entries);
        assert!(page.contains("(<a href=\"./p.dacti-pack/-/\">regions</a>)"), "{page}");
        assert!(!page.contains("../"));
        entries.extend((0..NAMES_MAX + 4).map(|n| entry(&n.to_string(), false)));
        let page = directory("/", &entries);
        assert_eq!(page.matches("<li>").count(), NAMES_MAX);
        assert!(page.contains("<p>and 5 more</p>"), "{page}");
    }
}
