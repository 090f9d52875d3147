"""Profile → cases: what to train, checked as a whole so that every mistake is listed at once."""

import itertools
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import PydanticCustomError

from bench.errors import InvalidInput, describe_unknown, format_count
from bench.plan import catalog
from bench.plan.mistakes import refuse

PROFILE_FOLDER = Path(__file__).parent / "profiles"
DATASET_SIZES = {"mnist-5k": (4_000, 1_000), "mnist": (60_000, 10_000), "fashion-mnist": (60_000, 10_000)}
"""Training and validation images of each dataset, as known by that name."""
LEARNING_RATES = {"adam": 0.001, "adadelta": 1.0}
"""What a profile means by these: Adam as Keras defaults it, Adadelta as the Keras of the blog had it."""

STORED = {"stored": True}
"""Validation context of a profile that was measured already: it may name what this checkout no longer has."""

_MAX_PROFILE_BYTES = 1 << 20
_MAX_CASES = 100_000
_MAX_VALUES = 1_000
_MOST_THREADS = 4_096

MOST_EPOCHS = 100_000
"""Of one run, two hundred times the blog's most: what is known of a run is one line of the journal, read as a whole."""
Name = Annotated[str, Field(pattern=catalog.NAME)]
"""What a case's id and so the names of its files are made of: no folder, no dot, never too long for a disk."""
Count = Annotated[int, Field(ge=1, le=1_000_000_000, strict=True)]
Counts = Annotated[tuple[Count, ...], Field(min_length=1, max_length=_MAX_VALUES)]


