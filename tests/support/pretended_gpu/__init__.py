"""A pretended GPU: tensors that say ``cuda:0``, are computed on the CPU, and refuse what CUDA refuses.

Every operation passes a dispatch mode that computes its real values, raises where tensors of two devices meet, where a
generator draws on the wrong device and where CUDA has no kernel, and logs by line what makes the host wait, what is
copied to the device and what CUDA computes in an order of its own. It needs neither a CUDA build nor a driver.

C++ is told that these tensors are on ``meta``, a device without driver, guard and backward thread; Python is told
``cuda:0``. That takes private interfaces of PyTorch: where ``missing`` names one, the other modules of this package
cannot be imported.
"""

from __future__ import annotations

import pkgutil

_PRIVATE = (
    "torch._C:_disabled_torch_function_impl",
    "torch._C:_nn._parse_to",
    "torch:Tensor._make_wrapper_subclass",
    "torch.cuda:_lazy_init",
    "torch.overrides:_get_current_function_mode_stack",
    "torch.utils._python_dispatch:TorchDispatchMode",
    "torch.utils._python_dispatch:return_and_correct_aliasing",
    "torch.utils._pytree:tree_map_only",
)


def missing() -> list[str]:
    """The private interfaces that this package needs and the installed PyTorch lacks."""
    return [name.replace(":", ".") for name in _PRIVATE if not _exists(name)]


def _exists(name: str) -> bool:
    try:
        pkgutil.resolve_name(name)
    except (ImportError, AttributeError):
        return False
    return True
