"""Patching: what a patched row holds, to the bit where it can be, and what is left alone."""

from contextlib import ExitStack, contextmanager

import numpy as np
import pytest
import torch
from pipelines import build_odd, draw, n_hooks, projections
from tolerance import sum_rounding

import plantain
from plantain.errors import InputError
from plantain.model.text import text_mask
from plantain.probe.patching import TOKENS, Joining, Patch, Patching, prompt_forwards

# Another batch size or order of operations takes other kernels: rounding that grew through five blocks, in values of
# about one.
FLOAT32 = 5e-6
# The like in bfloat16, which keeps 8 bits.
BFLOAT16 = 0.1
SIZE = {"height": 48, "width": 32}
N_IMAGE = 24
PROMPTS = [
    "A tall dancer standing in a park",
    "A tall dancer leaping over a low stone wall in a park by the sea",
    "A nurse",
    "",
]


@pytest.fixture(scope="module")
def pipe():
    return build_odd(joint_blocks=2, single_blocks=3)


@pytest.fixture(scope="module")
def heads(pipe):
    return plantain.HeadCapture(pipe.transformer).head_map


@pytest.fixture(scope="module")
def mask(pipe):
    return text_mask(pipe, PROMPTS)


@contextmanager
def hooked(module, hook):
    handle = module.register_forward_pre_hook(hook, with_kwargs=True)
    yield
    handle.remove()


class Seen:
    """What entered and left every projection and the transformer, a tensor a forward; hooks after all others."""

    def __init__(self, transformer):
        self.transformer = transformer
        self.inputs = {name: [] for name, _ in projections(transformer)}
        self.outputs = {name: [] for name in self.inputs}
        self.velocities = []

    def __enter__(self):
        def keep(name):
            def hook(module, args, output):
                self.inputs[name].append(args[0].clone())
                self.outputs[name].append(output.clone())

            return hook

        self.handles = [module.register_forward_hook(keep(name)) for name, module in projections(self.transformer)]
        last = self.transformer.register_forward_hook(lambda module, args, out: self.velocities.append(out[0].clone()))
        self.handles.append(last)
        return self

    def __exit__(self, *error):
        for handle in self.handles:
            handle.remove()

    @property
    def velocity(self):
        (only,) = self.velocities
        return only


def seen(pipe, patches=(), prompts=PROMPTS, mask=None, kind=Patching, forwards=None, **options):
    """A call of the pipeline, and what was seen in it."""
    with Seen(pipe.transformer) as found, kind(pipe.transformer, patches, mask, forwards):
        draw(pipe, prompts, **SIZE, **options)
    return found


@pytest.fixture(scope="module")
def bare(pipe):
    return seen(pipe)


def assert_bits(found, expected, rows=slice(None)):
    for name in expected.inputs:
        for one, other in zip(found.inputs[name], expected.inputs[name], strict=True):
            assert torch.equal(one[rows], other[rows]), name
    for one, other in zip(found.velocities, expected.velocities, strict=True):
        assert torch.equal(one[rows], other[rows])


def of_block(heads, block):
    runs = np.zeros(heads.n_runs, bool)
    runs[heads.runs_of(block)] = True
    return runs


def some_runs(heads, seed, share=0.3):
    return np.random.default_rng(seed).random(heads.n_runs) < share


def channels(heads, runs, block):
    """The channels of a block's projection that a set holds, (C,)."""
    return torch.as_tensor(np.repeat(runs[heads.runs_of(block)], heads.channels_per_head))


# -- what a patched row holds ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Patching, Joining])
@pytest.mark.parametrize("block", range(5))
def test_all_of_a_block_from_a_donor_gives_the_donors_output_to_the_bit(pipe, heads, bare, block, kind):
    patch = Patch(0, of_block(heads, block), donors=(1,), tokens="all")
    found = seen(pipe, [patch], kind=kind)
    names = [name for name in found.inputs if name.startswith(f"{heads.block_names[block]}.")]
    assert len(names) == (2 if block < heads.n_joint else 1)
    row = 0 if kind is Patching else len(PROMPTS)
    for name in names:
        assert torch.equal(found.inputs[name][0][row], bare.inputs[name][0][1])
        assert (found.outputs[name][0][row] - found.outputs[name][0][1]).abs().max() < FLOAT32  # rows of a batch
        assert not torch.equal(bare.outputs[name][0][0], bare.outputs[name][0][1])
    rows = slice(1, len(PROMPTS))
    assert all(torch.equal(found.inputs[name][0][rows], bare.inputs[name][0][rows]) for name in found.inputs)


