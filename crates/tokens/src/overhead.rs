//! What a prompt comes to: its texts, and by formula what surrounds them.
//!
//! Text is counted by the model's tokenizer, by a ratio, or by its bytes when a bound is enough.
//! Around it, the chat format takes 3 tokens a message, 1 a name, and 3 to open the answer;
//! functions and their parameters take the constants of OpenAI's cookbook. A prompt without
//! messages (completions, embeddings, moderations) has nothing around its text, and the responses
//! API is counted like chat, an item as a message. Token ids count as themselves, raw JSON that
//! nobody understood as text, files and sounds by their size. A prompt with a document that is
//! elsewhere is all that the model reads at once. The formulas are published approximations, meant
//! here to be a little high rather than low; they are wrong for what else the request does not show
//! (`Prompt::unseen`).

use tollgate_units::Tokens;
use tollgate_wire::{FunctionShape, Place, Prompt, PropertyShape, text};

use crate::image::image_tokens;
use crate::name::bare;
use crate::price::{PriceBook, WINDOW_MAX};
use crate::{Counts, Encoding, How, Ratio, count_text, encoding_of};

/// How many tokens `prompt` is to `model`: exactly where its tokenizer is known, else by `ratio`,
/// or by the ratio of a model that nothing is known of.
pub fn count_prompt(model: &str, body: &[u8], prompt: &Prompt, ratio: Option<Ratio>) -> Counts {
    let (scale, how) = match encoding_of(model) {
        Some(encoding) => (Scale::Vocabulary(encoding), How::Exact),
        None => (Scale::Ratio(ratio.unwrap_or_default()), How::Ratio),
    };
    Counts { input: weigh(scale, model, body, prompt), how }
}

/// At least as many tokens as [`count_prompt`] would say, found without tokenizing: no text has
/// more tokens than bytes.
pub fn bound_prompt(body: &[u8], prompt: &Prompt, model: &str) -> Counts {
    Counts { input: weigh(Scale::Bytes, model, body, prompt), how: How::Bound }
}

/// The bytes of text in `prompt`: what a [`Ratio`] estimates from and should learn from. None where
/// a document is elsewhere: its tokens would be taken for those of the text.
pub fn text_bytes(body: &[u8], prompt: &Prompt) -> u64 {
    if prompt.elsewhere {
        return 0;
    }
    let mut pan = Pan { scale: Scale::Ratio(Ratio::new()), body, tokens: 0, bytes: 0 };
    pan.lay(prompt);
    pan.bytes
}

/// What text is weighed with.
#[derive(Clone, Copy)]
enum Scale {
    Bytes,
    Ratio(Ratio),
    Vocabulary(Encoding),
}

fn weigh(scale: Scale, model: &str, body: &[u8], prompt: &Prompt) -> Tokens {
    let mut pan = Pan { scale, body, tokens: 0, bytes: 0 };
    pan.lay(prompt);
    let around = around(prompt, model);
    let images = prompt.images.iter().map(|image| image_tokens(model, image));
    let images = images.fold(Tokens::ZERO, Tokens::plus);
    let given = Tokens::new(prompt.token_ids.saturating_add(prompt.attached));
    let sum = pan.weight().plus(around).plus(images).plus(given);
    // However many documents there are and however long: what is over the window is refused.
    if prompt.elsewhere { sum.max(window(model)) } else { sum }
}

/// The most that a model reads at once.
fn window(model: &str) -> Tokens {
    let book = PriceBook::built_in();
    let known = book.facts(model).or_else(|| book.facts(bare(model)));
    known.and_then(|facts| facts.context_window).unwrap_or(WINDOW_MAX)
}

/// The text that has been laid on the scale so far.
struct Pan<'b> {
    scale: Scale,
    body: &'b [u8],
    /// Counted by a vocabulary.
    tokens: u64,
    /// Not counted: to be turned into tokens all at once.
    bytes: u64,
}

impl Pan<'_> {
    fn lay(&mut self, prompt: &Prompt) {
        self.add_all(&prompt.texts);
        self.add_all(&prompt.opaque);
        for function in &prompt.functions {
            self.add_all(&function.texts);
            self.add_all(&function.opaque);
            for property in &function.properties {
                self.add_all(&property.texts);
                self.add_all(&property.enum_items);
            }
        }
    }

    fn add_all(&mut self, places: &[Place]) {
        for place in places {
            match self.scale {
                // As written: escapes only make it longer, so this is never below the text.
                Scale::Bytes => self.bytes += place.of(self.body).len() as u64,
                Scale::Ratio(_) => self.bytes += text(self.body, *place).len() as u64,
                Scale::Vocabulary(encoding) => {
                    self.tokens += count_text(encoding, &text(self.body, *place)).get();
                }
            }
        }
    }

    fn weight(&self) -> Tokens {
        match self.scale {
            Scale::Bytes => Tokens::new(self.bytes),
            Scale::Ratio(ratio) => ratio.of(self.bytes),
            Scale::Vocabulary(_) => Tokens::new(self.tokens),
        }
    }
}

/// What surrounds the texts.
fn around(prompt: &Prompt, model: &str) -> Tokens {
    let opening = if prompt.messages > 0 { ANSWER_OPENS } else { 0 };
    let chat = Tokens::new(prompt.messages).times(MESSAGE).plus(Tokens::new(prompt.names));
    chat.plus(Tokens::new(opening + around_functions(&prompt.functions, model)))
}

fn around_functions(functions: &[FunctionShape], model: &str) -> u64 {
    if functions.is_empty() {
        return 0;
    }
    let init = if encoding_of(model) == Some(Encoding::O200k) { FUNCTION_O200K } else { FUNCTION };
    let sum: u64 = functions.iter().map(|one| init + around_function(one)).sum();
    sum + FUNCTIONS_CLOSE + if is_claude(model) { TOOLS_OF_CLAUDE } else { 0 }
}

fn is_claude(model: &str) -> bool {
    bare(model).starts_with("claude")
}

fn around_function(function: &FunctionShape) -> u64 {
    let properties: u64 = function.properties.iter().map(around_property).sum();
    let open = if function.properties.is_empty() { 0 } else { PROPERTIES_OPEN };
    separators(&function.texts) + open + properties
}

fn around_property(property: &PropertyShape) -> u64 {
    let items = property.enum_items.len() as u64;
    PROPERTY + separators(&property.texts) + (ENUM_ITEM * items).saturating_sub(ENUM_SAVES)
}

/// A name, a type and a description are set with colons between them.
fn separators(texts: &[Place]) -> u64 {
    (texts.len() as u64).saturating_sub(1)
}

/// What the chat format takes for each message.
const MESSAGE: u64 = 3;
/// What opens the answer.
const ANSWER_OPENS: u64 = 3;
/// What a function takes before its first word; with `o200k` it is less.
const FUNCTION: u64 = 10;
const FUNCTION_O200K: u64 = 7;
/// What the list of functions takes after the last one.
const FUNCTIONS_CLOSE: u64 = 12;
/// What Anthropic tells a model about the use of tools, by the published figures: 290 to 804
/// tokens, and 500 for most.
const TOOLS_OF_CLAUDE: u64 = 500;
/// What a function's list of parameters takes, then each of them.
const PROPERTIES_OPEN: u64 = 3;
const PROPERTY: u64 = 3;
/// What each value of an enumeration takes, and what the enumeration as a whole saves.
const ENUM_ITEM: u64 = 3;
const ENUM_SAVES: u64 = 3;

#[cfg(test)]
mod tests;
