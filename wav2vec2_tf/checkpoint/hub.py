"""Where a model comes from: a local folder or file, or a Hugging Face hub."""

from __future__ import annotations

import errno
import logging
import os
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from wav2vec2_tf.data.bundled import BUNDLED_MODEL
from wav2vec2_tf.utils.errors import UserError, did_you_mean, near_languages
from wav2vec2_tf.utils.options import option

logger = logging.getLogger(__name__)

DESCRIPTION_FILES = (
    "config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "vocab.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "language_model/attrs.json",  # says that there is a language model, and its weights
    "README.md",  # names the licence
)
# Weights whole or in shards with an index; the first kind that a repository has is taken.
WEIGHT_FILES = (
    re.compile(r"model(-\d+-of-\d+)?\.safetensors|model\.safetensors\.index\.json"),
    re.compile(r"pytorch_model(-\d+-of-\d+)?\.bin|pytorch_model\.bin\.index\.json"),
)
ADAPTER_FILE = re.compile(r"adapter\.(.+)\.(safetensors|bin)")  # of a language, of a thousand
BUNDLED = "bundled"
"""Name of the model that comes with the package; a local folder of that name counts first."""
DISK_ERRORS = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.ENOTDIR, errno.EEXIST)


@dataclass(frozen=True, kw_only=True)
class HubOptions:
    """How models are fetched from the Hugging Face Hub."""

    revision: str | None = option(None, help="branch, tag or commit of the model's repository")
    token: str | None = option(None, help="access token; by default $HF_TOKEN or the stored one")
    cache_dir: str | None = option(None, help="where downloads are kept", metavar="FOLDER")
    local_files_only: bool = option(False, help="use what is cached, never the network")

    def keywords(self) -> dict[str, Any]:
        """Returns the options as `resolve` and every `from_pretrained` take them."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class ProcessorOption:
    """Where the processor of a checkpoint is that comes without one."""

    processor: str | None = option(
        None,
        metavar="FOLDER",
        help="folder with vocab.json and preprocessor_config.json, for a checkpoint without them, "
        "such as checkpoint-500 of a training run (default: the model's own)",
    )


def resolve(
    source: str | os.PathLike[str],
    *,
    adapter: str | None = None,
    revision: str | None = None,
    token: str | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    local_files_only: bool = False,
) -> Path:
    """The local folder of a model in Hugging Face format, downloaded if it must be, or a file.

    Args:
        source: a folder or file, returned as it is; or a hub's model id, as
            "facebook/wav2vec2-base-960h". Only the files that this library reads are fetched, into
            the cache that all programs of Hugging Face share; or "bundled", the small model that
            comes with the package.
        adapter: a language whose adapter must be there as well (MMS); see `adapter_file`.
        revision: a branch, tag or commit of the hub's repository; its default branch if None.
        token: for models that need one; `HF_TOKEN` or the stored one if None.
        cache_dir: another cache than the shared one.
        local_files_only: take what is cached and do not connect, as with `HF_HUB_OFFLINE=1`.
            Without it, too, what is cached is used, with a warning, if the hub is out of reach.

    Raises:
        UserError: if there is no such folder, file or model, it is not to be had, or has no adapter
            for the language.
    """
    path = local_path(source)
    if path is None:
        return _from_hub(os.fspath(source), adapter, revision, token, cache_dir, local_files_only)
    if adapter is not None:
        adapter_file(path, adapter)
    return path


def pinned(
    source: str | os.PathLike[str], hub: HubOptions, *, adapter: str | None = None
) -> HubOptions:
    """Fetches a model of the hub; returns options with which this commit of it is used from now on.

    The options of a local model are returned as they are. See `resolve` for arguments and errors.
    """
    if local_path(source) is not None:
        return hub
    folder = resolve(source, adapter=adapter, **hub.keywords())
    return replace(hub, revision=folder.name, local_files_only=True)


def cached_commit(model: str, hub: HubOptions) -> str | None:
    """Returns the commit of a model of the hub that was fetched last; None if none was."""
    cache = None if hub.cache_dir is None else Path(hub.cache_dir).expanduser()
    folder = _cached(model, hub.revision, cache)
    return None if folder is None else folder.name


def adapter_file(source: Path, language: str) -> Path:
    """The weights of a language's adapter: `adapter.fra.safetensors` or else `adapter.fra.bin`.

    Args:
        source: the model's folder, or a file in it.
        language: as the files are named, "fra".

    Raises:
        UserError: there is none for the language; similar ones are named.
    """
    folder = source.parent if source.is_file() else source
    return folder / _adapter_name(str(source), _names(folder), language)


def _adapter_name(title: str, files: Iterable[str], language: str) -> str:
    if not isinstance(language, str):
        raise UserError(f"{title}: target_lang must be text such as 'fra', got {language!r}")
    kinds: dict[str, set[str]] = {}
    for name in files:
        if match := ADAPTER_FILE.fullmatch(name):
            kinds.setdefault(match[1], set()).add(match[2])
    if language in kinds:
        kind = "safetensors" if "safetensors" in kinds[language] else "bin"
        return f"adapter.{language}.{kind}"
    if not kinds:
        raise UserError(f"{title}: has no adapters of languages; leave target_lang out")
    raise UserError(
        f"{title}: has no adapter for {language!r} but for {len(kinds)} languages; "
        f"pass target_lang=, as {near_languages(language, kinds)}"
    )


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def local_path(source: str | os.PathLike[str]) -> Path | None:
    """Returns the folder or file that a source names, or None if it is a hub's id.

    Raises:
        UserError: it is a path and nothing is there.
    """
    if not os.fspath(source):
        raise UserError("the model's name is empty; give a folder or a hub's model id")
    path = os.path.expanduser(source)
    if os.path.isdir(path) or os.path.isfile(path):
        return Path(path)
    if os.path.exists(path):  # a pipe would make its reader wait
        raise UserError(f"{source}: neither a folder nor a file; give the model's")
    if not isinstance(source, str) or _looks_like_a_path(source):
        raise UserError(
            f"{source}: no such folder or file; give a model's folder or file, a hub's model id "
            f'or "{BUNDLED}"'
        )
    return BUNDLED_MODEL if source == BUNDLED else None


def _looks_like_a_path(source: str) -> bool:
    """A hub's id is "name" or "owner/name", of letters, digits and `-_.`."""
    return not re.fullmatch(r"\w[\w.-]*(/\w[\w.-]*)?", source, re.ASCII)


