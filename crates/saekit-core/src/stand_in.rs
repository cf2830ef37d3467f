//! Files that stand where another should be: what a download leaves when it goes wrong.

/// Bytes of a file's beginning that are enough for [`stand_in`].
pub const STAND_IN_BYTES: usize = 512;

/// Names the file that begins with `head`, where it stands in for the one its name promises, and
/// says how to get that one. `head` has at least [`STAND_IN_BYTES`] bytes, or all that there are.
///
/// Knows pointers of git-lfs, pages of HTML, answers in XML such as buckets give, and empty files.
/// `None` says nothing about whether the file is sound.
pub fn stand_in(head: &[u8]) -> Option<(&'static str, &'static str)> {
    let text = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head).trim_ascii_start();
    let begins = |start: &[u8]| {
        text.get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start))
    };
    if begins(b"version https://git-lfs.github.com/spec/") {
        let remedy = "fetch the file with `git lfs pull` in the folder of the clone";
        return Some(("a git-lfs pointer, not the file itself", remedy));
    }
    if begins(b"<!doctype html") || begins(b"<html") {
        let remedy = "download it again, logged in and from the address of the file";
        return Some(("a page of HTML, such as a login page, not the file itself", remedy));
    }
    if begins(b"<?xml") || begins(b"<Error>") {
        let remedy = "download it again, with a key that may read it";
        return Some(("an answer in XML, such as a bucket's error, not the file itself", remedy));
    }
    head.is_empty().then_some(("empty", "copy or download it again"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_for_a_file_is_called_by_its_name() {
        let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 5\n";
        for (head, name) in [
            (&pointer[..], "git-lfs"),
            (b"\n <!DOCTYPE html><title>Log in", "HTML"),
            (b"\xEF\xBB\xBF<html>", "HTML"),
            (b"<?xml version=\"1.0\"?><Error><Code>AccessDenied", "XML"),
            (b"", "empty"),
        ] {
            assert!(stand_in(head).unwrap().0.contains(name), "{name}");
        }
        for head in [&b"PAR1"[..], b"\x93NUMPY", b"{}", b"<", b"version 4"] {
            assert_eq!(stand_in(head), None);
        }
    }
}
