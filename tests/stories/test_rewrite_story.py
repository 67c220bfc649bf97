"""digits-cnn in one's own code, block by block, then optimizer, loss and loop.

Each equal, and four faults found.
"""

import json

import pytest
from helpers import Person

OWN_BLOCK = """class Norm(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(channels))
        self.shift = nn.Parameter(torch.zeros(channels))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))

    def forward(self, x):
        if self.training:
            mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False)
            count = x.numel() / x.shape[1]
            with torch.no_grad():
                self.mean.lerp_(mean, 0.1)
                self.variance.lerp_(variance * count / (count - 1), 0.1)
        else:
            mean, variance = self.mean, self.variance
        scale = self.scale * torch.rsqrt(variance + 1e-5)
        return (x - mean[:, None, None]) * scale[:, None, None] + self.shift[:, None, None]


class OwnBlock(nn.Module):
    def __init__(self, channels_in, channels_out):
        super().__init__()
        self.taps = nn.Parameter(torch.empty(9 * channels_in, channels_out))
        nn.init.uniform_(self.taps, -((9 * channels_in) ** -0.5), (9 * channels_in) ** -0.5)
        self.norm = Norm(channels_out)

    def forward(self, x):
        n, _, h, w = x.shape
        columns = F.unfold(x, 3, padding=1).transpose(1, 2)  # [n, h w, 9 c_in]
        x = (columns @ self.taps).transpose(1, 2).reshape(n, -1, h, w)
        return self.norm(x).clamp(min=0)
"""

OWN_TRAINING = '''
class Decoupled:
    """AdamW with two groups of parameters."""

    def __init__(self, model, rate, decay):
        self.parameters, self.rate, self.decay, self.steps = list(model.parameters()), rate, decay, 0
        self.moments = [(torch.zeros_like(p), torch.zeros_like(p)) for p in self.parameters]

    @torch.no_grad()
    def update(self, factor):
        self.steps += 1
        norm = torch.stack([p.grad.norm() for p in self.parameters]).norm()
        scale = (1.0 / (norm + 1e-6)).clamp(max=1.0)
        for p, (m, v) in zip(self.parameters, self.moments):
            g, rate = p.grad * scale, self.rate * factor
            m.lerp_(g, 0.1)
            v.lerp_(g * g, 0.001)
            if p.ndim > 1:
                p.mul_(1 - rate * self.decay)
            p.sub_(rate * (m / (1 - 0.9**self.steps)) / ((v / (1 - 0.999**self.steps)).sqrt() + 1e-8))
            p.grad = None
        return norm.item()


def own_loss(logits, labels):
    shifted = logits - logits.logsumexp(1, keepdim=True)
    return -shifted[torch.arange(len(labels)), labels].mean()
'''

OLD_LOOP = """            logits = model(augment(train_images[batch], args.shift))
            loss = F.cross_entropy(logits, train_labels[batch])
            optimizer.zero_grad()
            loss.backward()
            gradient_norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0).item()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
"""
NEW_LOOP = """            loss = own_loss(model(augment(train_images[batch], args.shift)), train_labels[batch])
            loss.backward()
            gradient_norm = own.update(warmup_cosine(own.steps, steps_per_epoch, total_steps))
            losses.append(loss.item())
"""

FAULTS = {
    "eps=1e-3": (
        "norm.py",
        "variance + 1e-5",
        "variance + 1e-3",
        ("forward_eval", "model.block1.normalisation"),
    ),
    "a missing zero_grad": ("train.py", "            p.grad = None\n", "", ("gradients", "")),
    "a schedule per epoch": (
        "train.py",
        "warmup_cosine(own.steps,",
        "warmup_cosine(own.steps // steps_per_epoch,",
        ("schedule", ""),
    ),
    "a dropout left on in evaluation": (
        "train.py",
        "    model.eval()\n",
        "    model.eval()\n    model.dropout.train()\n",
        ("evaluation", ""),
    ),
}


def replace(person, file, old, new):
    path = person.folder / "src" / file
    text = path.read_text()
    assert old in text, old
    path.write_text(text.replace(old, new))


@pytest.fixture(scope="module")
def person(tmp_path_factory):
    person = Person(tmp_path_factory.mktemp("story"))
    person.types("mlloop-new", "digits", "--from", "digits-cnn", "--no-input")
    person.folder = person.folder / "digits"
    person.types("scaffold", "verify")
    return person


def test_digits_in_ones_own_code(person):
    # A block, in another layout, with other names: from a file of one's own.
    own = person.folder.parent / "norm.py"
    own.write_text(
        "import torch\nfrom torch import nn\nfrom torch.nn import functional as F\n\n\n" + OWN_BLOCK
    )
    person.types("scaffold", "rewrite", "start", "Block", "--with", f"{own}:OwnBlock")
    answer = person.asks("scaffold", "verify", status=1)
    (check,) = answer["checks"]
    assert check["name"] == "parameters" and any(
        "norm.scale" in line for line in check["suggestions"]
    )
    lines = [line for line in check["suggestions"] if "norm." in line]
    for number in (1, 2):
        weight = f"model.block{number}.convolution.weight"
        channels = (1, 16, 32)[number - 1 : number + 1]
        reshaped = f"{weight} | reshape {channels[1]}x{9 * channels[0]} | transpose"
        lines.append(f'model.block{number}.taps: "{reshaped}"')
    with (person.folder / "tweaks/block.yaml").open("a") as file:
        file.write("weights:\n" + "".join(f"  {line}\n" for line in lines))

    replace(person, *FAULTS["eps=1e-3"][:3])
    answer = person.asks("scaffold", "verify", status=1)
    first = next(check for check in answer["checks"] if check["verdict"] == "DIFFERS")
    assert (first["name"], first["address"]["module"]) == FAULTS["eps=1e-3"][3]
    replace(person, "norm.py", "variance + 1e-3", "variance + 1e-5")
    answer = person.asks("scaffold", "verify")
    assert answer["verdict"] == "EQUAL" and answer["refusal"] is None
    assert {check["name"] for check in answer["checks"] if check["verdict"] == "EQUAL"} >= {
        "forward_eval",
        "forward_train",
        "buffers",
        "loss",
        "gradients",
        "optimizer",
        "loop",
    }
    person.types("scaffold", "rewrite", "accept")

    # Optimizer, loss and loop.
    person.types("scaffold", "rewrite", "start", "program", "--name", "training")
    person.edits("src/train.py", "\ndef main():", OWN_TRAINING + "\n\ndef main():")
    made = "    own = Decoupled(model, args.learning_rate, args.weight_decay)\n"
    person.edits(
        "src/train.py", "    first_epoch_loss = first", made + "    first_epoch_loss = first"
    )
    person.edits("src/train.py", OLD_LOOP, NEW_LOOP)
    for name, (file, old, new, address) in list(FAULTS.items())[1:]:
        replace(person, file, old, new)
        answer = person.asks("scaffold", "verify", status=1)
        first = next(check for check in answer["checks"] if check["verdict"] == "DIFFERS")
        assert first["name"] == address[0], (name, first)
        if new:
            replace(person, file, new, old)
        else:
            replace(
                person, file, "        return norm.item()\n", old + "        return norm.item()\n"
            )
    answer = person.asks("scaffold", "verify")
    assert answer["verdict"] == "EQUAL" and answer["refusal"] is None, json.dumps(answer)
    person.types("scaffold", "rewrite", "accept")
    assert "passed" in person.types("pytest", "-q")
