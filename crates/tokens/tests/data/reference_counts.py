#!/usr/bin/env python3
"""Makes reference_counts.json: what tiktoken itself counts, for texts of every kind.

    pip install tiktoken==0.14.0
    pip download --no-deps litellm==1.109.1            # its wheel carries both vocabularies
    unzip -j litellm-*.whl 'litellm/litellm_core_utils/tokenizers/*' -d vocabularies
    TIKTOKEN_CACHE_DIR=vocabularies python3 reference_counts.py > reference_counts.json

Only counts are kept: facts about texts that are written here. Each entry is a text, how many times
it is repeated, and its number of tokens in either encoding.
"""

import json
import random

import tiktoken

CL100K = tiktoken.get_encoding("cl100k_base")
O200K = tiktoken.get_encoding("o200k_base")

PLAIN = [
    "", " ", "\n", "a", "hello world", "Hello, World!", "The quick brown fox jumps over the lazy dog.",
    "A gateway counts what a request may cost before it is sent, and what it did cost afterwards.",
    "don't won't it's I'm you're we've they'll he'd IT'S DON'T YOU'RE WE'VE THEY'LL", "'s 't 're 've 'm 'll 'd",
    "'stop 'tis 'really 'very 'llama", "rock'n'roll o'clock John's' ''quoted'' 'a' '1' '!'", "x'S'sS'll'LL",
    "camelCase PascalCase snake_case SCREAMING_CASE kebab-case XMLHttpRequest iOS iPhone15 eBay HTTPServer2",
    "0 1 12 123 1234 12345 123456 1234567 3.14159 1,000,000 1e10 0xdeadbeef 2026-11-22T12:34:56Z",
    "$1.50 €2 £3 50% #1 a@b.c http://example.com/a/b?c=d&e=f#g ../../etc/passwd C:\\Users\\x",
    "  leading", "trailing  ", "a  b   c    d     e", "a\tb\t\tc\n\n\nd\r\ne\r\rf", "\n \n  \n   \n    x", " \t \t x", "x \n", "x \n ",
    "\t\tif x:\n\t\t\treturn y\n", "fn main() {\n    println!(\"{}\", 1 + 1);\n}\n",
    "    def f(self, x):\n        \"\"\"Doc.\"\"\"\n        return x ** 2  # square\n",
    "SELECT * FROM t WHERE a = 'b''c' AND d <> 1; -- comment", "<div class=\"a\">text</div>\n<!-- c -->",
    "{\"a\": [1, 2.5, true, null], \"b\": {\"c\": \"d\\n\"}}", "// comment\n//// four\n///\n/*/ */\n//\n", "!!!???...,,,;;;:::---===___***",
    "a/b//c///d/\n/\n//", "?/\n/\n!", "`code` **bold** _it_ ~~s~~ > q\n- [x] done\n1. one\n", "<|endoftext|><|im_start|>user<|im_end|>",
    "\x00\x01\x02\x1b[31mred\x1b[0m\x7f", "\x0b\x0c\x1c\x1d\x85\xa0", "a\x0bb\x0cc", "\u200b\u200d\ufeff\u2028x\u2029y",
    "café naïve Ünïcödé ÅNGSTRÖM straße Łódź çà et là", "Ελληνικά γλώσσα ΑΘΗΝΑ", "Русский язык ПРИВЕТ Мир", "עברית שלום", "العربية مرحبا بالعالم",
    "हिन्दी नमस्ते दुनिया", "ไทยภาษา", "한국어 안녕하세요 세계", "日本語のテキスト、カタカナとひらがな。", "中文文本没有空格也可以很长，而且标点不同。", "中文 English 混合 text 123 数字",
    "😀😃😄 👍🏽 👨\u200d👩\u200d👧\u200d👦 🏳️\u200d🌈 🇫🇷🇩🇪", "e\u0301 a\u0300\u0301\u0302 Z\u0351\u036b\u0343", "ǅ ǈ ǋ ǅungla", "ʰ ʲ ˠ aʰA", "ªº ⅷ Ⅷ ½ ² ٣ ৪ 一二三",
    "チ'ſ's'lld", "'ſ x'ſ A'ſ", "it’s don’t “quoted” — dash – en … dots", "ﬁ ﬂ ＡＢＣ １２３", "𝒜𝓁𝓅𝒽𝒶 𐍈 𠀀𠀁", "a\u00a0b \u00a0 c\u3000d\u3000\u3000e",
    "\n\u00a0\n x", "  \u00a0", " \u2003\u2003x", "AאB AאBאC אAAA Aא", "中AAAA中aaaa中A", "ABCdefGHIjkl'SmNO'll", "McDonald'S O'Reilly'RE",
]
LONG = [("a", 20_000), ("A", 20_000), (" ", 20_000), ("\n", 20_000), ("!", 20_000), ("0", 20_000), ("é", 10_000), ("中", 8_000), ("😀", 5_000),
        (" " * 99 + "x", 100), ("\t", 5_000), ("=", 9_999), ("-", 10_001), ("ab", 9_999), ("'s", 5_000), (" a", 9_999), (" \n", 9_999), ("\r\n", 9_999),
        ("👨\u200d👩\u200d👧\u200d👦", 2_000), ("a\u0301", 5_000), ("אA", 5_000), ("/\n", 5_000), (" !", 5_000), ("aA", 9_999), ("1a", 9_999), ("\u3000", 5_000)]
ALPHABETS = [
    "abcdefghijklmnopqrstuvwxyz", "abcXYZ '", " \t\r\n", " \n.a", "ab AB'srdtmlve", "'sSſtTrReEvVlLdDmM a", "!?.,;:-_/\\|()[]{}<>@#$%^&*+=~`\"'",
    "0123456789 ,.", "aA1 !\n'", "aé ÉA1'!\n", "中文a A1 !\n、。", "אבA aZ", "\u0301\u0300aAé ", "😀👍\u200d\ufe0f🏽 a", " \u00a0\u2003\u3000\n\ta", "ǅʰªaA'sſ中 ",
    "".join(chr(c) for c in range(128)), "".join(chr(c) for c in range(0x80, 0x250)) + " aA'",
]


def main():
    texts = [(text, 1) for text in PLAIN] + LONG
    dice = random.Random(20261122)
    for alphabet in ALPHABETS:
        texts += [("".join(dice.choices(alphabet, k=dice.choice((5, 20, 80, 400)))), 1) for _ in range(6)]
    rows = []
    for text, times in texts:
        whole = text * times
        counts = len(CL100K.encode_ordinary(whole)), len(O200K.encode_ordinary(whole))
        rows.append(json.dumps({"text": text, "times": times, "cl100k": counts[0], "o200k": counts[1]}))
    print("[\n" + ",\n".join(rows) + "\n]")


main()
