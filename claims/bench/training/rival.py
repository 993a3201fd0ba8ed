"""The rival's side of `npm run bench -- training`: PyTorch with PEFT, at its best on this machine.

    python rival.py DIRECTORY WORK OUTPUT

DIRECTORY is the checkpoint that both sides read; WORK is JSON: mode, rows, tokens, steps, and `variant`:
`eager`, `compiled`, or for one gradient per example `hooks` (inputs and cotangents of each small matrix, multiplied
example by example, which is what Opacus does) and `loop`.
"""

import json
import resource
import statistics
import sys
import time

import torch
import transformers

directory, work, output = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3]
mode, rows, tokens, steps, variant = (work[key] for key in ("mode", "rows", "tokens", "steps", "variant"))
torch.manual_seed(1)
torch.set_num_threads(work["threads"])
quantised = {}
if mode == "qlora":
    quantised["quantization_config"] = transformers.BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.float32
    )
model = transformers.LlamaForCausalLM.from_pretrained(
    directory, dtype=torch.float32, attn_implementation="sdpa", **quantised
)
model.config.use_cache = False
vocabulary = model.config.vocab_size
ids = torch.tensor(
    [
        [(row * 7919 + t * 104729 + (t * t) % 97) % vocabulary for t in range(tokens + 1)]
        for row in range(rows)
    ]
)
if mode != "full":
    import peft

    model = peft.get_peft_model(
        model,
        peft.LoraConfig(
            r=work["rank"],
            lora_alpha=work["alpha"],
            target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
            lora_dropout=0.0,
            task_type="CAUSAL_LM",
        ),
    )
trained = [weight for weight in model.parameters() if weight.requires_grad]
optimizer = torch.optim.AdamW(
    trained, lr=work["learningRate"], betas=(0.9, 0.99), eps=1e-8, weight_decay=0.01, fused=True
)


def loss_of(batch, reduction="mean"):
    logits = model(input_ids=batch[:, :-1]).logits
    return torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), batch[:, 1:].flatten(), reduction=reduction
    )


run = torch.compile(loss_of, dynamic=False) if variant == "compiled" else loss_of

seen = {}
if variant == "hooks":
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear) and (".lora_A." in name or ".lora_B." in name):
            module.weight.requires_grad_(False)
            module.register_forward_hook(lambda module, args, result, name=name: seen.__setitem__(name, [args[0], result]))


def step():
    if mode != "perExample":
        loss = run(ids)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.item()
    gradients = []
    total = 0.0
    if variant == "loop":
        for row in range(rows):
            loss = run(ids[row : row + 1], reduction="sum")
            gradients.append(torch.autograd.grad(loss, trained))
            total += loss.item()
    else:
        embeddings = model.get_input_embeddings()(ids[:, :-1]).requires_grad_(True)
        logits = model(inputs_embeds=embeddings).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="sum")
        results = torch.autograd.grad(loss, [pair[1] for pair in seen.values()])
        for (inputs, _), cotangent in zip(seen.values(), results):
            gradients.append(torch.einsum("bto,bti->boi", cotangent, inputs.detach()))
        total = loss.item()
        seen.clear()
    return total / (rows * tokens)


losses, seconds = [], []
cpu = 0.0
for i in range(steps):
    used = time.process_time()
    began = time.perf_counter()
    losses.append(step())
    seconds.append(time.perf_counter() - began)
    if i >= 2:
        cpu += time.process_time() - used
with open(output, "w") as file:
    json.dump(
        {
            "tokensPerSecond": rows * tokens / statistics.median(seconds[2:]),
            "cpuMicrosPerToken": 1e6 * cpu / ((steps - 2) * rows * tokens),
            "peakBytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            "losses": losses,
            "versions": {
                "torch": torch.__version__,
                "transformers": transformers.__version__,
                "peft": "" if mode == "full" else peft.__version__,
            },
        },
        file,
    )
