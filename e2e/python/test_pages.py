"""What the pages show is what the binary takes: every piece of YAML, every limit sentence."""

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(os.environ.get("TOLLGATE_ROOT", Path(__file__).parents[2]))
SECRETS = {"OPENAI_API_KEY": "sk-of-nobody-0123456789", "WEB_KEY": "a-key-of-the-web-0123"}
DIGEST = "sha256:" + "0" * 64


def blocks(page, language):
    """The fenced blocks of a page in one language, named by the line that each begins at."""
    fence, start, found = None, 0, []
    for number, line in enumerate((ROOT / page).read_text().splitlines(), 1):
        if not line.startswith("```"):
            found.append(line)
        elif fence is None:
            fence, start, found = line[3:], number + 1, []
        else:
            if fence == language:
                yield pytest.param("".join(f"{line}\n" for line in found), id=f"{page}:{start}")
            fence = None


def sections(text):
    """The top-level keys of a piece of YAML, each with its lines."""
    parts = re.split(r"^(?=[a-z_]+:)", text, flags=re.MULTILINE)
    return {part.split(":")[0]: part for part in parts if re.match(r"[a-z_]+:", part)}


WHOLE = sections(next(blocks("docs/guide.md", "yaml")).values[0])


def check(folder, text):
    config = Path(folder) / "tollgate.yaml"
    config.write_text(text.replace("sha256:…", DIGEST))
    command = [os.environ["TOLLGATE"], "check", str(config)]
    environment = {**os.environ, **SECRETS, "NO_COLOR": "1"}
    output = subprocess.PIPE
    return subprocess.run(
        command, env=environment, stdout=output, stderr=output, text=True, timeout=30
    )


PAGES = ["README.md", "docs/guide.md", "docs/identity.md"]


@pytest.mark.parametrize("text", [text for page in PAGES for text in blocks(page, "yaml")])
def test_the_yaml_of_the_pages_is_right(text, tmp_path):
    whole = {**WHOLE, **sections(text)}
    checked = check(tmp_path, "".join(part.rstrip("\n") + "\n" for part in whole.values()))
    assert checked.returncode == 0, checked.stderr


SENTENCES = [line for block in blocks("docs/guide.md", "") for line in block.values[0].splitlines()]


@pytest.mark.parametrize("sentence", SENTENCES)
def test_the_sentences_of_the_guide_are_right(sentence, tmp_path):
    tiers = f"tiers:\n  team:\n    models: [gpt-4o-mini]\n    limits:\n      - {sentence}\n"
    checked = check(tmp_path, "".join({**WHOLE, "tiers": tiers}.values()))
    assert checked.returncode == 0, checked.stderr


def test_a_mistake_is_shown_in_its_place(tmp_path):
    tiers = "tiers:\n  team:\n    models: [gpt-4o-mini]\n    limits: [500k tokens per dya]\n"
    checked = check(tmp_path, "".join({**WHOLE, "tiers": tiers}.values()))
    assert checked.returncode == 1
    assert 'did you mean "day"?' in checked.stderr
    assert "^^^" in checked.stderr
