//! YAML as a tree whose every node knows its bytes in the file.
//!
//! A typed deserializer stops at the first thing that is wrong. This tree takes any shape, so that
//! the readers behind it can walk the whole file and report everything. Anchors, aliases and tags
//! are refused: nothing in a configuration needs them, they are how a small file becomes a large
//! one, and a model pattern that begins with `*` is an alias only by accident.
//!
//! Nothing here recurses over the input, and depth is bounded before a node is made.

use core::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, options};

/// One value, and where it stands.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) at: Range<usize>,
    pub(crate) value: Value,
}

/// What a node is.
#[derive(Debug)]
pub(crate) enum Value {
    /// Something that has been reported already, and is passed over in silence.
    Broken,
    /// A list.
    List(Vec<Node>),
    /// Keys and values in the order of the file, as often as they are there.
    Map(Vec<(Node, Node)>),
    /// A scalar; `plain` where it was written without quotes.
    Text { text: String, plain: bool },
}

impl Node {
    /// The scalar's text.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text { text, .. } => Some(text),
            Value::Broken | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// The first value of `key`, if this is a map.
    pub(crate) fn entry(&self, key: &str) -> Option<&Self> {
        let Value::Map(entries) = &self.value else {
            return None;
        };
        entries.iter().find(|(name, _)| name.text() == Some(key)).map(|(_, value)| value)
    }

    /// Whether nothing is written where a value is expected.
    pub(crate) fn is_null(&self) -> bool {
        let Value::Text { text, plain: true } = &self.value else {
            return false;
        };
        self.at.is_empty() || matches!(&**text, "~" | "null" | "Null" | "NULL")
    }
}

/// What is wrong with a file as YAML.
#[derive(Debug)]
pub(crate) struct Flaw {
    pub(crate) at: Range<usize>,
    pub(crate) what: String,
    /// Whether the file could not be read on from here.
    pub(crate) is_end: bool,
}

/// Reads a file of one document. Without a root there is nothing to walk, and at least one flaw.
pub(crate) fn read(text: &str) -> (Option<Node>, Vec<Flaw>) {
    let options = options! {
        emit_unresolved_aliases: true,
        flow_nesting_limit: DEPTH_MAX,
        block_nesting_limit: DEPTH_MAX,
    };
    let mut tree = Tree::default();
    for event in Parser::new_from_str_with_options(text, options) {
        match event {
            Ok((event, span)) => tree.take(event, &span),
            Err(err) => {
                tree.flaws.push(syntax(text, &err));
                return (None, tree.flaws);
            }
        }
    }
    (tree.root, tree.flaws)
}

/// A list or map that has begun and not ended.
struct Open {
    start: usize,
    /// Whether it is written in brackets or braces.
    is_flow: bool,
    key: Option<Node>,
    value: Value,
}

#[derive(Default)]
struct Tree {
    root: Option<Node>,
    open: Vec<Open>,
    flaws: Vec<Flaw>,
    documents: usize,
}

impl Tree {
    fn take(&mut self, event: Event<'_>, span: &Span) {
        let at = bytes_of(span);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse(&at, anchor != 0, tag.is_some());
                let plain = style == ScalarStyle::Plain;
                self.place(Node { at, value: Value::Text { text: text.into_owned(), plain } });
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse(&at, anchor != 0, tag.is_some());
                self.begin(at, Value::List(Vec::new()));
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse(&at, anchor != 0, tag.is_some());
                self.begin(at, Value::Map(Vec::new()));
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(at.end),
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                self.flaw(
                    &at,
                    "a word that begins with \"*\" is an alias in YAML; expected quotes",
                );
                self.place(Node { at, value: Value::Broken });
            }
            Event::DocumentStart(..) => {
                self.documents += 1;
                if self.documents == 2 {
                    self.flaw(&at, "expected the end of the file: one file is one document");
                }
            }
            _ => {}
        }
    }

    fn refuse(&mut self, at: &Range<usize>, is_anchored: bool, is_tagged: bool) {
        if is_anchored {
            self.flaw(at, "anchors are not supported; expected the value alone");
        }
        if is_tagged {
            self.flaw(at, "tags are not supported; expected the value alone");
        }
    }

    fn flaw(&mut self, at: &Range<usize>, what: &str) {
        self.flaws.push(Flaw { at: at.clone(), what: what.to_owned(), is_end: false });
    }

    fn begin(&mut self, at: Range<usize>, value: Value) {
        self.open.push(Open { start: at.start, is_flow: !at.is_empty(), key: None, value });
    }

    fn end(&mut self, end: usize) {
        let Some(open) = self.open.pop() else {
            return;
        };
        // The end of a block is where the next line begins; its last value says more.
        let last = match &open.value {
            Value::List(items) => items.last(),
            Value::Map(entries) => entries.last().map(|(_, value)| value),
            Value::Broken | Value::Text { .. } => None,
        };
        let end = last.map(|node| node.at.end).filter(|_| !open.is_flow).unwrap_or(end);
        self.place(Node { at: open.start..end.max(open.start), value: open.value });
    }

    /// Puts a whole node where it belongs.
    fn place(&mut self, node: Node) {
        let Some(open) = self.open.last_mut() else {
            self.root.get_or_insert(node);
            return;
        };
        match &mut open.value {
            Value::List(items) => items.push(node),
            Value::Map(entries) => match open.key.take() {
                Some(key) => entries.push((key, node)),
                None => open.key = Some(node),
            },
            Value::Broken | Value::Text { .. } => {}
        }
    }
}

fn bytes_of(span: &Span) -> Range<usize> {
    // Offsets are always there for a parser made of a string.
    let start = span.start.byte_offset().unwrap_or(0);
    start..span.end.byte_offset().unwrap_or(start).max(start)
}

fn syntax(text: &str, err: &ScanError) -> Flaw {
    let start = err.marker().byte_offset().unwrap_or(0).min(text.len());
    Flaw { at: start..start, what: format!("not YAML: {}", err.info()), is_end: true }
}

/// Deeper than any configuration; what is deeper was not written by hand.
const DEPTH_MAX: usize = 32;
