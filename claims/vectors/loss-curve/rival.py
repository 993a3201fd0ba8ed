"""Trains a LoRA adapter with PyTorch and PEFT on given batches and writes the loss of every step.

    python rival.py FOLDER

FOLDER holds `task.json` (base folder, learning rates, optimiser, and for each seed its batches of token ids and masks) and for
each seed an adapter to start from, as PEFT reads it. Writes `curves.json`: for each seed the loss of each step, and the loss
on what is kept out, computed in float32 and again in float64, with which PyTorch's own rounding is measured.
"""

import json
import pathlib
import sys

import peft
import torch
import transformers

folder = pathlib.Path(sys.argv[1])
task = json.loads((folder / "task.json").read_text())
torch.set_num_threads(2)


def collated(sequences):
    """Pads token ids and masks to one length; a masked label does not count."""
    longest = max(len(each["ids"]) for each in sequences)
    ids = torch.zeros(len(sequences), longest, dtype=torch.long)
    weights = torch.zeros(len(sequences), longest)
    for row, each in enumerate(sequences):
        ids[row, : len(each["ids"])] = torch.tensor(each["ids"])
        weights[row, : len(each["mask"])] = torch.tensor(each["mask"], dtype=torch.float32)
    return ids, weights


def loss_of(model, batch):
    ids, weights = collated([task["sequences"][i] for i in batch])
    # what comes after a sequence is padding, which no earlier token sees
    logits = model(ids).logits[:, :-1]
    losses = torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
    weights = weights[:, 1:].flatten().to(losses.dtype)
    return (losses * weights).sum() / weights.sum()


def curve(seed, dtype):
    base = transformers.AutoModelForCausalLM.from_pretrained(task["base"], dtype=dtype)
    model = peft.PeftModel.from_pretrained(base, folder / f"adapter-{seed['seed']}", is_trainable=True)
    model.to(dtype)
    model.train()
    trained = [weight for weight in model.parameters() if weight.requires_grad]
    settings = task["optimizer"]
    optimizer = torch.optim.AdamW(
        trained,
        betas=(settings["beta1"], settings["beta2"]),
        eps=settings["epsilon"],
        weight_decay=settings["weightDecay"],
    )
    losses, held_out = [], []
    for step, batch in enumerate(seed["batches"]):
        optimizer.param_groups[0]["lr"] = task["rates"][step]
        optimizer.zero_grad()
        loss = loss_of(model, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, settings["gradientNormMax"])
        optimizer.step()
        losses.append(loss.item())
        if (step + 1) % task["measureEvery"] == 0:
            with torch.no_grad():
                held_out.append(loss_of(model, task["heldOut"]).item())
    return {"losses": losses, "heldOut": held_out}


curves = {}
for seed in task["seeds"]:
    single, double = curve(seed, torch.float32), curve(seed, torch.float64)
    curves[str(seed["seed"])] = {"float32": single, "float64": double}
versions = f"torch {torch.__version__.split('+')[0]}, transformers {transformers.__version__}, peft {peft.__version__}"
(folder / "curves.json").write_text(json.dumps({"versions": versions, "curves": curves}))
