//! Where the input of a request stands in its body, for whoever counts it.
//!
//! What can be counted as text is noted by place. What is not understood is noted as raw JSON,
//! which counts too high rather than too low. What cannot be counted at all sets
//! [`Prompt::unseen`]. Base64 is never counted as text: an image of a megabyte is not a prompt of a
//! megabyte.

use crate::Place;

/// What goes into the model.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Prompt {
    /// JSON strings, quotes included, to be counted as text: roles, contents, names, calls.
    pub texts: Vec<Place>,
    /// Raw JSON to be counted as text: unknown parts and items, schemas of answers.
    pub opaque: Vec<Place>,
    /// How many messages (chat) or items (responses, `instructions` included).
    pub messages: u64,
    /// How many messages carry a `name`.
    pub names: u64,
    /// The functions and custom tools that are described to the model.
    pub functions: Vec<FunctionShape>,
    /// The images.
    pub images: Vec<Image>,
    /// How many token ids a prompt given as ids has: exact already.
    pub token_ids: u64,
    /// What files, sounds and what is encrypted in the body come to in tokens, by their size: never
    /// seen, only judged.
    pub attached: u64,
    /// Whether a document is at an address or in a stored file, of whatever length: all that bounds
    /// it is how much the model reads at once.
    pub elsewhere: bool,
    /// The bytes of every place in here, those inside `functions` included.
    pub bytes: u64,
    /// Carries something whose tokens cannot be known from the body: an image whose size is not
    /// there, audio, a file, a hosted tool that adds to the input, encrypted reasoning.
    pub unseen: bool,
}

impl Prompt {
    /// Notes a message or an item.
    pub(crate) fn add_message(&mut self) {
        self.messages = self.messages.saturating_add(1);
    }

    /// Notes a JSON string that is counted as text.
    pub(crate) fn add_text(&mut self, place: Place) {
        self.bytes = self.bytes.saturating_add(place.len() as u64);
        self.texts.push(place);
    }

    /// Notes raw JSON that is counted as text.
    pub(crate) fn add_opaque(&mut self, place: Place) {
        self.bytes = self.bytes.saturating_add(place.len() as u64);
        self.opaque.push(place);
    }

    /// Notes a function.
    pub(crate) fn add_function(&mut self, function: FunctionShape) {
        self.bytes = self.bytes.saturating_add(function.bytes());
        self.functions.push(function);
    }

    /// Notes a document that the body only says the way to.
    pub(crate) fn add_elsewhere(&mut self) {
        self.unseen = true;
        self.elsewhere = true;
    }

    /// Notes an image.
    pub(crate) fn add_image(&mut self, image: Image) {
        self.unseen |= image.size.is_none() && image.detail != Detail::Low;
        self.images.push(image);
    }
}

/// A function as the model is told of it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct FunctionShape {
    /// Its name and description.
    pub texts: Vec<Place>,
    /// Its parameters.
    pub properties: Vec<PropertyShape>,
    /// Whatever else its schema says, as raw JSON.
    pub opaque: Vec<Place>,
}

impl FunctionShape {
    fn bytes(&self) -> u64 {
        let own = self.texts.iter().chain(&self.opaque);
        let inner = self.properties.iter().flat_map(|one| one.texts.iter().chain(&one.enum_items));
        own.chain(inner).fold(0, |sum, place| sum.saturating_add(place.len() as u64))
    }
}

/// One parameter of a function.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PropertyShape {
    /// Its name, type and description.
    pub texts: Vec<Place>,
    /// The values it is limited to.
    pub enum_items: Vec<Place>,
}

/// An image in a prompt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Image {
    /// How closely the model is to look.
    pub detail: Detail,
    /// Width and height in pixels, where the body carries the image itself.
    pub size: Option<(u32, u32)>,
}

/// How closely a model is to look at an image.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Detail {
    /// As the provider sees fit.
    #[default]
    Auto,
    /// Closely.
    High,
    /// At a glance.
    Low,
    /// Pixel by pixel.
    Original,
}
