//! Rust text, parted into code and comments, and the code into tokens.
//!
//! Just enough of a lexer that rules about names never trip over a string, nor rules about comments
//! over code: both halves keep every line where it was and put blanks in place of the rest. It does
//! not expand macros and is wrong about text that rustc itself would refuse.

/// The two halves of a file, of equal shape; literals are in neither.
#[derive(Debug)]
pub(crate) struct Halves {
    pub(crate) code: String,
    pub(crate) comments: String,
}

/// An identifier, a number, or one character of punctuation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Token<'a> {
    pub(crate) text: &'a str,
    /// From one.
    pub(crate) line: usize,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Kind {
    Code,
    Comment,
    Literal,
}

/// Parts `text`.
pub(crate) fn halves(text: &str) -> Halves {
    let mut halves = Halves { code: String::new(), comments: String::new() };
    let mut rest = text;
    let mut in_word = false;
    while !rest.is_empty() {
        let (kind, len) = next(rest, in_word);
        let (piece, after) = rest.split_at(len);
        in_word = kind == Kind::Code && piece.ends_with(is_word);
        for letter in piece.chars() {
            let blank = if letter == '\n' { '\n' } else { ' ' };
            halves.code.push(if kind == Kind::Code { letter } else { blank });
            halves.comments.push(if kind == Kind::Comment { letter } else { blank });
        }
        rest = after;
    }
    halves
}

/// The tokens of code that went through [`halves`].
pub(crate) fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    for (index, line) in code.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let word = rest.find(|letter| !is_word(letter)).unwrap_or(rest.len());
            let len = if word > 0 { word } else { first.len_utf8() };
            tokens.push(Token { text: &rest[..len], line: index + 1 });
            rest = rest[len..].trim_start();
        }
    }
    tokens
}

/// What stands at the start of `rest`, and how many bytes of it belong together.
fn next(rest: &str, in_word: bool) -> (Kind, usize) {
    if rest.starts_with("//") {
        return (Kind::Comment, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (Kind::Comment, block_comment(rest));
    }
    if !in_word && let Some(len) = literal(rest) {
        return (Kind::Literal, len);
    }
    (Kind::Code, rest.chars().next().map_or(1, char::len_utf8))
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        let here = &rest[at..];
        if here.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += here.chars().next().map_or(1, char::len_utf8);
        }
    }
    at
}

/// The length of the string or character literal that `rest` starts with, if it does.
fn literal(rest: &str) -> Option<usize> {
    let prefix = ["br", "cr", "b", "c", "r", ""].into_iter().find(|prefix| {
        let after = rest.strip_prefix(prefix).unwrap_or(" ");
        let raw = prefix.ends_with('r');
        after.starts_with('"')
            || (raw && after.trim_start_matches('#').starts_with('"') && after.starts_with('#'))
            || (matches!(*prefix, "" | "b") && after.starts_with('\''))
    })?;
    let body = &rest[prefix.len()..];
    let len = if prefix.ends_with('r') {
        raw_string(body)
    } else if body.starts_with('"') {
        quoted(body, '"')
    } else {
        character(body)?
    };
    Some(prefix.len() + len)
}

fn raw_string(body: &str) -> usize {
    let hashes = body.len() - body.trim_start_matches('#').len();
    let close = format!("\"{}", "#".repeat(hashes));
    let inside = hashes + 1;
    body[inside..].find(&close).map_or(body.len(), |at| inside + at + close.len())
}

fn quoted(body: &str, quote: char) -> usize {
    let mut letters = body.char_indices().skip(1);
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => {
                letters.next();
            }
            _ if letter == quote => return at + 1,
            _ => {}
        }
    }
    body.len()
}

/// A character literal, or `None` for a lifetime.
fn character(body: &str) -> Option<usize> {
    let mut letters = body.chars().skip(1);
    let first = letters.next()?;
    (first == '\\' || letters.next() == Some('\'')).then(|| quoted(body, '\''))
}

fn is_word(letter: char) -> bool {
    letter == '_' || letter.is_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_is_neither_code_nor_comment() {
        let halves = halves("let a = \"// fn x\"; // fn y\nlet b = r#\"\"fn z\"#;");
        assert_eq!(halves.code.replace(' ', ""), "leta=;\nletb=;");
        assert_eq!(halves.comments.trim(), "// fn y");
    }

    #[test]
    fn a_lifetime_is_not_a_character() {
        let halves = halves("fn f<'a>(x: &'a str) { m('\\'', 'b', '\"', b'{') }");
        assert_eq!(halves.code.replace(' ', ""), "fnf<'a>(x:&'astr){m(,,,)}");
    }

    #[test]
    fn comments_nest_and_lines_stay_where_they_were() {
        let halves = halves("a /* b /* c */\n d */ e");
        assert_eq!(halves.code.replace(' ', ""), "a\ne");
        let tokens = tokens(&halves.code);
        assert_eq!(tokens, [Token { text: "a", line: 1 }, Token { text: "e", line: 2 }]);
    }
}