class Case(BaseModel):
    """One training run in one fresh process. Its checkpoints are the epoch counts at which it gives a row."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: Name
    backend: Name
    loop: Name
    precision: Name
    optimizer: Name
    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    batch_size: Count
    dataset: Name
    seed: Annotated[int, Field(ge=0, lt=2**31)]
    repeat: Annotated[int, Field(ge=0, le=1_000_000)]
    checkpoints: Counts
    threads: Annotated[int, Field(ge=1, le=_MOST_THREADS)] | None = None
    """Threads that the backend may use; None where it decides."""

    @property
    def case_id(self) -> str:
        """Names the case on every machine alike: all that decides what is trained, without how long."""
        return f"{self.name}.r{self.repeat}"

    @property
    def name(self) -> str:
        """The same without the repeat: what all processes of the case have in common."""
        return (
            f"{self.model}.{self.backend}.{self.loop}.{self.precision}.{self.optimizer}-{self.learning_rate:g}"
            f".b{self.batch_size}.{self.dataset}.s{self.seed}{'' if self.threads is None else f'.t{self.threads}'}"
        )

    @property
    def title(self) -> str:
        """The name for people, in a few words; axes that have their default value are left out."""
        extras = [
            *([self.backend] if self.backend != catalog.DEFAULT_BACKEND else []),
            *([self.loop] if self.loop != "fit" else []),
            *([self.precision] if self.precision != "float32" else []),
            *([format_count(self.threads, "thread")] if self.threads is not None else []),
        ]
        return name_briefly(self.model, extras, self.batch_size)

    def has_way_of(self, other: Self) -> bool:
        """Whether both are trained in the same way: by the same backend, loop, precision and threads."""
        return all(getattr(self, axis) == getattr(other, axis) for axis in ("backend", "loop", "precision", "threads"))

    @property
    def run_epochs(self) -> int:
        """Epochs that the run trains: its last checkpoint."""
        return self.checkpoints[-1]


def name_briefly(model: str, way: Iterable[str], batch_size: int) -> str:
    """Name a case for people, everywhere alike: "basic xla · batch 256", without a comma, for lists."""
    return f"{' '.join([model, *way])} · batch {batch_size}"


def _require_known(kind: str, known: Callable[[], Iterable[str]]) -> AfterValidator:
    """Refuses a name that this checkout does not have, be it the value itself or one within, unless it is stored."""

    def check(value: _Named, info: ValidationInfo) -> _Named:
        names = list(known())
        strange = next((name for name in ([value] if isinstance(value, str) else value) if name not in names), None)
        if strange is not None and info.context != STORED:
            raise PydanticCustomError("unknown", "{message}", {"message": describe_unknown(kind, strange, names)})
        return value

    return AfterValidator(check)


_Named = TypeVar("_Named", bound=Iterable[str])


def _check_ascending(value: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
    if any(later <= earlier for earlier, later in itertools.pairwise(value)):
        raise PydanticCustomError(
            "order", "epochs must ascend without repeats, for example [50, 100, 500]; got {got}", {"got": list(value)}
        )
    if value[-1] > MOST_EPOCHS and info.context != STORED:
        raise PydanticCustomError(
            "too_many",
            "a run has {most} epochs at most; got {got}",
            {"most": f"{MOST_EPOCHS:,}", "got": f"{value[-1]:,}"},
        )
    return value


def _check_distinct(value: tuple[Any, ...]) -> tuple[Any, ...]:
    doubled = sorted({item for item in value if value.count(item) > 1})
    if doubled:
        raise PydanticCustomError("doubled", "named more than once: {names}", {"names": doubled})
    return value


_ONCE = AfterValidator(_check_distinct)
_MODEL = _require_known("model", catalog.read_model_settings)
_Names = Annotated[tuple[str, ...], Field(min_length=1)]
_Epochs = Annotated[Counts, AfterValidator(_check_ascending)]
_BatchSizes = Annotated[Counts, _ONCE]
_Loops = Annotated[_Names, _require_known("loop", catalog.read_loop_backends), _ONCE]
_Precisions = Annotated[tuple[Literal["float32", "mixed_bfloat16"], ...], Field(min_length=1), _ONCE]
_Models = Annotated[_Names, _require_known("model", catalog.read_model_settings), _ONCE]


def _list_single(value: Any) -> Any:
    return (value,) if isinstance(value, int) else value


_Threads = Annotated[
    tuple[Annotated[int, Field(ge=1, le=_MOST_THREADS, strict=True)], ...],
    Field(min_length=1, max_length=_MAX_VALUES),
    BeforeValidator(_list_single),
    _ONCE,
]
"""A single number stands for a list of one."""


class ModelOverride(BaseModel):
    """What a profile says of one model where it differs from the sweep."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: _Epochs | None = None
    batch_sizes: _BatchSizes | None = None
    loops: _Loops | None = None


_Way = tuple[str, str, int | None]
"""The loop, precision and threads of a case."""


