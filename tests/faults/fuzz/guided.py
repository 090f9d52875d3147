"""Coverage-guided fuzzing of one reader: `python tests/faults/fuzz/guided.py READER CORPUS -max_total_time=100`.

Needs atheris (https://github.com/google/atheris), a fuzzer for Python on libFuzzer, which takes the other arguments.
Half of the changes are libFuzzer's own to the bytes, half are to the file's structure. Ends with a traceback and the
input in a file `crash-…` where a reader raises anything but InvalidInput.
"""

import sys
from pathlib import Path
from random import Random

import atheris

_ROOT = Path(__file__).parents[3]
sys.path[:0] = [str(_ROOT), str(_ROOT / "tests")]

with atheris.instrument_imports(include=["bench"]):
    from faults.fuzz.readers import READERS


def main() -> None:
    name, corpus, *arguments = sys.argv[1:]
    reader, folder = READERS[name], Path(corpus)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "seed").write_bytes(reader.seed)
    assert reader.accepts(reader.seed), "the reader refuses the file that the search begins with"

    def mutate(data: bytes, longest: int, seed: int) -> bytes:
        chance = Random(seed)
        if chance.random() < 0.5:
            return bytes(atheris.Mutate(data, longest))
        changed = reader.mutation(data, chance)
        return changed if len(changed) <= longest else data

    atheris.Setup([sys.argv[0], str(folder), *arguments], lambda data: _one(name, data), custom_mutator=mutate)
    atheris.Fuzz()


def _one(name: str, data: bytes) -> None:
    READERS[name].accepts(data)


if __name__ == "__main__":
    main()
