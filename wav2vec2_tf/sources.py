"""Where a model comes from: a local folder, or a Hugging Face hub."""

from __future__ import annotations

import errno
import logging
import os
import re
from pathlib import Path

from wav2vec2_tf.errors import UserError

logger = logging.getLogger(__name__)

DESCRIPTION_FILES = (
    "config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "vocab.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "README.md",  # names the licence
)
# Weights whole or in shards with an index; the first kind that a repository has is taken. Adapters
# of single languages (`adapter.fra.safetensors`), of which one can have a thousand, are not.
WEIGHT_FILES = (
    re.compile(r"model(-\d+-of-\d+)?\.safetensors|model\.safetensors\.index\.json"),
    re.compile(r"pytorch_model(-\d+-of-\d+)?\.bin|pytorch_model\.bin\.index\.json"),
)
DISK_ERRORS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.ENOTDIR, errno.EEXIST)


def resolve(
    source: str | os.PathLike[str],
    *,
    revision: str | None = None,
    token: str | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    local_files_only: bool = False,
) -> Path:
    """The local folder of a model in Hugging Face format, downloaded if it must be.

    Args:
        source: a folder, returned as it is; or a hub's model id, as "facebook/wav2vec2-base-960h".
            Only the files that this library reads are fetched, into the cache that all programs of
            Hugging Face share.
        revision: a branch, tag or commit of the hub's repository; its default branch if None.
        token: for models that need one; `HF_TOKEN` or the stored one if None.
        cache_dir: another cache than the shared one.
        local_files_only: take what is cached and do not connect, as with `HF_HUB_OFFLINE=1`.
            Without it, too, what is cached is used, with a warning, if the hub is out of reach.

    Raises:
        UserError: if there is no such folder or model, or it is not to be had.
    """
    if not os.fspath(source):
        raise UserError("the model's name is empty; give a folder or a hub's model id")
    folder = os.path.expanduser(source)
    if os.path.isdir(folder):
        return Path(folder)
    if os.path.exists(folder):
        raise UserError(f"{source}: is a file; give the folder that holds the model")
    if not isinstance(source, str) or _looks_like_a_path(source):
        raise UserError(f"{source}: no such folder")
    return _from_hub(source, revision, token, cache_dir, local_files_only)


def _looks_like_a_path(source: str) -> bool:
    """A hub's id is "name" or "owner/name", of letters, digits and `-_.`."""
    return not re.fullmatch(r"\w[\w.-]*(/\w[\w.-]*)?", source, re.ASCII)


def _from_hub(
    model: str,
    revision: str | None,
    token: str | None,
    cache_dir: str | os.PathLike[str] | None,
    local_files_only: bool,
) -> Path:
    import huggingface_hub
    from huggingface_hub import constants, errors

    cache = None if cache_dir is None else Path(cache_dir).expanduser()
    if local_files_only or constants.HF_HUB_OFFLINE:
        folder = _cached(model, revision, cache)
        if folder is None:
            raise UserError(
                f"{_title(model, revision)}: neither a folder here nor in the cache; "
                "connect once without local_files_only and HF_HUB_OFFLINE"
            )
        return folder

    # An HfHubHTTPError derives from the base error of the HTTP library, whichever that is; the page
    # of a hotel's network instead of the hub's answer is a ValueError.
    failures: tuple[type[BaseException], ...] = (
        *errors.HfHubHTTPError.__bases__,
        OSError,
        ValueError,
    )
    try:
        info = huggingface_hub.HfApi(token=token).model_info(model, revision=revision)
        files = _wanted(model, [sibling.rfilename for sibling in info.siblings or ()])
        return Path(
            huggingface_hub.snapshot_download(
                model, revision=revision, token=token, cache_dir=cache, allow_patterns=files
            )
        )
    except UserError:
        raise
    except failures as error:
        problem: BaseException = error
        if isinstance(error, errors.LocalEntryNotFoundError) and error.__cause__:
            problem = error.__cause__
        _raise_if_final(model, revision, problem)

    folder = _cached(model, revision, cache)
    reason = f"{constants.ENDPOINT} cannot be reached ({type(problem).__name__})"
    if folder is None:
        raise UserError(
            f"{_title(model, revision)}: not a folder here, not in the cache, and {reason}; "
            "connect and try again"
        ) from problem
    logger.warning("%s: using the cached copy, as %s", _title(model, revision), reason)
    return folder


def _wanted(model: str, files: list[str]) -> list[str]:
    if "config.json" not in files:
        raise UserError(
            f"{model}: has no config.json on the hub; give a model in transformers' format"
        )
    wanted = [name for name in files if name in DESCRIPTION_FILES]
    for pattern in WEIGHT_FILES:
        weights = [name for name in files if pattern.fullmatch(name)]
        if weights:
            return wanted + weights
    return wanted


def _cached(model: str, revision: str | None, cache: Path | None) -> Path | None:
    """The cached folder of a model with weights."""
    import huggingface_hub

    config = huggingface_hub.try_to_load_from_cache(
        model, "config.json", cache_dir=cache, revision=revision
    )
    if not isinstance(config, str):
        return None
    folder = Path(config).parent
    names = [path.name for path in folder.iterdir()]
    return folder if any(p.fullmatch(name) for p in WEIGHT_FILES for name in names) else None


def _raise_if_final(model: str, revision: str | None, problem: BaseException) -> None:
    """Raise a UserError unless the hub just could not be reached."""
    from huggingface_hub import constants, errors

    hub = constants.ENDPOINT
    if isinstance(problem, errors.HFValidationError):
        message = f"{model}: neither a folder here nor a valid id of a model"
    elif isinstance(problem, errors.GatedRepoError):
        message = (
            f"{model}: access is restricted; accept its conditions at {hub}/{model}, "
            "then pass token= or set HF_TOKEN"
        )
    elif isinstance(problem, errors.RevisionNotFoundError):
        message = f"{model}: has no revision {revision!r} on {hub}; look there for one"
    elif isinstance(problem, errors.RepositoryNotFoundError):
        message = (
            f"{model}: neither a folder here nor a model on {hub}; "
            "if it is a private one, pass token= or set HF_TOKEN"
        )
    elif isinstance(problem, errors.HfHubHTTPError) and problem.response.status_code in (401, 403):
        message = f"{model}: {hub} refuses access; check the token= passed or HF_TOKEN"
    elif isinstance(problem, OSError) and problem.errno in DISK_ERRORS:
        message = f"{model}: cannot be written to the cache ({problem.strerror}); see cache_dir="
    else:
        return
    raise UserError(message) from problem


def _title(model: str, revision: str | None) -> str:
    return model if revision is None else f"{model} at revision {revision}"
