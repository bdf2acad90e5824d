"""Freed memory goes back, and where the allocator is another one nothing is asked of it."""

import ctypes
import platform

import psutil

from plantain.ui import freed


def test_what_is_freed_between_what_is_used_goes_back():
    kept, process = [], psutil.Process()
    for _ in range(2000):
        block = bytearray(100_000)  # below what is mapped by itself
        block[::4096] = b"\1" * len(block[::4096])
        kept.append((block, bytearray(2000)))
    kept = [small for _, small in kept]
    before = process.memory_info().rss
    of_glibc = platform.libc_ver()[0] == "glibc"
    assert freed.give_back() == of_glibc  # elsewhere it says that it gave nothing
    if of_glibc:
        assert before - process.memory_info().rss > 50 * 1024**2
    assert len(kept) == 2000


def test_another_allocator_is_left_alone(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    assert not freed.give_back()
    thread = freed.give_back_every(0.01)
    thread.join(timeout=10)
    assert not thread.is_alive()
