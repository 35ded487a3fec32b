"""Makes the files beside it: python make.py, with torch 2.15.  Values are small integers and halves, so that every kind of number holds them."""

import argparse
from collections import OrderedDict

import torch


def weights(dtype=torch.float32):
    return OrderedDict(
        [
            ("conv.weight", (torch.arange(36, dtype=torch.float32).reshape(2, 3, 3, 2) / 2 - 4).to(dtype)),
            ("bn.weight", torch.tensor([1.5, -2.0]).to(dtype)),
            ("bn.running_var", torch.tensor([0.25, 3.0]).to(dtype)),
            ("bn.num_batches_tracked", torch.tensor(7)),
        ]
    )


def views():
    base = torch.arange(24, dtype=torch.float32)
    return {
        "whole": base,
        "slice": base[4:10],
        "every_second": base[1::2],
        "transposed": base.reshape(4, 6).t(),
        "columns": base.reshape(4, 6)[:, 1:3],
        "channels_last": base.reshape(1, 2, 3, 4).to(memory_format=torch.channels_last),
        "expanded": base[:3].reshape(3, 1).expand(3, 2),
        "permuted": base.reshape(2, 3, 4).permute(2, 0, 1),
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(0, 3),
    }


def kinds():
    values = torch.tensor([1.5, -2.0, 0.5])
    kinds = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.uint8]
    kinds += [torch.bool, torch.complex64, torch.float8_e4m3fn, torch.uint16]
    return {str(kind): values.abs().to(kind) for kind in kinds}


def checkpoint():
    module = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 1), torch.nn.BatchNorm2d(2))
    with torch.no_grad():
        for i, value in enumerate(module.state_dict().values()):
            value.fill_(i)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
    module(torch.zeros(1, 1, 2, 2)).sum().backward()
    optimizer.step()
    return {
        "epoch": 12,
        "arch": "tiny",
        "best": torch.tensor(0.5),
        "args": argparse.Namespace(lr=0.1, nested={"a": [1, 2.5, None, True]}),
        "optimizer": optimizer.state_dict(),
        "state_dict": torch.nn.DataParallel(module).state_dict(),
    }


legacy = {"_use_new_zipfile_serialization": False}
torch.save(weights(), "zip.pth")
torch.save(weights(), "legacy.pth", **legacy)
torch.save(weights(), "protocol4.pth", pickle_protocol=4)
torch.save(weights(), "protocol5_legacy.pth", pickle_protocol=5, **legacy)
torch.save(weights(torch.float64), "f64.pth")
torch.save(views(), "views.pth")
torch.save(views(), "views_legacy.pth", **legacy)
torch.save(kinds(), "kinds.pth")
torch.save(checkpoint(), "checkpoint.pth")
torch.save(checkpoint(), "checkpoint_legacy.pth", **legacy)
torch.save({"model": {"a": torch.nn.Parameter(torch.ones(2))}, "net": 3}, "parameter.pth")
torch.save([torch.ones(2)], "list.pth")
