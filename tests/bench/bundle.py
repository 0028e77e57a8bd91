"""`bundle_mb`: the largest function with its layers, zipped."""

import io
import zipfile

from tests.bench.built import Bundle, bundles


def measure() -> dict[str, float]:
    """Return the size of the largest bundle in megabytes."""
    return {"bundle_mb": max(_zipped_bytes(one) for one in bundles()) / 1e6}


def _zipped_bytes(bundle: Bundle) -> int:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for folder in (*bundle.layers, bundle.code):
            for file in sorted(folder.rglob("*")):
                if file.is_file():
                    archive.write(file, file.relative_to(folder))
    return buffer.tell()
