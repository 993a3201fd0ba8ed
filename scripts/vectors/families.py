"""Makes the reference numbers of model families from Hugging Face transformers.

    pip install torch transformers
    python scripts/vectors/families.py

Writes packages/model/test/fixtures/families.json: for a tiny model of each family its config.json, and for weights that
both sides compute from their names (`weight_of` here, `weightOf` in Family.test.ts) the logits, the loss and for each
gradient its norm and its product with a fixed vector. Everything is float32 on CPU.
"""

import hashlib
import json
import pathlib

import torch
import transformers

folder = pathlib.Path(__file__).resolve().parents[2] / "packages/model/test/fixtures"
torch.set_num_threads(1)
common = dict(
    vocab_size=40,
    hidden_size=16,
    intermediate_size=24,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    max_position_embeddings=64,
    bos_token_id=1,
    eos_token_id=2,
    pad_token_id=0,
    rms_norm_eps=1e-5,
)
llama3 = dict(
    rope_type="llama3",
    rope_theta=10000.0,
    factor=4.0,
    low_freq_factor=1.0,
    high_freq_factor=4.0,
    original_max_position_embeddings=16,
)
models = {
    "llama": transformers.LlamaConfig(**common, attention_bias=True, mlp_bias=True),
    "llama long": transformers.LlamaConfig(**common, rope_parameters=llama3),
    "llama stretched": transformers.LlamaConfig(
        **common, rope_parameters=dict(rope_type="linear", rope_theta=10000.0, factor=2.0)
    ),
    "smollm": transformers.LlamaConfig(**{**common, "num_attention_heads": 2, "num_key_value_heads": 1}, tie_word_embeddings=True),
    "mistral": transformers.MistralConfig(**common, head_dim=8, sliding_window=5),
    "qwen2": transformers.Qwen2Config(**common, tie_word_embeddings=True),
    "qwen3": transformers.Qwen3Config(**common, head_dim=8),
    "gemma": transformers.GemmaConfig(**common, head_dim=8),
    "gpt2": transformers.GPT2Config(
        vocab_size=40, n_embd=16, n_layer=2, n_head=4, n_positions=64, bos_token_id=1, eos_token_id=2,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
    ),
}


def state_of(name):
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")


def series(state, count):
    """Numbers in [-1, 1) from a linear congruence; 24 bits, so exact in float32."""
    values = []
    for _ in range(count):
        state = (state * 1664525 + 1013904223) % 2**32
        values.append((state >> 8) / 2**23 - 1)
    return values


def weight_of(name, shape, is_norm):
    values = torch.tensor(series(state_of(name), int(torch.tensor(shape).prod())), dtype=torch.float64)
    return (values * 0.25 + (1 if is_norm else 0)).to(torch.float32).reshape(shape)


def numbers(tensor):
    return [float(f"{value:.7g}") for value in tensor.detach().flatten().tolist()]


reference = {"versions": {"torch": torch.__version__, "transformers": transformers.__version__}, "families": {}}
ids = torch.tensor([[1, 7, 33, 12, 12, 39, 5, 2, 30, 11], [1, 9, 9, 21, 37, 3, 18, 30, 4, 8]])
for name, config in models.items():
    config._attn_implementation = "eager"
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    with torch.no_grad():
        for key, weight in model.named_parameters():
            is_norm = weight.dim() == 1 and key.endswith("weight") and config.model_type != "gemma"
            weight.copy_(weight_of(key, list(weight.shape), is_norm))
    logits = model(ids).logits
    loss = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
    loss.backward()
    gradients = {}
    for key, weight in model.named_parameters():
        slope = weight.grad.double().flatten()
        along = torch.tensor(series(state_of("along " + key), slope.numel()), dtype=torch.float64)
        gradients[key] = [float(f"{slope.norm().item():.9g}"), float(f"{slope.dot(along).item():.9g}")]
    reference["families"][name] = {
        "config": {
            key: value
            for key, value in config.to_dict().items()
            if not key.startswith("_") and value is not None and not key.endswith(("2id", "2label"))
        },
        "shapes": {key: list(weight.shape) for key, weight in model.named_parameters()},
        "ids": ids.tolist(),
        "logits": numbers(logits),
        "loss": loss.item(),
        "gradients": gradients,
    }
text = json.dumps(reference, sort_keys=True) + "\n"
(folder / "families.json").write_text(text)
print("the SHA-256 that Family.test.ts pins:", hashlib.sha256(text.encode()).hexdigest())
