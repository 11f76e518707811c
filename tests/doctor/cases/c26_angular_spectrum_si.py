"""Healthy: propagation of a field over 1 mm at 632.8 nm: parameters in metres.
Expected: healthy for every parameter
"""

import torch

F64 = torch.float64
n, dx = 64, 4e-6
x = (torch.arange(n, dtype=F64) - n / 2) * dx
u0 = torch.exp(-((x / 4e-5) ** 2)).to(torch.complex128)
fx = torch.fft.fftfreq(n, dx, dtype=F64)


def fn(p):
    kz = 2 * torch.pi * torch.sqrt(1 / p["lam"] ** 2 - fx**2)
    u = torch.fft.ifft(torch.fft.fft(u0 * torch.exp(1j * (x / p["f"]) ** 2)) * torch.exp(1j * kz * p["z"]))
    return u.abs() ** 2


kwargs = {"loss": lambda im: (im * x.abs() * 1e5).sum()}
params = {
    "lam": torch.tensor(632.8e-9, dtype=F64),
    "z": torch.tensor(1e-3, dtype=F64),
    "f": torch.tensor(3e-5, dtype=F64),
}
