"""Images and gradients in processes forked from one that has computed some, in a script that may take its time."""

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

SCRIPT = """
    import multiprocessing, os, sys
    import torch
    from random_scenes import simulator

    torch.set_num_threads(3)  # so that there are threads to lose

    def work(engine):
        distance = torch.tensor(20.0, dtype=torch.float64, requires_grad=True)
        panel = {"distance_mm": distance, "spixels": 300, "fpixels": 300, "pixel_size_mm": 0.03}
        made = simulator(detector=panel)
        made.engine = engine
        total = made.run().sum()
        total.backward()
        return torch.stack([total.detach(), distance.grad])

    class Images(torch.utils.data.Dataset):
        def __len__(self):
            return 2

        def __getitem__(self, number):
            return work(sys.argv[1])

    def forked():
        reader, writer = os.pipe()
        if os.fork() == 0:
            os.write(writer, repr(work(sys.argv[1]).tolist()).encode())
            os._exit(0)
        os.wait()
        yield torch.tensor(eval(os.read(reader, 1000)), dtype=torch.float64)

    def pooled():
        with multiprocessing.get_context("fork").Pool(2) as pool:
            yield from pool.map(work, [sys.argv[1]] * 2)

    def loaded():
        loader = torch.utils.data.DataLoader(Images(), num_workers=2, batch_size=None, multiprocessing_context="fork")
        yield from loader

    if __name__ == "__main__":
        here = work(sys.argv[1])
        assert here.abs().min() > 0
        for way in (forked, pooled, loaded):
            for there in way():
                assert torch.allclose(here, there, rtol=1e-12), (way, here, there)
            print(way.__name__, flush=True)
        assert torch.get_num_threads() == 3
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("engine", ["numba", "torch", "formula"])
def test_a_forked_process_computes_images_and_gradients_of_its_own(engine, tmp_path):
    script, output = tmp_path / "script.py", tmp_path / "output"
    script.write_text(textwrap.dedent(SCRIPT))
    path = {"PYTHONPATH": str(Path(__file__).parents[1])}
    with output.open("w") as file, subprocess.Popen(
        [sys.executable, str(script), engine],
        env=os.environ | path, stdout=file, stderr=subprocess.STDOUT, start_new_session=True,
    ) as process:  # fmt: skip
        try:
            process.wait(timeout=100)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # the forked ones too, should they hang
    told = output.read_text()
    assert process.returncode == 0, told
    assert all(way in told for way in ("forked", "pooled", "loaded"))
