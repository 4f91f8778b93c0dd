"""Inverted photos on disk, so that a photo is inverted once, whatever becomes of the process.

Law: a trajectory is found only for the same pixels, prompt, method, steps, size, weights and scheduler; a
file is either whole or not there, and one that cannot be read is not there.
"""

import hashlib
import json
from collections.abc import Hashable
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save

from editors.errors import EditFailed, told_as
from editors.files import reason_of, replacing
from editors.model.diffusion_model import DiffusionModel
from editors.prompt_to_prompt.inversion.trajectory import Trajectory
from editors.prompt_to_prompt.records import weights_sign


class TrajectoryFiles:
    """A folder of trajectories of one model."""

    def __init__(self, folder: Path, model: DiffusionModel) -> None:
        """Take a folder; it is made when something is first stored."""
        self._folder, self._model = folder, model
        self._digest: tuple[int | None, str] = (None, "")  # of the weights as they were last

    def find(self, inversion: tuple[Hashable, ...]) -> Trajectory | None:
        """Return the trajectory of an inversion, if it was stored."""
        path = self._path(inversion)
        try:
            with told_as(LookupError), safe_open(path, "pt", device=str(self._model.device)) as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                return Trajectory(**json.loads(file.metadata()["trajectory"]), **tensors)
        except LookupError:
            return None

    def store(self, inversion: tuple[Hashable, ...], trajectory: Trajectory) -> None:
        """Store a trajectory.

        Raises:
            EditFailed: The folder cannot be written to.
        """
        tensors = {
            name: tensor.contiguous().cpu()
            for name in ("latents", "unconditional", "pooled", "residuals")
            if (tensor := getattr(trajectory, name)) is not None
        }
        said = {"method": trajectory.method, "num_unet_rows": trajectory.num_unet_rows}
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with replacing(self._path(inversion)) as file:
                file.write(save(tensors, metadata={"trajectory": json.dumps(said)}))
        except OSError as error:
            raise EditFailed(
                f"trajectories: {self._folder.name!r} cannot be written to ({reason_of(error)}); choose "
                "another folder."
            ) from None

    def _model_digest(self) -> str:
        """Hash every weight that an inversion depends on, and the scheduler: once, seconds for gigabytes."""
        model = self._model
        modules = model.modules
        now = weights_sign(*modules)
        if self._digest[0] == now:
            return self._digest[1]
        digest = hashlib.sha256()
        for module in modules:
            for name, tensor in module.state_dict().items():
                digest.update(f"{name}{tensor.dtype}{tuple(tensor.shape)}".encode())
                digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
        digest.update(str(model.force_zeros_for_empty_prompt).encode())
        digest.update(type(model.scheduler).__name__.encode() + str(dict(model.scheduler.config)).encode())
        self._digest = (now, digest.hexdigest())
        return self._digest[1]

    def _path(self, inversion: tuple[Hashable, ...]) -> Path:
        digest = hashlib.sha256(f"{self._model_digest()}{inversion!r}".encode()).hexdigest()
        return self._folder / f"{digest}.safetensors"
