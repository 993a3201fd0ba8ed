"""Makes tokenizers in the forms of Llama 2, Mistral, Gemma and unigram models, with the ids that the tokenizers library gives.

    pip install tokenizers
    python scripts/vectors/sentencepiece.py

Writes packages/model/test/fixtures/sentencepiece.json: small tokenizers trained on the sentences below, texts, their ids and what the
ids decode to.
"""

import hashlib
import json
import pathlib

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

path = pathlib.Path(__file__).resolve().parents[2] / "packages/model/test/fixtures/sentencepiece.json"
corpus = [
    "The keeper of the lighthouse writes down the wind and the tide.",
    "function transfer(address to, uint256 amount) external returns (bool) {",
    "    _transfer(msg.sender, to, amount); return true; }",
    "Wer zuerst kommt, mahlt zuerst; wer wartet, wartet lange.",
] * 4
texts = [
    "The keeper waits.", " leading", "two  spaces", "", " ", "a", "line\nbreak\ttab", "été 東京 🚢", "<0x41> </s> <s>", "▁literal",
    "function transfer(address to) { return true; }", "trailing ", "x" * 40, "wer wartet lange?", "\u00a0no break", "é e\u0301 ﬁ",
]
specials = ["<unk>", "<s>", "</s>"]
bytes_ = [f"<0x{byte:02X}>" for byte in range(256)]


def bpe(normalizer, pre_tokenizer, decoder):
    trained = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    if normalizer:
        trained.normalizer = normalizer
    # learned within words, as SentencePiece does; the form that is stored follows
    trained.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first" if normalizer is None else "never", split=True)
    trained.train_from_iterator(
        corpus, trainers.BpeTrainer(vocab_size=420, special_tokens=specials + bytes_, show_progress=False)
    )
    # bytes are plain tokens of these models, not special ones
    content = json.loads(trained.to_str())
    content["added_tokens"] = [token for token in content["added_tokens"] if token["content"] in specials]
    tokenizer = Tokenizer.from_str(json.dumps(content))
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoder
    return tokenizer


def fallback(strip):
    parts = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    return decoders.Sequence(parts + ([decoders.Strip(" ", 1, 0)] if strip else []))


def unigram():
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=True)
    tokenizer.train_from_iterator(
        corpus,
        trainers.UnigramTrainer(vocab_size=180, special_tokens=specials, unk_token="<unk>", show_progress=False),
    )
    content = json.loads(tokenizer.to_str())
    content["model"]["vocab"] += [[piece, -30.0] for piece in bytes_]
    content["model"]["byte_fallback"] = True
    tokenizer = Tokenizer.from_str(json.dumps(content))
    tokenizer.decoder = fallback(True)
    return tokenizer


llama = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
first = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
forms = {
    "llama 2": bpe(llama, None, fallback(True)),
    "mistral": bpe(None, first, fallback(True)),
    "gemma": bpe(normalizers.Replace(" ", "▁"), None, fallback(False)),
    "unigram": unigram(),
}
reference = {}
for name, tokenizer in forms.items():
    content = json.loads(tokenizer.to_str())
    # without added tokens, and with special pieces that no text has, text is never read as a special token
    model = dict(content["model"])
    if model["type"] == "Unigram":
        model["vocab"] = [["\0" + piece if piece in specials else piece, score] for piece, score in model["vocab"]]
    plain = Tokenizer.from_str(json.dumps({**content, "model": model, "added_tokens": []}))
    ids = [plain.encode(text, add_special_tokens=False).ids for text in texts]
    reference[name] = {
        "tokenizer": content,
        "cases": [
            {"text": text, "ids": each, "decoded": plain.decode(each, skip_special_tokens=False)}
            for text, each in zip(texts, ids)
        ],
    }
text = json.dumps(reference, sort_keys=True) + "\n"
path.write_text(text)
print("the SHA-256 that SentencePiece.test.ts pins:", hashlib.sha256(text.encode()).hexdigest(), len(text))
