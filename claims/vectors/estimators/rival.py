"""Scores given gradients with dattri's attributors: reads a JSON of gradients, writes one of scores.

A loss that is linear in the parameters has its data as its gradient, so each attributor sees exactly the gradients it is given.
"""

import json
import sys
from importlib.metadata import version

import torch
from dattri.algorithm import trak
from dattri.algorithm.influence_function import IFAttributorDataInf
from dattri.algorithm.tracin import TracInAttributor
from dattri.task import AttributionTask
from torch.utils.data import DataLoader, TensorDataset

torch.set_default_dtype(torch.float64)
with open(sys.argv[1]) as file:
    given = json.load(file)
records = torch.tensor(given["records"])
queries = torch.tensor(given["queries"])


class Linear(torch.nn.Module):
    def __init__(self, size):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(size))


def task_of(size):
    model = Linear(size)

    def loss(params, data):
        return (params["weight"] * data[0]).sum()

    return AttributionTask(loss_func=loss, model=model, checkpoints=model.state_dict())


def loader(rows):
    return DataLoader(TensorDataset(rows), batch_size=1, shuffle=False)


def of_all(attributor):
    attributor.cache(loader(records))
    return attributor.attribute(loader(queries))


def data_inf():
    """Layer by layer, because its authors damp each by its own gradients."""
    total, start = 0, 0
    for size in given["blocks"]:
        rows, asked = (part[:, start : start + size] for part in (records, queries))
        start += size
        damping = 0.1 * (rows**2).mean().item()
        attributor = IFAttributorDataInf(task=task_of(size), regularization=damping)
        attributor.cache(loader(rows))
        total = total + attributor.attribute(loader(rows), loader(asked))
    return total


def trac_in(normalized):
    # as many dimensions as there are: nothing is projected
    attributor = TracInAttributor(
        task=task_of(records.shape[1]),
        weight_list=torch.ones(1),
        normalized_grad=normalized,
        projector_kwargs={"proj_dim": records.shape[1]},
    )
    return attributor.attribute(loader(records), loader(queries))


def trak_scores():
    size = records.shape[1]
    damping = given["damping"] * (records**2).sum(dim=1).mean().item() / size
    attributor = trak.TRAKAttributor(
        task=task_of(size),
        correct_probability_func=lambda params, data: torch.zeros(1),
        regularization=damping,
    )
    return of_all(attributor)


def identity(*args, **kwargs):
    return lambda rows, ensemble_id=0: rows


# two random projections agree in the mean only: what is compared is what is done with the projected gradients
trak.random_project = identity
sys.modules["dattri.algorithm.tracin"].random_project = identity

scores = {
    "DataInf": data_inf(),
    "GradDot": trac_in(False),
    "GradCos": trac_in(True),
    "TRAK": trak_scores(),
}
with open(sys.argv[2], "w") as file:
    json.dump(
        {
            "versions": f"dattri {version('dattri')}, torch {version('torch')}",
            "scores": {name: value.T.tolist() for name, value in scores.items()},
        },
        file,
    )
