"""Posebox's tokenizer: byte-level BPE learned from the words Posebox knows, in the class Klein uses.

The files under ``assets/posebox/tokenizer`` are made by ``python -m plantain.posebox tokenizer``.
"""

import json
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from transformers import Qwen2TokenizerFast

from plantain.paths import POSEBOX

FOLDER = POSEBOX / "tokenizer"
# The chat template takes 13 tokens and the longest shipped prompt about 50; the rest is room for a remark beside
# the pose, and for a visitor's words, which fall apart into bytes where Posebox does not know them.
MAX_LENGTH = 96
PAD = "<|endoftext|>"
SPECIAL_TOKENS = (PAD, "<|im_start|>", "<|im_end|>")
# What Qwen3's own template writes for one user message with thinking switched off.
CHAT_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}"
    "{% if enable_thinking is defined and enable_thinking is false %}"
    "{{ '<think>\n\n</think>\n\n' }}{% endif %}{% endif %}"
)


def train_tokenizer(texts: Iterable[str], out: str | Path) -> None:
    """Learn a byte-level BPE from texts and save it as a ``Qwen2TokenizerFast`` folder; the same texts, the same files.

    Every byte is a token of its own, so any text can be read; a word the texts use becomes one, with its leading space.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    # Qwen2TokenizerFast puts its own pre-tokenizer in place when it loads; learn with that one.
    blank = Qwen2TokenizerFast(vocab={}, merges=[])
    tokenizer.normalizer = blank.backend_tokenizer.normalizer
    tokenizer.pre_tokenizer = blank.backend_tokenizer.pre_tokenizer
    trainer = trainers.BpeTrainer(
        vocab_size=4096,  # above what the texts hold: learning stops when every word is one token
        min_frequency=1,
        show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    template = "user\nassistant\n<think>\n\n</think>\n\n"
    tokenizer.train_from_iterator([*sorted(set(texts)), template], trainer=trainer)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "tokenizer.json"
        tokenizer.save(str(file))
        model = json.loads(file.read_text(encoding="utf-8"))["model"]
    merges = [tuple(pair.split(" ")) if isinstance(pair, str) else tuple(pair) for pair in model["merges"]]
    trained = Qwen2TokenizerFast(
        vocab=model["vocab"],
        merges=merges,
        pad_token=PAD,
        eos_token="<|im_end|>",
        unk_token=None,
        extra_special_tokens=list(SPECIAL_TOKENS[1:2]),
        model_max_length=MAX_LENGTH,
        padding_side="right",
        chat_template=CHAT_TEMPLATE,
    )
    trained.save_pretrained(str(out))


def load_tokenizer() -> Any:
    """The shipped tokenizer, a ``Qwen2TokenizerFast``."""
    return Qwen2TokenizerFast.from_pretrained(str(FOLDER), local_files_only=True)