class Addition(BaseModel):
    """More cases of a profile: other ways to train some of its models. What is not given is the profile's."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    models: _Models | None = None
    loops: _Loops | None = None
    precisions: _Precisions | None = None
    threads: _Threads | None = None


class Profile(BaseModel):
    """A sweep as a person writes it: the product of its axes, with what a model has of its own, and the additions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$")] = "custom"
    description: str = ""
    dataset: Annotated[str, _require_known("dataset", lambda: DATASET_SIZES)] = "mnist-5k"
    models: _Models = Field(default_factory=lambda: tuple(catalog.read_model_settings()))
    epochs: _Epochs
    batch_sizes: _BatchSizes
    backends: Annotated[_Names, _require_known("backend", catalog.read_backends), _ONCE] = (catalog.DEFAULT_BACKEND,)
    loops: _Loops = ("fit",)
    precisions: _Precisions = ("float32",)
    threads: _Threads | None = None
    also: tuple[Addition, ...] = ()
    optimizer: Literal["adam", "adadelta", "blog"] = "adam"
    repeats: Annotated[int, Field(ge=1, le=1000, strict=True)] = 1
    minutes: Annotated[float, Field(gt=0, le=525_600, allow_inf_nan=False, strict=True)] | None = None
    within_percent: Annotated[float, Field(gt=0, le=100, allow_inf_nan=False, strict=True)] = 5.0
    seed: Annotated[int, Field(ge=0, lt=2**31, strict=True)] = 0
    timeout_s: Annotated[float, Field(gt=0, le=31_536_000, allow_inf_nan=False, strict=True)] | None = None
    stall_s: Annotated[float, Field(gt=0, le=31_536_000, allow_inf_nan=False, strict=True)] = 3600.0
    retries: Annotated[int, Field(ge=0, le=1000, strict=True)] = 3
    model: Annotated[Mapping[str, ModelOverride], _MODEL] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check_loops_run_on_backends(self, info: ValidationInfo) -> Self:
        if info.context == STORED:
            return self
        wanted = dict.fromkeys(loop for model in self.models for loop, *_ in self._list_ways(model))
        for loop, backend in itertools.product(wanted, self.backends):
            supported = catalog.read_loop_backends()[loop]
            if backend not in supported:
                message = f"loop {loop!r} does not run on backend {backend!r}; it runs on {', '.join(supported)}"
                raise PydanticCustomError("unsupported", "{message}", {"message": message})
        return self

    def list_cases(self) -> list[Case]:
        """Every case of the sweep, repeats outermost so that a noisy minute does not hit one case alone."""
        self._refuse_too_many()
        axes = itertools.product(range(self.repeats), self.models, self.backends)
        return [
            self._make_case(repeat, model, backend, way, batch_size)
            for repeat, model, backend in axes
            for way in self._list_ways(model)
            for batch_size in self._get_override(model).batch_sizes or self.batch_sizes
        ]

    def _refuse_too_many(self) -> None:
        varied = sum(
            len(self._get_override(model).batch_sizes or self.batch_sizes) * len(self._list_ways(model))
            for model in self.models
        )
        count = self.repeats * len(self.backends) * varied
        if count > _MAX_CASES:
            raise InvalidInput(f"profile {self.name!r} expands to {count:,} cases; at most {_MAX_CASES:,} are run.")

    def _get_override(self, model: str) -> ModelOverride:
        return self.model.get(model, ModelOverride())

    def _list_ways(self, model: str) -> list[_Way]:
        """The loop, precision and threads of each way to train a model, those of additions last."""
        loops, threads = self._get_override(model).loops or self.loops, self.threads or (None,)
        products: list[Any] = [(loops, self.precisions, threads)]
        products += [
            (each.loops or loops, each.precisions or self.precisions, each.threads or threads)
            for each in self.also
            if each.models is None or model in each.models
        ]
        return list(dict.fromkeys(way for axes in products for way in itertools.product(*axes)))

    def _make_case(self, repeat: int, model: str, backend: str, way: _Way, batch_size: int) -> Case:
        loop, precision, threads = way
        optimizer, learning_rate = self._choose_optimizer(model)
        return Case(
            model=model,
            backend=backend,
            loop=loop,
            precision=precision,
            threads=threads,
            optimizer=optimizer,
            learning_rate=learning_rate,
            batch_size=batch_size,
            dataset=self.dataset,
            seed=self.seed,
            repeat=repeat,
            checkpoints=self._get_override(model).epochs or self.epochs,
        )

    def _choose_optimizer(self, model: str) -> tuple[str, float]:
        if self.optimizer == "blog":
            settings = catalog.read_model_settings()[model]
            return settings.optimizer, settings.learning_rate
        return self.optimizer, LEARNING_RATES[self.optimizer]


def list_profiles() -> list[str]:
    """The profiles that come with the harness."""
    return sorted(path.stem for path in PROFILE_FOLDER.glob("*.toml"))


def read_profile(name_or_file: str, overrides: Mapping[str, Any] | None = None) -> Profile:
    """A profile by its name or its TOML file, with flags laid over it.

    A flag for epochs, batch sizes or loops applies to every model: the profile's exceptions are dropped. Raises
    `InvalidInput` with every mistake, each with its path in the file.
    """
    source, text = _read_text(name_or_file)
    try:
        fields = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also numbers of thousands of digits, lists thousands deep
        raise InvalidInput(f"{source} is not TOML: {error}.") from error
    fields.setdefault("name", _make_name(source))
    return _validate(_overlay(fields, overrides or {}), source, set(overrides or {}))


