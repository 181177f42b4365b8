"""The tape: every market input in the order it entered the kernel, in compressed segments."""

from interlock.adapters.tape.reading import TapeReader, merged
from interlock.adapters.tape.writing import FolderTape

__all__ = ["FolderTape", "TapeReader", "merged"]
