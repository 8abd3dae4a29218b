"""Certificates for servers and clients of tests."""

from pathlib import Path

import trustme


def write_certificates(folder: Path, *hosts: str) -> None:
    """An authority, ca.crt, and what it signed for these hosts: server.crt and .key, client.crt and .key."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.crt")
    for name in ("server", "client"):
        signed = authority.issue_cert(*hosts)
        signed.private_key_pem.write_to_path(folder / f"{name}.key")
        signed.cert_chain_pems[0].write_to_path(folder / f"{name}.crt")
