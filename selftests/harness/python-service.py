# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
"""A process that has drawn from its generators before its machine is restored.

Each time that a kind is written to /run/ask it writes to /run/answer what generators
of that kind give: "plain", "guarded", which look at the page, or "asking", which make
the kernel look."""
import random
import secrets
import sys

sys.path.insert(0, "/python")
import vmgen
import vmgen.random
import vmgen.secrets

vmgen.guard_random()
own = random.Random()
guarded = vmgen.random.Random()


def draw_plain():
    yield "plain", own.getrandbits(128)
    yield "gauss.plain", own.gauss(0, 1)
    yield "secret.plain", secrets.token_hex(16)


def draw_guarded():
    yield "guarded", guarded.getrandbits(128)
    yield "gauss.guarded", guarded.gauss(0, 1)
    yield "module", random.getrandbits(128)


def draw_asking():
    yield "secret", vmgen.secrets.token_hex(16)
    yield "generation", vmgen.sync().generation


draw = {"plain": draw_plain, "guarded": draw_guarded, "asking": draw_asking}

while True:
    with open("/run/ask") as ask:
        kind = ask.read().strip()
    text = "".join(f"{name}={value}\n" for name, value in draw[kind]())
    with open("/run/answer", "w") as answer:
        answer.write(text)
