//! What an image takes, by the provider's formula for the model.
//!
//! Two families of formulas: tiles of 512 pixels after shrinking, or patches of 28 or 32 pixels up
//! to a cap. Where a cap shrinks the image, the cap itself is taken, which is at most a row of
//! patches too much. A size that the request does not show is the largest that the detail allows.
//! For a model that nobody has published a formula for, it is the dearest of the other providers'
//! patch formulas, so it is a guess; a large one, because a small one would be paid by the budget.

use tollgate_units::Tokens;
use tollgate_wire::{Detail, Image};

use crate::name::{bare, is_of};

/// The tokens of `image` to `model`.
pub(crate) fn image_tokens(model: &str, image: &Image) -> Tokens {
    let name = bare(model);
    let family = FAMILIES.iter().find(|(family, _)| is_of(name, family));
    let formula = family.map_or(UNKNOWN, |(_, formula)| *formula);
    Tokens::new(match formula {
        Formula::Tiles { base, tile } => tiles(image, base, tile),
        Formula::Patches(patches) => patches.of(image),
    })
}

/// How a model counts images.
#[derive(Clone, Copy)]
enum Formula {
    Patches(Patches),
    /// `base`, and `tile` for each tile of 512 pixels once the image fits into 2048 × 2048 and its
    /// shorter side into 768; at low detail `base` alone.
    Tiles {
        base: u64,
        tile: u64,
    },
}

/// One token, times `hundredths / 100`, for each patch of `side` pixels, up to a cap.
#[derive(Clone, Copy)]
struct Patches {
    side: u64,
    hundredths: u64,
    cap: u64,
    /// The cap where the caller left the detail to the provider.
    cap_auto: u64,
    /// The cap where the caller asked for the original.
    cap_original: u64,
}

impl Patches {
    const fn capped(side: u64, hundredths: u64, cap: u64) -> Self {
        Self { side, hundredths, cap, cap_auto: cap, cap_original: cap }
    }

    fn of(self, image: &Image) -> u64 {
        let cap = match image.detail {
            Detail::Auto => self.cap_auto,
            // What low detail saves is not published for these.
            Detail::High | Detail::Low => self.cap,
            Detail::Original => self.cap_original,
        };
        let patches = image.size.map_or(cap, |(width, height)| {
            let across = |pixels: u32| u64::from(pixels.max(1)).div_ceil(self.side);
            across(width).saturating_mul(across(height)).min(cap)
        });
        (patches * self.hundredths).div_ceil(100)
    }
}

fn tiles(image: &Image, base: u64, tile: u64) -> u64 {
    let count = match (image.detail, image.size) {
        (Detail::Low, _) => 0,
        (Detail::Auto | Detail::High | Detail::Original, None) => TILES_MAX,
        (Detail::Auto | Detail::High | Detail::Original, Some((width, height))) => {
            let long = u64::from(width.max(height).max(1));
            let short = u64::from(width.min(height).max(1));
            // Pixels are rounded up: half a pixel too much is at most a row of tiles.
            let (long, short) =
                if long > 2048 { (2048, (short * 2048).div_ceil(long)) } else { (long, short) };
            let (long, short) =
                if short > 768 { ((long * 768).div_ceil(short), 768) } else { (long, short) };
            long.div_ceil(512) * short.div_ceil(512)
        }
    };
    base + tile * count
}

/// 768 × 2048: the most that is left of an image.
const TILES_MAX: u64 = 8;

const fn tiled(base: u64, tile: u64) -> Formula {
    Formula::Tiles { base, tile }
}

const fn patched(side: u64, hundredths: u64, cap: u64) -> Formula {
    Formula::Patches(Patches::capped(side, hundredths, cap))
}

/// The models since GPT-5.2, which look at the original when asked to.
const fn close(hundredths: u64, cap_auto: u64) -> Formula {
    let cap_original = 10_000;
    Formula::Patches(Patches { side: 32, hundredths, cap: 2500, cap_auto, cap_original })
}

/// Anthropic's largest.
const UNKNOWN: Formula = patched(28, 100, 4784);

