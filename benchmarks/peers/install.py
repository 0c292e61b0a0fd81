"""Make a virtualenv (or a Node folder) for each peer: ``python -m benchmarks.peers.install [name ...]``."""

import shutil
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
VENVS = HERE / ".venvs"


def wanted() -> dict[str, list[str]]:
    """The lines of peers.txt: name -> requirements (the first one is ``npm:`` for a Node peer)."""
    peers: dict[str, list[str]] = {}
    for line in (HERE / "peers.txt").read_text().splitlines():
        name, colon, rest = line.partition(":")
        if colon and not line.startswith("#"):
            peers[name.strip()] = rest.split()
    return peers


def is_installed(name: str) -> bool:
    """Whether the peer stands ready with exactly the pins of peers.txt."""
    stamp = VENVS / name / ".installed"
    return stamp.exists() and stamp.read_text().split() == wanted().get(name)


def install(name: str, requirements: list[str]) -> bool:
    """Install one peer afresh; says whether it worked."""
    home = VENVS / name
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    if requirements[0] == "npm:":
        npm = shutil.which("npm")
        if npm is None or shutil.which("node") is None:
            print(f"{name}: skipped, no node and npm here")
            return False
        command = [npm, "install", "--no-fund", "--no-audit", "--silent", "--prefix", str(home), *requirements[1:]]
    else:
        venv.create(home, with_pip=True)
        command = [str(home / "bin" / "python"), "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
        command += requirements
    done = subprocess.run(command, cwd=home, check=False)
    if done.returncode == 0:
        (home / ".installed").write_text(" ".join(requirements) + "\n")
    print(f"{name}: {'installed' if done.returncode == 0 else 'FAILED'}", flush=True)
    return done.returncode == 0


def main() -> int:
    """Install what is missing, or the named peers; the exit code counts the failures."""
    peers = wanted()
    names = sys.argv[1:] or list(peers)
    unknown = [name for name in names if name not in peers]
    if unknown:
        print(f"not in peers.txt: {', '.join(unknown)}; there: {', '.join(peers)}")
        return 2
    return sum(not install(name, peers[name]) for name in names if not is_installed(name))


if __name__ == "__main__":
    sys.exit(main())