def list_published_batch_sizes() -> dict[str, dict[str, list[int]]]:
    """Each model's published batch size, as a profile's exceptions from its sweep."""
    return {name: {"batch_sizes": [settings.batch_size]} for name, settings in catalog.read_model_settings().items()}


def change_profile(stored: Profile, overrides: Mapping[str, Any]) -> Profile:
    """A profile that was measured before with flags laid over it, checked against what there is today."""
    fields = stored.model_dump(mode="json", exclude_none=True)
    return _validate(_overlay(fields, overrides), stored.name, set(overrides))


def _read_text(name_or_file: str) -> tuple[str, str]:
    path = Path(name_or_file)
    if path.suffix != ".toml":
        if name_or_file not in list_profiles():
            message = describe_unknown("profile", name_or_file, list_profiles())
            raise InvalidInput(f"{message}; or give the path of a .toml file.")
        path = PROFILE_FOLDER / f"{name_or_file}.toml"
    try:
        if path.exists() and not path.is_file():  # a pipe might wait for ever
            raise InvalidInput(f"profile {name_or_file} cannot be read: it is not a file.")
        if path.stat().st_size > _MAX_PROFILE_BYTES:
            raise InvalidInput(f"profile {name_or_file} is larger than 1 MiB: that is no profile.")
        return (path.stem if path.parent == PROFILE_FOLDER else name_or_file), path.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"profile {name_or_file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"profile {name_or_file} is not UTF-8 text.") from error


def _make_name(source: str) -> str:
    kept = "".join(char if char.isalnum() and char.isascii() else "-" for char in Path(source).stem).strip("-")
    return kept[:40] or "custom"


_AXES = {"epochs", "batch_sizes", "loops", "backends", "precisions", "threads"}
"""Flags that make another sweep of a profile: what it adds by `also`, or to its loops for one model, does not belong to
that one. Loops that a model has in place of the profile's do: others may take it a hundred times as long."""


def _overlay(fields: dict[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    axes = set(ModelOverride.model_fields) & set(overrides)
    is_another = bool(set(overrides) & _AXES)
    if is_another:
        fields = {key: value for key, value in fields.items() if key != "also"}
    shared = fields.get("loops", Profile.model_fields["loops"].default)
    exceptions = fields.get("model")
    if isinstance(exceptions, dict):

        def is_kept(key: str, value: Any) -> bool:
            is_dropped = key == "loops" and is_another and (_adds(value, shared) or not _run_on(value, overrides))
            return key not in axes and not is_dropped

        kept = {
            name: {key: value for key, value in own.items() if is_kept(key, value)} if isinstance(own, dict) else own
            for name, own in exceptions.items()
        }
        fields = {**fields, "model": kept}
    return {**fields, **overrides}


def _adds(loops: Any, shared: Any) -> bool:
    """Whether a model has all loops of the profile. What is no list is refused later."""
    return isinstance(loops, list) and isinstance(shared, list | tuple) and all(each in loops for each in shared)


def _run_on(loops: Any, overrides: Mapping[str, Any]) -> bool:
    """Whether a model's loops run on all backends that a flag names."""
    known = catalog.read_loop_backends()
    wanted = set(overrides.get("backends", ()))
    return not isinstance(loops, list) or all(wanted <= set(known.get(str(loop), wanted)) for loop in loops)


def _validate(fields: dict[str, Any], source: str, flags: set[str]) -> Profile:
    try:
        return Profile.model_validate(fields)
    except ValidationError as error:
        kinds: dict[str, type[BaseModel]] = {"": Profile, "model": ModelOverride, "also": Addition}
        raise refuse(error, source, flags, {name: kind.model_fields for name, kind in kinds.items()}) from error
