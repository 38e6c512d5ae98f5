"""The rows that the bench prints."""

from __future__ import annotations


def tell(row: str, target: str, measured: str, ratio: str, ok: bool) -> None:
    """Print one row."""
    print(f"| {row} | {target} | {measured} | {ratio} | {'yes' if ok else 'no'} |", flush=True)


def tell_peak(what: str, peak: float, most: int) -> None:
    """Print a row on memory, in MiB."""
    tell(f"{what}, peak memory", f"<= {most} MiB", f"{peak:.0f} MiB", f"{peak / most:.2f}", peak <= most)
