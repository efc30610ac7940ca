"""What bytes are, by how they begin: the media that a model can be shown. Nothing else is handed on, whatever its
server calls it (the signatures of mimesniff.spec.whatwg.org, and those of the formats)."""

from typing import Literal

Kind = Literal["image", "audio", "file"]

BEGIN = 64
"""Bytes from which a medium is known."""
OPAQUE = frozenset({"", "application/octet-stream", "binary/octet-stream", "application/x-download"})
"""Types by which a server says that it does not know."""
_CONTAINERS = frozenset({"video/mp4", "video/webm", "application/ogg"})
"""Types by which a server may call a sound."""
_STARTS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"%PDF-", "application/pdf"),
    (b"ID3", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"FORM", "audio/aiff"),
    (b"\x1aE\xdf\xa3", "audio/webm"),
)
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}
_BRANDS = {
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"mif1": "image/heif",
    b"M4A ": "audio/mp4",
    b"M4B ": "audio/mp4",
}


def media_type(begin: bytes) -> str:
    """The media type of what begins so; '' where it is none that is known."""
    for start, found in _STARTS:
        if begin.startswith(start):
            return found if found != "audio/aiff" or begin[8:11] == b"AIF" else ""
    if begin.startswith(b"RIFF"):
        return _RIFF.get(begin[8:12], "")
    if begin[4:8] == b"ftyp":
        return _BRANDS.get(begin[8:12], "")
    if begin.startswith(b"BM") and begin[6:10] == b"\0\0\0\0":
        return "image/bmp"
    if len(begin) > 1 and begin[0] == 0xFF and begin[1] & 0xF6 == 0xF0:
        return "audio/aac"
    if len(begin) > 1 and begin[0] == 0xFF and begin[1] & 0xE6 == 0xE2:  # layer III; a text in UTF-16 begins FF FE
        return "audio/mpeg"
    return ""


def is_kind(kind: Kind, type_: str) -> bool:
    """Whether a media type is one of this kind. A file is a PDF, or an image or sound that came as one."""
    if kind == "file":
        return type_ == "application/pdf" or type_.startswith(("image/", "audio/"))
    return type_.startswith(f"{kind}/")


def may_be(kind: Kind, content_type: str) -> bool:
    """Whether what a server calls so can be of this kind: it says so, or does not know."""
    stated = content_type.partition(";")[0].strip().lower()
    return stated in OPAQUE or is_kind(kind, stated) or (kind == "audio" and stated in _CONTAINERS)