/// The first family that a model is of decides, so members with formulas of their own come first.
const FAMILIES: [(&str, Formula); 38] = [
    ("gpt-4o-mini", tiled(2833, 5667)),
    ("gpt-4o", tiled(85, 170)),
    ("chatgpt-4o", tiled(85, 170)),
    ("gpt-4.1-mini", patched(32, 162, 1536)),
    ("gpt-4.1-nano", patched(32, 246, 1536)),
    ("gpt-4.1", tiled(85, 170)),
    ("gpt-4.5", tiled(85, 170)),
    ("gpt-4", tiled(85, 170)),
    ("computer-use-preview", tiled(65, 129)),
    ("o1", tiled(75, 150)),
    ("o3", tiled(75, 150)),
    ("o4-mini", patched(32, 172, 1536)),
    ("gpt-5-mini", patched(32, 162, 1536)),
    ("gpt-5-nano", patched(32, 246, 1536)),
    ("gpt-5", tiled(70, 140)),
    ("gpt-5.1", tiled(70, 140)),
    // Published figures for these two differ (120 among them): the higher ones.
    ("gpt-5.4-mini", close(162, 2500)),
    ("gpt-5.4-nano", close(246, 2500)),
    ("gpt-5.2", close(120, 2500)),
    ("gpt-5.3", close(120, 2500)),
    ("gpt-5.4", close(120, 2500)),
    ("gpt-5.5", close(120, 2500)),
    ("gpt-5.", close(120, 30_000)),
    ("gpt-6", close(120, 30_000)),
    ("gpt-6.", close(120, 30_000)),
    ("claude-opus-4-1", patched(28, 100, 1568)),
    ("claude-opus-4-5", patched(28, 100, 1568)),
    ("claude-opus-4-6", patched(28, 100, 1568)),
    ("claude-sonnet-4", patched(28, 100, 1568)),
    ("claude-haiku-4", patched(28, 100, 1568)),
    ("claude-3", patched(28, 100, 1568)),
    ("claude", patched(28, 100, 4784)),
    // Gemini cuts tiles of 768 pixels at 258 tokens each, or takes about 1,090 an image.
    ("gemini-3", patched(768, 109_000, 1)),
    ("gemini-3.", patched(768, 109_000, 1)),
    ("gemini-4", patched(768, 109_000, 1)),
    ("gemini-2", patched(768, 25_800, 16)),
    ("gemini-2.", patched(768, 25_800, 16)),
    ("gemini", patched(768, 109_000, 4)),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(model: &str, detail: Detail, size: Option<(u32, u32)>) -> u64 {
        image_tokens(model, &Image { detail, size }).get()
    }

    #[test]
    fn images_take_what_the_published_formulas_say() {
        for (model, detail, size, expected) in [
            // OpenAI's own examples for tiles.
            ("gpt-4o", Detail::High, (1024, 1024), 765),
            ("gpt-4o", Detail::High, (2048, 4096), 1105),
            ("gpt-4o-2024-08-06", Detail::Low, (4096, 8192), 85),
            ("openai/gpt-4o-mini", Detail::Auto, (512, 512), 2833 + 5667),
            ("gpt-5", Detail::High, (512, 513), 70 + 2 * 140),
            ("o1", Detail::High, (1, 1), 75 + 150),
            // Measured.
            ("gpt-5.5", Detail::Auto, (256, 256), 77),
            ("gpt-5.5", Detail::High, (512, 512), 308),
            ("gpt-6-sol", Detail::Auto, (1024, 1024), 1229),
            ("gpt-6.1-sol", Detail::High, (1920, 1080), 2448),
            // Patches, capped.
            ("gpt-4.1-mini", Detail::High, (1024, 1024), 1659),
            ("gpt-4.1-nano", Detail::High, (8000, 8000), 3779),
            ("gpt-5.2", Detail::High, (8000, 8000), 3000),
            ("gpt-5.2", Detail::Original, (8000, 8000), 12_000),
            ("gpt-5.6", Detail::Auto, (8000, 8000), 36_000),
            ("claude-sonnet-4-5", Detail::Auto, (8000, 8000), 1568),
            ("claude-opus-5", Detail::Auto, (280, 280), 100),
            ("gemini-2.5-flash", Detail::Auto, (700, 700), 258),
            ("llava", Detail::Auto, (8000, 8000), 4784),
        ] {
            assert_eq!(tokens(model, detail, Some(size)), expected, "{model} {detail:?} {size:?}");
        }
    }

    #[test]
    fn an_unknown_size_is_the_largest_that_the_detail_allows() {
        let sizes = [(1, 1), (640, 480), (768, 2048), (2048, 700), (9000, 9000), (u32::MAX, 1)];
        let models = FAMILIES.iter().map(|(family, _)| *family).chain(["llava", ""]);
        for model in models {
            for detail in [Detail::Auto, Detail::High, Detail::Low, Detail::Original] {
                let most = tokens(model, detail, None);
                for size in sizes {
                    assert!(
                        tokens(model, detail, Some(size)) <= most,
                        "{model} {detail:?} {size:?}"
                    );
                }
            }
        }
        assert_eq!(tokens("gpt-4o", Detail::Auto, None), 85 + 8 * 170);
    }

    #[test]
    fn an_image_without_pixels_or_with_too_many_is_still_a_number() {
        for (model, size) in [("gpt-4o", (0, 0)), ("gpt-6", (u32::MAX, u32::MAX)), ("x", (0, 9))] {
            assert!(tokens(model, Detail::High, Some(size)) > 0);
        }
    }
}
