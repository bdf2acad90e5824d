"""What the machine may lack or have in the way: put in order before gradio is imported and the page launched.

Nothing here imports gradio, which reads the environment as it is imported.
"""

import atexit
import errno
import os
import shutil
import socket
import sys
import tempfile
import urllib.request
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from plantain.errors import InputError
from plantain.paths import ROOT
from plantain.wording import print_anything

RUNS_VARIABLE = "PLANTAIN_RUNS"
_TEMP_VARIABLE = "GRADIO_TEMP_DIR"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def prepare() -> None:
    """Make gradio importable and its files private, or exit with a sentence.

    >>> prepare()
    """
    print_anything()
    root = os.environ.get("GRADIO_ROOT_PATH", "").rstrip("/")
    if root and "://" not in root:
        os.environ["GRADIO_ROOT_PATH"] = "/" + root.lstrip("/")  # the one form that gradio matches
    try:
        _check_proxies()
        _own_temporary_files()
        _some_home()
    except InputError as error:
        print(f"plantain: {error}", file=sys.stderr)
        sys.exit(2)


def _check_proxies() -> None:
    """httpx, which gradio and the Hub's client use, fails on import where a proxy's address is not to its taste."""
    if not urllib.request.getproxies():
        return
    import httpx

    try:
        httpx.Client().close()
    except (ImportError, ValueError, httpx.InvalidURL) as error:
        names = [name for name in os.environ if name.lower() in ("http_proxy", "https_proxy", "all_proxy")]
        raise InputError(
            f"The proxy set in {' or '.join(sorted(names))} cannot be used: {str(error).rstrip('.')}. Set it to an "
            f"address that starts with http://, or start without it: env -u {sorted(names)[0]} python app.py"
        ) from error


def _own_temporary_files() -> None:
    """gradio's own folder, /tmp/gradio, belongs to whoever on this machine used it first."""
    given = os.environ.get(_TEMP_VARIABLE)
    try:
        if not given:
            os.environ[_TEMP_VARIABLE] = str(temporary_folder("plantain-gradio-"))
            return
        Path(given).mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=given).close()
    except OSError as error:
        where, name = (f"to {given}", _TEMP_VARIABLE) if given else ("temporary files", "TMPDIR")
        raise InputError(
            f"Cannot write {where}: {error.strerror or error}. Set {name} to a folder that you can write to."
        ) from error


def _some_home() -> None:
    """``spaces`` asks for the home folder as it is imported, which a user without an entry in passwd does not have."""
    try:
        Path.home()
    except RuntimeError:
        if _is_writable(runs := saved_folder()):  # which must not go with the temporary home
            os.environ.setdefault(RUNS_VARIABLE, str(runs))
        os.environ["HOME"] = str(temporary_folder("plantain-home-"))


def temporary_folder(prefix: str) -> Path:
    """Make a folder that is removed when this process exits.

    >>> temporary_folder("plantain-")
    """
    folder, owner = Path(tempfile.mkdtemp(prefix=prefix)), os.getpid()

    def remove() -> None:
        if os.getpid() == owner:  # a forked worker ends earlier
            shutil.rmtree(folder, ignore_errors=True)

    atexit.register(remove)
    return folder


def exclude_loopback(host: str) -> None:
    """Keep gradio's requests to its own server away from a proxy that knows nothing of it.

    >>> exclude_loopback("127.0.0.1"); os.environ["NO_PROXY"]
    'localhost,127.0.0.1,::1'
    """
    given = ",".join(os.environ.get(name, "") for name in ("no_proxy", "NO_PROXY")).split(",")
    value = ",".join(dict.fromkeys(filter(None, [*map(str.strip, given), *_LOOPBACK, host])))
    os.environ |= {"no_proxy": value, "NO_PROXY": value}


def free_host(host: str | None, port: int | None) -> str:
    """Return the host as ``launch`` takes it, once it is sure that this machine can listen there.

    >>> free_host("::", None)
    '[::]'

    Raises InputError: the port is in use or no port at all, or the host is no address of this machine.
    """
    from gradio import http_server

    host = (host or os.environ.get("GRADIO_SERVER_NAME") or "127.0.0.1").strip("[]")
    if port is not None and not 1 <= port <= 65535:
        raise InputError(f"--port takes a number from 1 to 65535; got {port}.")
    if ":" in host:
        http_server.LOCALHOST_NAME = "127.0.0.1"  # where gradio looks for a free port, by IPv4 alone
    first = http_server.INITIAL_PORT_VALUE
    ports = range(first, first + http_server.TRY_NUM_PORTS) if port is None else [port]
    exclude_loopback(host)
    _try_ports(host, ports)
    return f"[{host}]" if ":" in host else host


def _try_ports(host: str, ports: Sequence[int]) -> None:
    """Whether one of the ports is free, on the host and, where gradio looks, on 127.0.0.1."""
    _listen(host, 0)
    for port in ports:
        try:
            for address in {host, "127.0.0.1"}:
                _listen(address, port)
            return
        except OSError as error:
            refused = error
    if refused.errno == errno.EACCES:
        raise InputError(f"This user may not open port {ports[-1]}; give a --port from 1024 on.") from refused
    which = f"Port {ports[0]} is" if len(ports) == 1 else f"All ports from {ports[0]} to {ports[-1]} are"
    raise InputError(f"{which} in use; give a free one as --port.") from refused


def _listen(host: str, port: int) -> None:
    """Bind for a moment. Port 0 asks about the host alone, and is refused with a sentence."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(address)
    except (OSError, UnicodeError) as error:
        if port:
            raise
        raise InputError(
            f"Cannot listen on --host {host}: {getattr(error, 'strerror', None) or error}. Give an address of this "
            "machine, such as 127.0.0.1; 0.0.0.0 or :: stands for all of them."
        ) from error


def saved_folder() -> Path:
    """Return the folder of runs saved on the page: PLANTAIN_RUNS, else ``runs`` beside the project or, where that
    cannot be written to, in the user's data folder.
    """
    if given := os.environ.get(RUNS_VARIABLE):
        return Path(given).expanduser().resolve()
    beside = ROOT / "runs"
    if _is_writable(beside):
        return beside
    data = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
    if data.startswith("~"):  # a user without a home, as in a container: where the page was started is left
        return Path("runs").resolve()
    return Path(data, "plantain", "runs").resolve()


def set_saved_folder(given: str) -> None:
    """Take ``--runs`` or PLANTAIN_RUNS; raises InputError where nothing can be written to it."""
    os.environ[RUNS_VARIABLE] = str(Path(given).expanduser().resolve())
    if not _is_writable(saved_folder()):
        raise InputError(
            f"Cannot write to {saved_folder()}; give --runs (or {RUNS_VARIABLE}) a folder that you can write to."
        )


@cache
def _is_writable(folder: Path) -> bool:
    """Whether files can be written to a folder or, where it has yet to be made, to the one that it goes into."""
    there = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        tempfile.TemporaryFile(dir=there).close()
    except OSError:
        return False
    return True