def test_what_changes_nothing_keeps_every_bit(pipe, heads, bare, mask):
    runs, none = some_runs(heads, 0), np.zeros(heads.n_runs, bool)
    for patches in (
        [],
        [Patch(0, none, donors=(1,))],
        [Patch(0, runs)],
        [Patch(row, runs, (1 - row,), alpha=0, tokens=tokens) for row in (0, 1) for tokens in TOKENS],
    ):
        assert_bits(seen(pipe, patches, mask=mask), bare)


def test_rows_without_a_patch_keep_every_bit(pipe, heads, bare):
    found = seen(pipe, [Patch(2, some_runs(heads, 1), donors=(1, 3), beta=0.5)])
    assert_bits(found, bare, [0, 1, 3])
    assert (found.velocity[2] - bare.velocity[2]).abs().max() > 100 * FLOAT32


def test_a_patch_entered_twice_is_that_patch(pipe, heads, bare):
    patches = [Patch(0, some_runs(heads, 2), donors=(1,))]
    once = seen(pipe, patches)
    with Patching(pipe.transformer, patches):
        assert_bits(seen(pipe, patches), once)
    assert not torch.equal(once.velocity[0], bare.velocity[0])


def first_input(found, heads, block=0):
    name = next(name for name in found.inputs if name.startswith(heads.block_names[block]))
    return found.inputs[name][0]


@pytest.mark.parametrize("block", [0, 3])
def test_alpha_mixes_donors_are_averaged_and_beta_scales(pipe, heads, bare, block):
    """At the first patched block, which still reads what it read in the bare run."""
    runs = some_runs(heads, 3) & of_block(heads, block)
    x = first_input(bare, heads, block).double()
    image, inside = slice(-N_IMAGE, None), channels(heads, runs, block)
    donors = (1, 2, 3)
    mean = x[list(donors)].mean(dim=0)
    cases = [
        (Patch(0, runs, (1,), alpha=0.5), (x[0] + x[1]) / 2),
        (Patch(0, runs, donors), mean),
        (Patch(0, runs, donors, alpha=0.25), 0.75 * x[0] + 0.25 * mean),
        (Patch(0, runs, beta=-1), 0 * x[0]),
        (Patch(0, runs, beta=0.5), 1.5 * x[0]),
        (Patch(0, runs, (1,), alpha=0.5, beta=1), x[0] + x[1]),
    ]
    for patch, changed in cases:
        expected = x[0].clone()
        expected[image, inside] = changed[image, inside]
        found = first_input(seen(pipe, [patch]), heads, block)[0].double()
        assert (found - expected).abs().max() < 1e-6, patch


def test_beta_minus_one_leaves_nothing(pipe, heads):
    runs = of_block(heads, 4)
    found = seen(pipe, [Patch(0, runs, beta=-1, tokens="all")])
    assert not found.outputs["single[2].to_out"][0][0].any()


def test_several_patches_of_a_row_come_one_after_the_other(pipe, heads, bare):
    """Sets apart: both; the same set: the second finds what the first made."""
    block = of_block(heads, 2)
    one = some_runs(heads, 4) & block
    other = block & ~one
    x = first_input(bare, heads, 2)
    found = first_input(seen(pipe, [Patch(0, one, (1,)), Patch(0, other, (2,))]), heads, 2)[0, -N_IMAGE:]
    for runs, donor in ((one, 1), (other, 2)):
        inside = channels(heads, runs, 2)
        assert torch.equal(found[:, inside], x[donor, -N_IMAGE:][:, inside])
    patches = [Patch(0, block, (1,)), Patch(0, block, (2, 3), tokens="all"), Patch(0, block, (1,), alpha=0.5)]
    found = first_input(seen(pipe, patches), heads, 2)[0, -N_IMAGE:]
    expected = (x[1] + (x[2] + x[3]) / 2)[-N_IMAGE:] / 2
    assert (found - expected).abs().max() < 1e-6


