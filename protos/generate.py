"""Writes gen/ from protos/: Python stubs, the descriptor set for Envoy, the REST schema and the
OpenAPI document.

`generate.py OUT` writes; `generate.py --check OUT` fails when OUT differs from what the protos
give, or when `buf lint` finds something.
"""

import argparse
import filecmp
import importlib.metadata
import importlib.util
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from grpc_tools import protoc
from openapi import openapi
from rest_schema import rest_schema

PROTOS = Path(__file__).resolve().parent
PACKAGE = "evaluation/v1"
# Without these two the transcoder cannot print the details of an error.
ERRORS = ["google/rpc/status.proto", "google/rpc/error_details.proto"]
TOOLS = ["grpcio-tools", "googleapis-common-protos"]


def includes() -> list[str]:
    """Folders that imports are looked up in: ours, the well-known types, Google's APIs."""
    well_known = Path(protoc.__file__).parent / "_proto"
    spec = importlib.util.find_spec("google.api")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("googleapis-common-protos is not installed")
    googleapis = Path(spec.submodule_search_locations[0]).parents[1]
    return [f"-I{path}" for path in (PROTOS, well_known, googleapis)]


def run_protoc(*arguments: str) -> None:
    """Run protoc, or end with its exit status after its own message."""
    if status := protoc.main(["protoc", *includes(), *arguments]):
        raise SystemExit(status)


def sources() -> list[str]:
    """Our protos, by import path."""
    return sorted(str(path.relative_to(PROTOS)) for path in (PROTOS / PACKAGE).glob("*.proto"))


def generate(out: Path) -> None:
    """Write everything that is generated into the empty folder `out`."""
    run_protoc(f"--python_out={out}", f"--pyi_out={out}", f"--grpc_python_out={out}", *sources())
    for package in (out / PACKAGE, (out / PACKAGE).parent):
        (package / "__init__.py").write_text('"""Generated from protos/; not edited."""\n')
    # A file without services still gets stubs that hold nothing.
    for stub in (out / PACKAGE).glob("*_pb2_grpc.py"):
        if "Servicer" not in stub.read_text():
            stub.unlink()

    descriptors = out / "evaluation.binpb"
    run_protoc("--include_imports", f"--descriptor_set_out={descriptors}", *sources(), *ERRORS)
    files = FileDescriptorSet.FromString(descriptors.read_bytes())
    package_name = PACKAGE.replace("/", ".")
    (out / "rest_schema.lua").write_text(rest_schema(files, package_name))
    with tempfile.TemporaryDirectory() as folder:
        commented = FileDescriptorSet.FromString(commented_descriptors(Path(folder)).read_bytes())
    (out / "openapi.json").write_text(openapi(commented, package_name))
    (out / "versions.txt").write_text(
        "".join(f"{tool}=={importlib.metadata.version(tool)}\n" for tool in TOOLS)
    )


def commented_descriptors(folder: Path) -> Path:
    """Write the descriptors with their comments into a folder."""
    image = folder / "commented.binpb"
    run_protoc(
        "--include_imports", "--include_source_info", f"--descriptor_set_out={image}", *sources()
    )
    return image


def listing(folder: Path) -> set[Path]:
    """Every generated file below `folder`, by relative path."""
    return {
        path.relative_to(folder)
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def differences(left: Path, right: Path) -> list[Path]:
    """Files that one folder lacks or that differ between the two."""
    both = listing(left) & listing(right)
    changed = {path for path in both if not filecmp.cmp(left / path, right / path, shallow=False)}
    return sorted((listing(left) ^ listing(right)) | changed)


def lint(folder: Path) -> int:
    """Run buf lint. Buf resolves no imports by itself here, so it reads what protoc resolved."""
    image = commented_descriptors(folder)
    buf = shutil.which("buf", path=str(Path(sys.executable).parent)) or shutil.which("buf")
    if buf is None:
        raise SystemExit("buf is not installed (buf-bin in the dev group)")
    config = PROTOS.parent / "buf.yaml"
    return subprocess.run([buf, "lint", image, "--config", config], check=False).returncode


def replace(out: Path, generated: Path) -> None:
    """Make `out` hold exactly what was generated; files that did not change keep their time."""
    for path in differences(out, generated):
        if (generated / path).exists():
            (out / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(generated / path, out / path)
        else:
            (out / path).unlink()


def main() -> int | str:
    """Write or check, as the command line says; answer the exit status or a complaint."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--check", action="store_true", help="compare and lint, write nothing")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as generated, tempfile.TemporaryDirectory() as images:
        generate(Path(generated))
        if not arguments.check:
            replace(arguments.out, Path(generated))
            return 0
        if stale := differences(arguments.out, Path(generated)):
            files = ", ".join(str(path) for path in stale)
            return (
                f"{arguments.out} is not what the protos give; run `make gen`. Differing: {files}"
            )
        return lint(Path(images))


if __name__ == "__main__":
    sys.exit(main())
