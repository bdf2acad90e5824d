"""Modules compiled with ``torch.compile`` run no hooks, and everything here is measured by hooks."""

from typing import Any

from plantain.errors import InputError


def refuse_compiled(module: Any, name: str) -> None:
    """Raise InputError if a module, or a part of it, is compiled.

    >>> refuse_compiled(pipe.transformer, "transformer")

    Covers ``torch.compile(module)``, ``module.compile()``, a compiled ``forward``, and all of these on a part, as
    ``compile_repeated_blocks`` leaves it.
    """
    for path, part in module.named_modules():
        compiled = (
            "_orig_mod" in part._modules
            or part._compiled_call_impl is not None
            or hasattr(part.forward, "_torchdynamo_orig_callable")
        )
        if compiled:
            where = f"The {name}" if not path else f"{path} of the {name}"
            raise InputError(
                f"{where} is compiled (torch.compile), and compiled models run no hooks, so nothing can be measured. "
                f"Pass the model before it was compiled: load the pipeline anew, or set pipe.{name} to its ._orig_mod."
            )
