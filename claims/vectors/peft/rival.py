"""Transformers' and PEFT's side of `npm run vectors -- peft`.

    python rival.py FOLDER

FOLDER holds for each model a checkpoint that OpenLedger wrote, and where it can have one an adapter. Writes the log
probability of every token to `FOLDER/NAME.json`, and an adapter of PEFT's own to `FOLDER/NAME/theirs` with its numbers.
"""

import json
import pathlib
import sys

import peft
import torch
import transformers

root = pathlib.Path(sys.argv[1])
torch.manual_seed(3)
weights = json.loads((root / "weights.json").read_text())
ids = torch.tensor([json.loads((root / "ids.json").read_text())])


def scores(model):
    with torch.no_grad():
        logits = model(ids).logits.log_softmax(-1)[0]
    return [0.0] + logits[:-1].gather(1, ids[0, 1:, None])[:, 0].tolist()


for folder in sorted(path for path in root.iterdir() if path.is_dir()):
    load = lambda: transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    found = {"base": scores(load())}
    if (folder / "adapter").exists():
        found["adapter"] = scores(peft.PeftModel.from_pretrained(load(), folder / "adapter").eval())
        both = peft.PeftModel.from_pretrained(load(), folder / "adapter", adapter_name="first")
        both.load_adapter(folder / "second", adapter_name="second")
        both.add_weighted_adapter(["first", "second"], weights, "merged", combination_type="cat")
        both.set_adapter("merged")
        found["merged"] = scores(both.eval())
        settings = json.loads((folder / "adapter/adapter_config.json").read_text())
        theirs = peft.get_peft_model(
            load(),
            peft.LoraConfig(
                r=5, lora_alpha=7, use_rslora=True, target_modules=settings["target_modules"], task_type="CAUSAL_LM"
            ),
        ).eval()
        with torch.no_grad():
            for name, weight in theirs.named_parameters():
                if "lora_" in name:
                    weight.copy_(torch.randn_like(weight) * 0.2)
        theirs.save_pretrained(folder / "theirs")
        found["theirs"] = scores(theirs)
    (root / f"{folder.name}.json").write_text(json.dumps(found))
(root / "versions.json").write_text(
    json.dumps({"torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__})
)