def _from_hub(
    model: str,
    adapter: str | None,
    revision: str | None,
    token: str | None,
    cache_dir: str | os.PathLike[str] | None,
    local_files_only: bool,
) -> Path:
    """The folder with a model's files, and with the adapter of a language if one is named."""
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
        _wanted(f"{_title(model, revision)} as cached (connect for more)", _names(folder), adapter)
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
        files = _wanted(model, [sibling.rfilename for sibling in info.siblings or ()], adapter)
        return Path(
            huggingface_hub.snapshot_download(
                model,
                revision=revision,
                token=token,
                cache_dir=cache,
                allow_patterns=files,
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
            f"{_title(model, revision)}: not a folder here, not in the cache, and {reason}"
            + (did_you_mean(model, [BUNDLED]) or "; connect and try again")
        ) from problem
    _wanted(f"{_title(model, revision)} as cached ({reason})", _names(folder), adapter)
    logger.warning("%s: using the cached copy, as %s", _title(model, revision), reason)
    return folder


def _wanted(title: str, files: list[str], adapter: str | None) -> list[str]:
    if "config.json" not in files:
        raise UserError(
            f"{title}: has no config.json on the hub; give a model in transformers' format"
        )
    wanted = [name for name in files if name in DESCRIPTION_FILES]
    if adapter is not None:
        wanted.append(_adapter_name(title, files, adapter))
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
    names = _names(folder)
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