# -- which positions, which forwards ---------------------------------------------------------------


@pytest.mark.parametrize("kind", [Patching, Joining])
@pytest.mark.parametrize("tokens", TOKENS)
@pytest.mark.parametrize("block", [1, 2])
def test_only_the_named_tokens_are_patched(pipe, heads, bare, mask, tokens, block, kind):
    runs = some_runs(heads, 5) & of_block(heads, block)
    inside = channels(heads, runs, block)
    real = torch.as_tensor(mask[0] | mask[1])
    assert not torch.equal(real, torch.as_tensor(mask[0]))  # the donor's text is the longer one
    text = {"image": real & False, "text": real, "padding": ~real, "all": real | True}[tokens]
    image = torch.full((N_IMAGE,), tokens in ("image", "all"))
    found = seen(pipe, [Patch(0, runs, (1,), tokens=tokens)], mask=mask, kind=kind)
    if block < heads.n_joint:
        where = {f"joint[{block}].to_out": image, f"joint[{block}].to_add_out": text}
    else:
        where = {f"single[{block - heads.n_joint}].to_out": torch.cat([text, image])}
    row = 0 if kind is Patching else len(PROMPTS)
    for name, positions in where.items():
        own, donor = bare.inputs[name][0][:2]
        expected = torch.where(positions[:, None] & inside, donor, own)
        assert torch.equal(found.inputs[name][0][row], expected)
    assert sum(int(positions.sum()) for positions in where.values()) > 0


def test_padding_is_where_neither_has_a_word(pipe, heads, bare, mask):
    """Of a patched row that is not the first, whose text is the shorter one."""
    runs = of_block(heads, 0)
    found = seen(pipe, [Patch(3, runs, (2, 1), tokens="padding")], mask=mask)
    changed = (found.inputs["joint[0].to_add_out"][0][3] != bare.inputs["joint[0].to_add_out"][0][3]).any(dim=1)
    np.testing.assert_array_equal(changed.numpy(), ~(mask[3] | mask[2]))  # the first donor's words are meant


@pytest.mark.parametrize("kind", [Patching, Joining])
def test_with_guidance_the_prompts_pass_of_the_wanted_steps_is_patched(pipe, heads, kind):
    assert prompt_forwards([0, 2], 1.5) == [0, 4]
    assert prompt_forwards(range(3), 1.0) == [0, 1, 2]
    steps = {"num_inference_steps": 3, "guidance_scale": 2.0}
    plain = seen(pipe, **steps)
    found = seen(pipe, [Patch(0, some_runs(heads, 6), (1,))], kind=kind, forwards=prompt_forwards([1], 2.0), **steps)
    pairs = list(zip(*(of.inputs["single[2].to_out"] for of in (found, plain)), strict=True))
    if kind is Patching:  # the drawing goes on from where the patch has brought it
        changed = [not torch.equal(one[0], other[0]) for one, other in pairs]
        assert changed == [False, False, True, False, True, True]
    else:  # a joined row is there in its forward alone, and the others keep their bits
        assert [len(one) for one, _ in pairs] == [4, 4, 5, 4, 4, 4]
        assert all(torch.equal(one[:4], other) for one, other in pairs)
        assert not torch.equal(pairs[2][0][4], pairs[2][1][0])


