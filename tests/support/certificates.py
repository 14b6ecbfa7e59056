"""A certificate authority of the tests' own, and what it signs."""

import subprocess
from pathlib import Path


def make_authority(folder: Path, name: str = "ca") -> Path:
    """The authority's certificate; its key lies beside it."""
    certificate = folder / f"{name}.pem"
    _openssl(
        *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"),
        *("-subj", f"/CN=tests {name}", "-keyout", folder / f"{name}.key", "-out", certificate),
        *("-addext", "keyUsage=critical,keyCertSign,cRLSign"),
    )
    return certificate


def sign(folder: Path, name: str, alternative: str, authority: str = "ca") -> tuple[Path, Path]:
    """(certificate, key) made out to a name such as ``IP:127.0.0.1``."""
    request, certificate, key = folder / f"{name}.csr", folder / f"{name}.pem", folder / f"{name}.key"
    extensions = folder / f"{name}.ext"
    extensions.write_text(f"subjectAltName={alternative}\nbasicConstraints=CA:FALSE\n")
    _openssl(
        *("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}"),
        *("-keyout", key, "-out", request),
    )
    _openssl(
        *("x509", "-req", "-in", request, "-CA", folder / f"{authority}.pem", "-days", "2"),
        *("-CAkey", folder / f"{authority}.key", "-CAcreateserial", "-extfile", extensions),
        *("-out", certificate),
    )
    return certificate, key


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=60)
