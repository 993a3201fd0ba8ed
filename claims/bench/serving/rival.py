"""PEFT's side of `npm run bench -- serving`: rows of one batch, each under an adapter of its own.

    python rival.py JOB

JOB is JSON: `model` and `adapters` are folders that OpenLedger wrote, `promptIds` one prompt of equal length for each
adapter. Prints one line of JSON: the seconds of the better of two runs, and the versions. Ends with 3 where a package is missing.
"""

import json
import sys
import time

try:
    import peft
    import torch
    import transformers
except ImportError:
    sys.exit(3)

job = json.load(open(sys.argv[1]))
torch.set_num_threads(job["threads"])
model = transformers.AutoModelForCausalLM.from_pretrained(job["model"], dtype=torch.float32)
names = [f"adapter{i}" for i in range(len(job["adapters"]))]
model = peft.PeftModel.from_pretrained(model, job["adapters"][0], adapter_name=names[0])
for name, folder in zip(names[1:], job["adapters"][1:]):
    model.load_adapter(folder, adapter_name=name)
model.eval()
ids = torch.tensor(job["promptIds"])
seconds = []
for _ in range(2):
    started = time.perf_counter()
    with torch.inference_mode():
        found = model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            adapter_names=names,
            do_sample=False,
            min_new_tokens=job["outputTokens"],
            max_new_tokens=job["outputTokens"],
            pad_token_id=0,
        )
    seconds.append(time.perf_counter() - started)
assert found.shape[1] == ids.shape[1] + job["outputTokens"]
print(json.dumps({"seconds": min(seconds), "versions": f"PEFT {peft.__version__}, torch {torch.__version__}"}))