# -- hooks -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Patching, Joining])
def test_no_hook_stays_whatever_ends_the_block(pipe, heads, monkeypatch, kind):
    patches = [Patch(0, some_runs(heads, 7), (1,))]
    before = n_hooks(pipe.transformer)

    def used(fails=None):
        with kind(pipe.transformer, patches):
            assert n_hooks(pipe.transformer) > before
            draw(pipe, PROMPTS[:2], **SIZE)
            if fails is not None:
                raise fails

    used()
    assert n_hooks(pipe.transformer) == before
    for fails in (RuntimeError("broken"), KeyboardInterrupt()):
        with pytest.raises(type(fails)):
            used(fails)
        assert n_hooks(pipe.transformer) == before
    with pytest.raises(InputError, match="row 1; the batch has 1 rows"), kind(pipe.transformer, patches):
        draw(pipe, PROMPTS[:1], **SIZE)
    assert n_hooks(pipe.transformer) == before
    # A module that takes no hook, half-way through.
    last = pipe.transformer.norm_out if kind is Joining else pipe.transformer.single_transformer_blocks[2].attn.to_out
    with monkeypatch.context() as patch:
        patch.setattr(type(last), "register_forward_pre_hook", lambda *args, **kwargs: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            used()
    assert n_hooks(pipe.transformer) == before


def test_a_capture_entered_later_sees_what_is_patched_and_one_before_does_not(pipe, heads, mask):
    patches = [Patch(0, of_block(heads, 4), (1,), tokens="all")]
    with ExitStack() as stack:
        before = stack.enter_context(plantain.HeadCapture(pipe.transformer))
        stack.enter_context(Patching(pipe.transformer, patches))
        after = stack.enter_context(plantain.HeadCapture(pipe.transformer))
        draw(pipe, PROMPTS, **SIZE)
    runs = heads.runs_of(4)
    here, donor = after.mean_square[0, :2, :, runs]
    np.testing.assert_allclose(here, donor, rtol=sum_rounding(96 + 16 + 4))  # two rows of one batch
    assert (before.mean_square[0, 0, :, runs] != before.mean_square[0, 1, :, runs]).any()
    np.testing.assert_array_equal(before.mean_square[0, 1:], after.mean_square[0, 1:])


# -- what is refused -------------------------------------------------------------------------------


def test_a_patch_that_cannot_be_is_refused(heads):
    runs = some_runs(heads, 0)
    for alpha in (-0.1, 1.5, float("nan")):
        with pytest.raises(InputError, match=f"alpha of a patch lies between 0 and 1; got {alpha}"):
            Patch(0, runs, (1,), alpha=alpha)
    with pytest.raises(InputError, match="beta of a patch must be a number; got inf"):
        Patch(0, runs, beta=float("inf"))
    with pytest.raises(InputError, match="image, text, padding, all; got 'words'"):
        Patch(0, runs, (1,), tokens="words")
    for row, donors in ((-1, (0,)), (0, (-1,))):
        with pytest.raises(InputError, match="Rows of a patch are counted from 0; got -1"):
            Patch(row, runs, donors)


@pytest.mark.parametrize("kind", [Patching, Joining])
def test_patches_that_do_not_fit_the_model_are_refused(pipe, heads, mask, kind):
    runs = some_runs(heads, 0)
    for wrong in (runs[1:], runs.astype(int), runs[None]):
        with pytest.raises(InputError, match=rf"bool over the model's {heads.n_runs} runs of channels; got"):
            kind(pipe.transformer, [Patch(0, wrong, (1,))])
    for tokens in ("text", "padding"):
        with pytest.raises(InputError, match=f"Patching {tokens} tokens needs text_mask"):
            kind(pipe.transformer, [Patch(0, runs, (1,), tokens=tokens)])
    for patch in (Patch(4, runs, (1,)), Patch(0, runs, (1, 4))):
        with pytest.raises(InputError, match="names row 4; the batch has 4 rows"):
            seen(pipe, [patch], kind=kind)
    for other in (mask[:3], mask[:, 1:], mask[0]):
        with pytest.raises(InputError, match=r"text_mask must be .* for this batch; got"):
            seen(pipe, [Patch(0, runs, (1,), tokens="text")], mask=other, kind=kind)
    assert n_hooks(pipe.transformer) == 0


def test_joined_rows_want_equal_batches(pipe, heads):
    with Joining(pipe.transformer, [Patch(0, some_runs(heads, 0), (1,))]):
        draw(pipe, PROMPTS[:2], **SIZE)
        with pytest.raises(InputError, match="batch of 2 rows was followed by one of 3"):
            draw(pipe, PROMPTS[:3], **SIZE)


# -- by other means --------------------------------------------------------------------------------


class ByHand:
    """The attention of a block computed again from its weights, with each patch written into what is projected."""

    def __init__(self, patches, runs, heads, mask):
        self.patches, self.runs, self.channels, self.mask = patches, runs, heads.channels_per_head, mask

    def __call__(self, attn, hidden_states, *rest):
        *_, (cos, sin) = rest
        encoder_hidden_states = rest[0] if len(rest) == 3 else None  # a joint block's
        n_text = hidden_states.shape[1] - N_IMAGE if encoder_hidden_states is None else encoder_hidden_states.shape[1]
        if encoder_hidden_states is None:
            widths = [attn.inner_dim] * 3 + [attn.mlp_hidden_dim] * 2
            q, k, v, gate, up = (hidden_states @ attn.to_qkv_mlp_proj.weight.T).split(widths, dim=-1)
            q, k, v = self._heads(attn, q, attn.norm_q), self._heads(attn, k, attn.norm_k), self._heads(attn, v)
        else:
            image = hidden_states @ attn.to_q.weight.T, hidden_states @ attn.to_k.weight.T
            text = (encoder_hidden_states @ of.weight.T for of in (attn.add_q_proj, attn.add_k_proj, attn.add_v_proj))
            q, k, v = text
            q = torch.cat([self._heads(attn, q, attn.norm_added_q), self._heads(attn, image[0], attn.norm_q)], dim=1)
            k = torch.cat([self._heads(attn, k, attn.norm_added_k), self._heads(attn, image[1], attn.norm_k)], dim=1)
            v = torch.cat([self._heads(attn, v), self._heads(attn, hidden_states @ attn.to_v.weight.T)], dim=1)
        q, k = self._turned(q, cos, sin), self._turned(k, cos, sin)
        weights = torch.softmax(torch.einsum("bthc,bshc->bhts", q, k) / attn.head_dim**0.5, dim=-1)
        x = torch.einsum("bhts,bshc->bthc", weights, v).flatten(2)
        if encoder_hidden_states is None:
            x = torch.cat([x, gate * torch.sigmoid(gate) * up], dim=-1)
        x = self._patched(x, n_text)
        if encoder_hidden_states is None:
            return x @ attn.to_out.weight.T
        return x[:, n_text:] @ attn.to_out[0].weight.T, x[:, :n_text] @ attn.to_add_out.weight.T

    def _heads(self, attn, x, norm=None):
        x = x.unflatten(-1, (attn.heads, attn.head_dim))
        return x if norm is None else x / (x.square().mean(-1, keepdim=True) + norm.eps).sqrt() * norm.weight

    def _turned(self, x, cos, sin):
        first, second = x[..., 0::2], x[..., 1::2]
        cos, sin = (of[None, :, None, 0::2].to(x.dtype) for of in (cos, sin))
        return torch.stack([first * cos - second * sin, second * cos + first * sin], dim=-1).flatten(-2)

    def _patched(self, x, n_text):
        """Run after run, as the words say it."""
        new = x.clone()
        for patch in self.patches:
            real = self.mask[patch.row] | self.mask[(*patch.donors, patch.row)[0]]
            text = {"image": real & False, "text": real, "padding": ~real, "all": real | True}[patch.tokens]
            positions = [*np.flatnonzero(text)]
            if patch.tokens in ("image", "all"):
                positions += range(n_text, n_text + N_IMAGE)
            for run in np.flatnonzero(patch.runs[self.runs]):
                inside = slice(run * self.channels, (run + 1) * self.channels)
                own = new[patch.row, positions, inside]
                if patch.donors:
                    given = sum(x[donor, positions, inside] for donor in patch.donors) / len(patch.donors)
                    own = (1 - patch.alpha) * own + patch.alpha * given
                new[patch.row, positions, inside] = (1 + patch.beta) * own
        return new


@contextmanager
def by_hand(pipe, patches, heads, mask):
    blocks = [*pipe.transformer.transformer_blocks, *pipe.transformer.single_transformer_blocks]
    kept = [block.attn.processor for block in blocks]
    for number, block in enumerate(blocks):
        block.attn.processor = ByHand(patches, heads.runs_of(number), heads, mask)
    try:
        yield
    finally:
        for block, processor in zip(blocks, kept, strict=True):
            block.attn.processor = processor


def test_blocks_computed_by_hand_give_the_same_patched_velocity(pipe, heads, bare, mask):
    with Seen(pipe.transformer) as plain, by_hand(pipe, [], heads, mask):
        draw(pipe, PROMPTS, **SIZE)
    assert (plain.velocity - bare.velocity).abs().max() < FLOAT32
    for seed in range(3):
        patches = [patch for patch in many_patches(heads, 12, seed) if patch.donors or patch.beta][:6]
        with Seen(pipe.transformer) as expected, by_hand(pipe, patches, heads, mask):
            draw(pipe, PROMPTS, **SIZE)
        found = seen(pipe, patches, mask=mask)
        assert (found.velocity - expected.velocity).abs().max() < FLOAT32
        assert (found.velocity - bare.velocity).abs().max() > 100 * FLOAT32
        assert not any(expected.inputs.values())  # no projection of the model's own was called


def transformer_call(pipe):
    """The arguments of the transformer in a call of the pipeline."""
    calls = []
    with hooked(pipe.transformer, lambda module, args, kwargs: calls.append(kwargs)):
        draw(pipe, PROMPTS, **SIZE)
    return calls[0]


def test_nnsight_gives_the_same_patched_velocity(pipe, heads, bare):
    """A library that rewrites activations by its own hooks: image tokens of a set in every block."""
    nnsight = pytest.importorskip("nnsight")
    kwargs, runs = transformer_call(pipe), some_runs(heads, 10)
    blocks = [*pipe.transformer.transformer_blocks, *pipe.transformer.single_transformer_blocks]
    model = nnsight.NNsight(pipe.transformer)
    with torch.no_grad(), model.trace(**kwargs):
        for number in range(len(blocks)):
            inside = channels(heads, runs, number)
            if number < heads.n_joint:
                module = model.transformer_blocks[number].attn.to_out[0]
            else:
                module = model.single_transformer_blocks[number - heads.n_joint].attn.to_out
            x = module.input.clone()
            x[0, -N_IMAGE:, inside] = x[1, -N_IMAGE:, inside]
            module.input = x
        expected = model.output[0].save()
    found = seen(pipe, [Patch(0, runs, (1,))]).velocity
    assert (found - expected).abs().max() < FLOAT32
    assert (found - bare.velocity).abs().max() > 100 * FLOAT32


# -- joining ---------------------------------------------------------------------------------------


def many_patches(heads, n, seed):
    """Random sets of all kinds: of one block or all, other donors, alphas, betas and tokens; some change nothing."""
    rng = np.random.default_rng(seed)
    patches = []
    for i in range(n):
        runs = rng.random(heads.n_runs) < rng.choice([0, 0.05, 0.5, 1])
        if rng.random() < 0.5:
            runs &= of_block(heads, int(rng.integers(len(heads.block_names))))
        row = int(rng.integers(len(PROMPTS)))
        # A row that gives to itself is not the same: patched in place it gives what it was patched with.
        others = [other for other in range(len(PROMPTS)) if other != row]
        donors = tuple(int(donor) for donor in rng.choice(others, rng.integers(4), replace=False))
        alpha, beta = float(rng.choice([0, 0.3, 1, 1])), float(rng.choice([0, 0, -1, 0.5]))
        patches.append(Patch(row, runs, donors, alpha, beta, TOKENS[i % len(TOKENS)]))
    return patches


def test_joined_rows_are_those_of_plain_patching_and_the_batch_stays_as_it_is(pipe, heads, bare, mask):
    patches = many_patches(heads, 40, 0)
    with Joining(pipe.transformer, patches, mask) as joining, Seen(pipe.transformer) as outside:
        draw(pipe, PROMPTS, **SIZE)
    # Not to the bit on every processor: a product of more rows may be summed in another order.
    assert (joining.own - bare.velocity).abs().max() < FLOAT32
    assert torch.equal(outside.velocity, joining.own)
    assert joining.patched.shape == (len(patches), *bare.velocity.shape[1:])
    moved = 0
    for patch, row in zip(patches, joining.patched, strict=True):
        plain = seen(pipe, [patch], mask=mask).velocity[patch.row]
        assert (row - plain).abs().max() < FLOAT32, patch
        moved += int((plain - bare.velocity[patch.row]).abs().max() > 10 * FLOAT32)
    assert moved > 15


def test_a_pipelines_call_goes_on_as_if_no_row_had_joined(pipe, heads, mask):
    """Three steps with guidance; only the second is patched, and before it nothing is joined."""
    steps = {"num_inference_steps": 3, "guidance_scale": 2.0}
    plain = draw(pipe, PROMPTS, **SIZE, **steps)
    with Joining(pipe.transformer, many_patches(heads, 6, 1), mask, prompt_forwards([1], 2.0)) as joining:
        found = draw(pipe, PROMPTS, **SIZE, **steps)
    assert torch.equal(found, plain)
    assert joining.own.shape[0] == len(PROMPTS)
    assert joining.patched.shape[0] == 6


def test_joining_no_row_or_one_that_changes_nothing(pipe, heads, bare):
    with Joining(pipe.transformer, []) as joining:
        draw(pipe, PROMPTS, **SIZE)
    assert torch.equal(joining.own, bare.velocity)
    assert joining.patched.shape == (0, *bare.velocity.shape[1:])
    with Joining(pipe.transformer, [Patch(2, np.zeros(heads.n_runs, bool), (1,))]) as joining:
        draw(pipe, PROMPTS, **SIZE)
    assert (joining.patched[0] - bare.velocity[2]).abs().max() < FLOAT32


def test_rows_at_other_noise_levels_keep_them(pipe, heads, bare):
    """Of a transformer that is called by itself: every row has its own level."""
    kwargs = transformer_call(pipe) | {"timestep": torch.tensor([1.0, 0.7, 0.4, 0.1])}
    patches = [Patch(row, some_runs(heads, row), ((row + 1) % 4,)) for row in range(4)]
    with torch.no_grad():
        own = pipe.transformer(**kwargs)[0]
        with Patching(pipe.transformer, patches[1:2]):
            plain = pipe.transformer(**kwargs)[0]
        with Joining(pipe.transformer, patches) as joining:
            pipe.transformer(**kwargs)
    assert torch.equal(joining.own, own)
    assert (joining.patched[1] - plain[1]).abs().max() < FLOAT32
    assert (own[1] - bare.velocity[1]).abs().max() > 100 * FLOAT32


def test_bfloat16_is_patched_to_the_bit_too():
    pipe, prompts = build_odd(joint_blocks=1, single_blocks=2).to(torch.bfloat16), PROMPTS[:3]
    heads = plantain.HeadCapture(pipe.transformer).head_map
    plain = seen(pipe, prompts=prompts)
    found = seen(pipe, [Patch(0, of_block(heads, 1), (1,), tokens="all")], prompts)
    assert torch.equal(found.inputs["single[0].to_out"][0][0], plain.inputs["single[0].to_out"][0][1])
    patch = Patch(1, some_runs(heads, 8, share=0.8), (0, 2), alpha=0.5, beta=10)
    with Joining(pipe.transformer, [patch]) as joining:
        draw(pipe, prompts, **SIZE)
    assert joining.patched.dtype == torch.bfloat16
    assert torch.equal(joining.own, plain.velocity)
    assert (joining.patched[0] - seen(pipe, [patch], prompts).velocity[1]).abs().max() < BFLOAT16
    assert (joining.patched[0] - plain.velocity[1]).abs().max() > 2 * BFLOAT16
