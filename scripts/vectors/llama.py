"""Makes the reference vectors of packages/model from Hugging Face transformers and PEFT.

    pip install torch transformers peft safetensors tokenizers
    python scripts/vectors/llama.py

Writes packages/model/test/fixtures: two tiny random Llama checkpoints, a PEFT adapter, and `reference.json` with
logits, losses, gradients, token ids and the SHA-256 of every other file. Everything is float32 on CPU.
"""

import hashlib
import json
import pathlib

import peft
import tokenizers
import torch
import transformers

root = pathlib.Path(__file__).resolve().parents[2]
folder = root / "packages/model/test/fixtures"
torch.manual_seed(7)
torch.set_num_threads(1)


def numbers(tensor):
    return [float(f"{value:.9g}") for value in tensor.detach().flatten().tolist()]


def make(name, dtype, **fields):
    config = transformers.LlamaConfig(
        vocab_size=48,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=64,
        rms_norm_eps=1e-5,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
        **fields,
    )
    model = transformers.LlamaForCausalLM(config)
    with torch.no_grad():
        for key, weight in model.named_parameters():
            weight.copy_(torch.randn_like(weight) * 0.25 + (1 if weight.dim() == 1 else 0))
    # what is written is what is measured: the rounded weights, read back and computed with in float32
    model.to(dtype).save_pretrained(folder / name)
    model = transformers.LlamaForCausalLM.from_pretrained(
        folder / name, dtype=torch.float32, attn_implementation="eager"
    ).eval()
    ids = torch.tensor([[1, 7, 33, 12, 12, 40, 5, 2], [1, 9, 9, 21, 47, 3, 18, 30]])
    mask = torch.tensor([[0, 1, 1, 1, 0, 1, 1, 1], [0, 1, 0.5, 1, 1, 1, 1, 0]])
    output = model(ids)
    losses = torch.nn.functional.cross_entropy(
        output.logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten(), reduction="none"
    ).view(2, -1)
    loss = (losses * mask[:, 1:]).sum() / mask[:, 1:].sum()
    model.zero_grad()
    loss.backward()
    return model, {
        "ids": ids.tolist(),
        "lossMask": mask.tolist(),
        "logits": numbers(output.logits),
        "loss": loss.item(),
        "gradients": {key: numbers(weight.grad) for key, weight in model.named_parameters()},
    }


reference = {
    "versions": {
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "peft": peft.__version__,
        "tokenizers": tokenizers.__version__,
    }
}
_, reference["untied"] = make(
    "untied", torch.bfloat16, num_key_value_heads=2, head_dim=4, tie_word_embeddings=False, rope_theta=500.0
)
model, reference["tied"] = make("tied", torch.float32, num_key_value_heads=1, tie_word_embeddings=True)

targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
adapted = peft.get_peft_model(
    model, peft.LoraConfig(r=3, lora_alpha=6, target_modules=targets, lora_dropout=0.0, task_type="CAUSAL_LM")
)
with torch.no_grad():
    for key, weight in adapted.named_parameters():
        if "lora_" in key:
            weight.copy_(torch.randn_like(weight) * 0.2)
adapted.save_pretrained(folder / "adapter")
# the card that PEFT writes is text of its own; only what a reader of adapters needs stays
(folder / "adapter" / "README.md").unlink(missing_ok=True)
config_path = folder / "adapter" / "adapter_config.json"
adapter_config = json.loads(config_path.read_text())
adapter_config["base_model_name_or_path"] = "tied"
config_path.write_text(json.dumps(adapter_config, indent=2, sort_keys=True) + "\n")
for path in folder.glob("*/generation_config.json"):
    path.unlink()

ids = torch.tensor(reference["tied"]["ids"])
mask = torch.tensor(reference["tied"]["lossMask"])
logits = adapted(ids).logits
losses = torch.nn.functional.cross_entropy(
    logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten(), reduction="none"
).view(2, -1)
weighted = (losses * mask[:, 1:]).sum(1)
examples = []
for row in range(2):
    adapted.zero_grad()
    weighted[row].backward(retain_graph=True)
    examples.append(
        {
            key.removeprefix("base_model.model.model.").replace(".default.weight", ""): numbers(weight.grad)
            for key, weight in adapted.named_parameters()
            if "lora_" in key
        }
    )
reference["adapter"] = {
    "logits": numbers(logits),
    "losses": numbers(weighted),
    "perExampleGradients": examples,
}

tokenizer_path = root / "assets/base/tokenizer.json"
if tokenizer_path.exists():
    tokenizer = tokenizers.Tokenizer.from_file(str(tokenizer_path))
    texts = [
        "contract Token is ERC20, Ownable {\n    mapping(address => uint256) private _balances;\n}\n",
        "const sum = values.reduce((a, b) => a + b, 0)  // 12345.678\r\n\r\n\tif (x !== y) { return `${z}` }",
        "caf\u00e9 na\u00efve \u4f60\u597d \U0001f980\U0001f468\u200d\U0001f469\u200d\U0001f467 \u0301 \u00a0end   \n\n  ",
        "<|bos|> is text here",
    ]
    plain = json.loads(tokenizer_path.read_text())
    plain["added_tokens"] = []
    tokenizer = tokenizers.Tokenizer.from_str(json.dumps(plain))
    reference["tokenizer"] = [
        {"text": text, "ids": tokenizer.encode(text, add_special_tokens=False).ids} for text in texts
    ]

reference["files"] = {
    str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
    for path in sorted(folder.glob("*/*"))
}
(folder / "reference.json").write_text(json.dumps(reference) + "\n")
