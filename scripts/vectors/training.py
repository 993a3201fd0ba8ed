"""Makes the reference numbers of adapter training from PEFT: LoRA, rsLoRA, QLoRA, dropout and DPO.

    pip install torch transformers peft
    python scripts/vectors/training.py

Writes packages/model/test/fixtures/training.json: for a tiny Llama whose weights both sides compute from their names
(`series`), the loss of each kind of training and for each gradient of an adapter its norm and its product with a fixed
vector. Everything is float32 on CPU.
"""

import hashlib
import json
import pathlib

import peft
import torch
import transformers

folder = pathlib.Path(__file__).resolve().parents[2] / "packages/model/test/fixtures"
torch.set_num_threads(1)
config = transformers.LlamaConfig(
    vocab_size=40, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, max_position_embeddings=64, bos_token_id=1, eos_token_id=2, pad_token_id=0, rms_norm_eps=1e-5,
    attn_implementation="eager",
)
targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
# one sequence of 64 inputs, so that a row is full and every mask has one row of 64 tokens
ids = torch.tensor([[1] + [3 + (i * i + 5 * i) % 37 for i in range(64)]])
chosen = [1, 7, 33, 12, 12, 39, 5, 2]
rejected = [1, 7, 33, 12, 20, 20, 2]
PROMPT = 4
BETA = 0.3
DROPOUT = 0.25
SEED = 12345


def state_of(name):
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big")


def series(name, count):
    """Numbers in [-1, 1) from a linear congruence; 24 bits, so exact in float32."""
    state = state_of(name)
    values = []
    for _ in range(count):
        state = (state * 1664525 + 1013904223) % 2**32
        values.append((state >> 8) / 2**23 - 1)
    return torch.tensor(values, dtype=torch.float64)


def rounded(weight):
    """Rounds to 4 bits: 32 neighbours share a scale, the value of largest magnitude / -8 (ggml's Q4_0)."""
    blocks = weight.reshape(-1, 32)
    extreme = blocks.gather(1, blocks.abs().argmax(1, keepdim=True))
    scale = extreme / -8
    codes = torch.clamp(torch.floor(blocks.double() / scale.double() + 0.5) + 8, 0, 15)
    return ((codes - 8) * scale.double()).float().reshape(weight.shape)


def mix(*parts):
    state = 0
    for part in parts:
        state = ((state ^ part) * 0x9E3779B1) % 2**32
        state ^= state >> 15
    return state


def mask(count, seed):
    """Draws as `drawMask` in Dropout.ts says it does: Marsaglia's xorshift32, two 16-bit draws to a number."""
    threshold = round(DROPOUT * 65536)
    state = seed or 1

    def draw():
        nonlocal state
        state ^= (state << 13) % 2**32
        # the shift to the right does not carry the sign
        state ^= state >> 17
        state ^= (state << 5) % 2**32
        return state

    for _ in range(8):
        draw()
    values = []
    while len(values) < count:
        drawn = draw()
        values += [drawn & 0xFFFF, drawn >> 16]
    kept = 1 / (1 - threshold / 65536)
    return torch.tensor([kept if value >= threshold else 0.0 for value in values[:count]])


def build(quantised=False, **settings):
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            values = series(name, weight.numel()) * 0.25 + (1 if weight.dim() == 1 else 0)
            weight.copy_(values.float().reshape(weight.shape))
            if quantised and "_proj" in name:
                weight.copy_(rounded(weight))
    model = peft.get_peft_model(
        model, peft.LoraConfig(r=4, lora_alpha=6, target_modules=targets, task_type="CAUSAL_LM", **settings)
    )
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_" in name:
                key = name.replace("base_model.model.model.", "").replace(".default.weight", "")
                weight.copy_((series(key, weight.numel()) * 0.25).float().reshape(weight.shape))
    return model


def likelihood(model, tokens, start):
    tokens = torch.tensor([tokens])
    logits = model(tokens).logits.log_softmax(-1)[0]
    return logits[:-1].gather(1, tokens[0, 1:, None])[start - 1 :].sum()


def result(model, loss):
    loss.backward()
    gradients = {}
    for name, weight in model.named_parameters():
        if weight.grad is None:
            continue
        key = name.replace("base_model.model.model.", "").replace(".default.weight", "")
        slope = weight.grad.double().flatten()
        gradients[key] = [
            float(f"{slope.norm().item():.9g}"),
            float(f"{slope.dot(series('along ' + key, slope.numel())).item():.9g}"),
        ]
    return {"loss": loss.item(), "gradients": gradients}


def sft(model):
    logits = model(ids).logits
    return result(model, torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten()))


class Masked(torch.nn.Module):
    def __init__(self, values):
        super().__init__()
        self.values = values

    def forward(self, x):
        # the last token has no label and is not among the inputs of ours
        padded = torch.cat([self.values, torch.ones(1, self.values.shape[1])])
        return x * padded


def masked(model):
    shared = [["q_proj", "k_proj", "v_proj"], ["o_proj"], ["gate_proj", "up_proj"], ["down_proj"]]
    for layer, block in enumerate(model.base_model.model.model.layers):
        for place, names in enumerate(shared):
            for name in names:
                module = getattr(block.self_attn, name, None) or getattr(block.mlp, name)
                width = module.in_features
                values = mask(64 * width, mix(SEED, layer * len(shared) + place)).reshape(64, width)
                module.lora_dropout["default"] = Masked(values)
    return model


def dpo(model):
    with torch.no_grad(), model.disable_adapter():
        reference = likelihood(model, chosen, PROMPT) - likelihood(model, rejected, PROMPT)
    margin = likelihood(model, chosen, PROMPT) - likelihood(model, rejected, PROMPT)
    return result(model, -torch.nn.functional.logsigmoid(BETA * (margin - reference)))


reference = {
    "versions": {"torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__},
    "ids": ids[0].tolist(),
    "preference": {"chosen": chosen, "rejected": rejected, "prompt": PROMPT, "beta": BETA},
    "dropout": {"part": DROPOUT, "seed": SEED},
    "kinds": {
        "lora": sft(build()),
        "rslora": sft(build(use_rslora=True)),
        "qlora": sft(build(quantised=True)),
        "dropout": sft(masked(build(lora_dropout=DROPOUT))),
        "dpo": dpo(build()),
    },
}
text = json.dumps(reference, sort_keys=True) + "\n"
(folder / "training.json").write_text(text)
print("the SHA-256 that Training.test.ts pins:", hashlib.sha256(text.encode()).hexdigest())
