"""NFW lens: three branches of where(), each singular in the range of another.
Source: https://github.com/Ciela-Institute/caustics/pull/83, issue 69
Maintainers: torch.where does not protect from NaN in the off branch.
Expected: rs=N4
"""

import torch

F64 = torch.float64
kwargs = {}
r = torch.linspace(0.2, 3.0, 29, dtype=F64)


def fn(p):
    x = r / p["rs"]
    f = torch.where(
        x > 1,
        torch.atan(torch.sqrt(x**2 - 1)) / torch.sqrt(x**2 - 1),
        torch.where(x < 1, torch.atanh(torch.sqrt(1 - x**2)) / torch.sqrt(1 - x**2), torch.ones_like(x)),
    )
    return (f * torch.exp(-r)).sum()


params = {"rs": torch.tensor(1.3, dtype=F64)}
