"""Makes the reference numbers of ROUGE from Google Research's rouge_score.

    pip install rouge-score
    python scripts/vectors/rouge.py

Writes packages/modelfactory/test/fixtures/rouge.json: F1 of ROUGE-1, ROUGE-2 and ROUGE-L, without stemming, for pairs of texts.
"""

import hashlib
import json
import pathlib
import random

from rouge_score import rouge_scorer

path = pathlib.Path(__file__).resolve().parents[2] / "packages/modelfactory/test/fixtures/rouge.json"
random.seed(4)
words = ["the", "vault", "opens", "at", "noon", "It's", "closed,", "day-3", "7.5", "No", "keys", "été", "SHIP", "_x"]
kinds = ["rouge1", "rouge2", "rougeL"]
scorer = rouge_scorer.RougeScorer(kinds, use_stemmer=False)
pairs = [("", "a"), ("a", ""), ("The cat sat.", "the cat SAT"), ("a b c d", "d c b a")] + [
    (" ".join(random.choices(words, k=random.randint(1, 14))), " ".join(random.choices(words, k=random.randint(1, 14))))
    for _ in range(60)
]
cases = []
for answer, reference in pairs:
    found = scorer.score(reference, answer)
    cases.append({"answer": answer, "reference": reference, "f1": [found[kind].fmeasure for kind in kinds]})
text = json.dumps(cases, sort_keys=True) + "\n"
path.write_text(text)
print("the SHA-256 that Measures.test.ts pins:", hashlib.sha256(text.encode()).hexdigest())
